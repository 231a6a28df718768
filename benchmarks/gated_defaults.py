"""The schedule of gated mode, measured on the VALIDATION split: `python -m benchmarks.gated_defaults`.

Joint training of mask scores and gate is sensitive to its schedule; what fails is in the table too. Every choice's
figures are kept in docs/results/gated_defaults.json, so the command goes on where it was interrupted.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

from rtl_core.config import parse, preset, with_setting
from rtl_core.events import MemoryJournal, silent
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import layer_profile
from rtl_core.runs.gates import remade_gate
from rtl_core.runs.pipeline import evaluate, prepare, train

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
SEEDS = (1, 2)
BASE = ("mode=gated", "controls=[]", "denser=[]", "lighter=[]", "gated.backbone_steps=600", "gated.steps=150")
CHOICES = {
    "default": (),
    "binarised every 10 steps": ("gated.binarise_every=10",),
    "binarised every 50 steps": ("gated.binarise_every=50",),
    "scores at 1e-3": ("gated.learning_rate=0.001",),
    "scores at 1e-2": ("gated.learning_rate=0.01",),
    "head per ticket": ("sharing.head=ticket",),
    "the gate is not told the partition": ("gated.guide_weight=0",),
    "ten times the price on density": ("gated.density_weight=1",),
}


def measure(choice: tuple[str, ...], seed: int) -> dict[str, float]:
    """Accuracy on validation rows of the own ticket and of the gate's, how often they are the same, and the overlap."""
    values = {**preset("domains"), "seed": seed}
    for assignment in (*BASE, *choice):
        values = with_setting(values, assignment)
    setting = prepare(parse(values), silent, MemoryJournal())
    outcome = train(setting, silent, MemoryJournal())
    features = outcome.info["gate"]["features"]
    gate = remade_gate(outcome.gate, features, outcome.tickets.k, setting.dataset, setting.network)
    evaluation = evaluate(setting, outcome.tickets, {"rtl": outcome.learned[0]}, gate, split="val")
    routers = {row["router"]: row for row in evaluation["routers"]}
    profile = layer_profile(overlap(outcome.tickets))
    return {
        "accuracy": evaluation["methods"][0]["accuracy"],
        "gate": routers["gate"]["accuracy"],
        "agreement": routers["gate"]["agreement_with_oracle"],
        "iou": float(profile.iou_mean.mean()),
    }


def main() -> None:
    path = RESULTS / "gated_defaults.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for label, choice in CHOICES.items():
        for seed in SEEDS:
            key = f"{label}/{seed}"
            if key not in kept:
                kept[key] = measure(choice, seed)
                path.write_text(json.dumps(kept, indent=1))
                print(key, kept[key], flush=True)
    lines = [
        "# The schedule of gated mode",
        "",
        f"`python -m benchmarks.gated_defaults`: five domains, validation split, seeds {' '.join(map(str, SEEDS))};",
        f"{', '.join(BASE[4:])} unless the choice says otherwise. Each cell: mean (each seed).",
        "With two seeds, differences of a point or less are noise.",
        "",
        "| choice | accuracy, own ticket | accuracy, gate's ticket | gate finds the domain | mean IoU over layers |",
        "|---|---|---|---|---|",
    ]
    for label in CHOICES:
        rows = [kept[f"{label}/{seed}"] for seed in SEEDS]
        cells = [
            f"{mean(row[name] for row in rows):.3f} ({' '.join(f'{row[name]:.3f}' for row in rows)})"
            for name in rows[0]
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    (RESULTS / "gated_defaults.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
