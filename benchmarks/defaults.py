"""What belongs to a ticket: norm statistics, norm scale and shift, head, measured on the VALIDATION split.

`python -m benchmarks.defaults` trains RTL alone (shorter than the presets, so that the table is quick to
make) with each choice and writes docs/results/defaults.md.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from rtl_core.config import parse, preset, with_setting
from rtl_core.events import MemoryJournal, silent
from rtl_core.runs.pipeline import evaluate, prepare, train
from rtl_core.tasks.classification import MULTICLASS

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "defaults.md"
SEEDS = (0,)
OTHER_HEAD = ("the head that is not the preset's default",)
CHOICES = {
    "default": (),
    "no re-estimation": ("sharing.recalibrate_batches=0",),
    "shared statistics, no re-estimation": ("sharing.norm_statistics=shared", "sharing.recalibrate_batches=0"),
    "shared statistics, re-estimated": ("sharing.norm_statistics=shared",),
    "scale and shift per ticket": ("sharing.norm_affine=ticket",),
    "the other head": OTHER_HEAD,
}
SHORTER = ("extract.steps=100", "joint.steps=60", "controls=[]", "denser=[]", "lighter=[]")


def measure(preset_name: str, choice: tuple[str, ...], seed: int) -> dict[str, float]:
    values = {**preset(preset_name), "seed": seed}
    if choice is OTHER_HEAD:
        choice = ("sharing.head=ticket",) if parse(values).sharing.head == "shared" else ("sharing.head=shared",)
    for assignment in (*SHORTER, *choice):
        values = with_setting(values, assignment)
    setting = prepare(parse(values), silent, MemoryJournal())
    outcome = train(setting, silent, MemoryJournal())
    figures = evaluate(setting, outcome.tickets, {"rtl": outcome.learned[0]}, None, split="val")["methods"][0]
    return {metric: figures[metric] for metric in (figure.name for figure in MULTICLASS.figures)}


def main() -> None:
    lines = [
        "# What belongs to a ticket and what to all",
        "",
        f"`python -m benchmarks.defaults`: RTL on the validation split, seeds: {' '.join(map(str, SEEDS))}; shorter",
        f"than the presets ({', '.join(SHORTER[:2])}). With so few seeds, differences of a point or less are noise.",
        "The default is: statistics per ticket and re-estimated after joint training, scale and shift shared; head",
        "shared for multi-class tickets (`domains`), per ticket for one-vs-rest tickets (`classes`).",
        "",
        "| choice | domains: accuracy (each seed) | classes: balanced accuracy (each seed) |",
        "|---|---|---|",
    ]
    for label, choice in CHOICES.items():
        cells = []
        for preset_name, metric in (("domains", "accuracy"), ("classes", "balanced_accuracy")):
            values = [measure(preset_name, choice, seed)[metric] for seed in SEEDS]
            cells.append(f"{mean(values):.3f} ({' '.join(f'{v:.3f}' for v in values)})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
