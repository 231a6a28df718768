"""Where do learned masks win at equal total steps? `python -m benchmarks.equal_budget [--confirm]`.

RTL spends part of its steps on finding masks. `random_same_total` spends them on training random masks instead, and
`dense_same_total` on training all weights. Regimes that might favour learned masks are tried on validation rows and
tuning seeds, each also with joint training started from the merged extractions (`joint.start=merged`); `--confirm`
repeats the promising ones with seeds that nothing was chosen with, on test rows. Figures are kept in
docs/results/regimes.json, so the command goes on where it was interrupted; the page is docs/results/regimes.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resumable import hashed, kept
from rtl_core.config import Config, merged, parse
from rtl_core.data import sources
from rtl_core.data.dataset import Dataset
from rtl_core.events import MemoryJournal, silent
from rtl_core.rng import numpy_generator
from rtl_core.runs.pipeline import evaluate, prepare, train
from rtl_core.statistics.intervals import paired_t
from rtl_core.studies.benchmark_jobs import AcrossDensities

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
Job = tuple[str, int, str]  # regime, seed, split

TUNING_SEEDS, FRESH_SEEDS = (0, 1, 2), (21, 22, 23, 24, 25)
CONTROLS = ("random", "random_same_total", "dense_same_total", "imp_single_union")
BASE = {"data": {"spec": "bundled:domains"}, "density": 0.1, "denser": [], "lighter": [], "workers": 1}

# name -> (what is different, settings, whether every domain has its own meaning of the ten labels)
REGIMES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "base": ("the demonstration: 5 domains, 10 classes, 38,232 weights, density .10", {}, False),
    "sparse": ("density .03", {"density": 0.03}, False),
    "narrow": ("a quarter of the weights (width .5)", {"model": {"width": 0.5}}, False),
    "little data": ("1,500 training rows instead of all", {"data": {"limit": 1500}}, False),
    "long extraction": ("560 steps before the cut instead of 280", {"extract": {"steps": 560}}, False),
    "long joint": ("360 joint steps instead of 120", {"joint": {"steps": 360}}, False),
    "conflict": ("every domain shuffles the ten labels in its own way: what helps one harms another", {}, True),
    "conflict, sparse": ("the same at density .03", {"density": 0.03}, True),
    "conflict, narrow": ("the same with a quarter of the weights", {"model": {"width": 0.5}}, True),
    "conflict, narrow, sparse": ("both", {"model": {"width": 0.5}, "density": 0.03}, True),
}


def config_of(regime: str, seed: int) -> Config:
    return parse({**merged(BASE, REGIMES[regime][1]), "seed": seed, "controls": CONTROLS})


def data_of(regime: str, config: Config) -> Dataset:
    dataset = sources.load(config.data, config.seed)
    return conflicting(dataset, config.seed) if REGIMES[regime][2] else dataset


def conflicting(dataset: Dataset, seed: int) -> Dataset:
    """The same rows; every domain but the first names the classes by a permutation of its own."""
    domains = dataset.attributes.iloc[:, 0].astype(str).to_numpy()
    y = dataset.y.copy()
    for domain in sorted(set(domains))[1:]:
        shuffled = numpy_generator(seed, "conflicting labels", domain).permutation(len(dataset.classes))
        y[domains == domain] = shuffled[y[domains == domain]]
    return replace(dataset, y=y, fingerprint=f"{dataset.fingerprint}-conflicting-{seed}")


def run(job: Job) -> dict[str, Any]:
    """Method -> accuracy, and `merged`: RTL from the merged extractions; both starts share one extraction."""
    regime, seed, split = job
    config, common = config_of(regime, seed), MemoryJournal()
    setting = prepare(config, silent, common, data_of(regime, config))
    figures = {}
    for start, controls in (("rewind", CONTROLS), ("merged", ())):
        joint = config.joint.model_copy(update={"start": start})
        here = replace(setting, config=config.model_copy(update={"joint": joint, "controls": controls}))
        outcome = train(here, silent, AcrossDensities(common, one_shot=True))
        learned = {one.method: one for one in outcome.learned}
        document = (
            outcome.info["evaluation"] if split == "test" else evaluate(here, outcome.tickets, learned, None, split)
        )
        for row in document["methods"]:
            name = "merged" if start == "merged" else row["method"]
            figures[name] = {"accuracy": row["accuracy"], "stored": row["params_total"]}
    return {"methods": figures}


def digest(job: Job) -> str:
    config, split = config_of(*job[:2]), job[2]
    return hashed(config.model_dump_json() + split)


def study(regimes: Sequence[str], seeds: tuple[int, ...], split: str, workers: int) -> dict[str, dict]:
    jobs = {f"{regime} / seed {seed}": (regime, seed, split) for seed in seeds for regime in regimes}
    return kept(RESULTS / "regimes.json", jobs, digest, run, workers)


def promising(runs: dict[str, dict]) -> list[str]:
    """Regimes in which RTL, from either start, was ahead of `random_same_total` with every tuning seed."""
    names = []
    for regime in REGIMES:
        own = [runs[f"{regime} / seed {seed}"]["methods"] for seed in TUNING_SEEDS]
        fair = [each["random_same_total"]["accuracy"] for each in own]
        for start in ("rtl", "merged"):
            if all(each[start]["accuracy"] > other for each, other in zip(own, fair, strict=True)):
                names.append(regime)
                break
    return names


def table(runs: dict[str, dict], regimes: Sequence[str], seeds: tuple[int, ...]) -> str:
    """One row a regime: RTL's accuracy, and its differences from the controls and from the merged start."""
    rows = []
    for regime in regimes:
        what = REGIMES[regime][0]
        own = [runs[f"{regime} / seed {seed}"]["methods"] for seed in seeds]

        def gap(a: str, b: str, own: list[dict] = own) -> str:
            mean, low, high, *_ = paired_t([each[a]["accuracy"] - each[b]["accuracy"] for each in own])
            return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"

        rtl = np.mean([each["rtl"]["accuracy"] for each in own])
        gaps = [gap("rtl", control) for control in CONTROLS]
        also = [gap("merged", "rtl"), gap("merged", "random_same_total"), gap("merged", "dense_same_total")]
        rows.append(f"| {regime} | {what} | {rtl:.3f} | {' | '.join([*gaps, *also])} |")
    head = [f"RTL - {control}" for control in CONTROLS] + ["merged - RTL", "merged - random_same_total"]
    head.append("merged - dense_same_total")
    return "\n".join([f"| regime | what differs | RTL | {' | '.join(head)} |", "|" + "---|" * (3 + len(head)), *rows])


def page(tried: dict[str, dict], confirmed: dict[str, dict]) -> str:
    """The result as Markdown."""
    lines = [
        "# Where learned masks win, and where they do not",
        "",
        "`python -m benchmarks.equal_budget --confirm`. Accuracy when told the domain; differences are paired by seed,",
        "with the 95 % interval of a paired t (not adjusted for the number of comparisons). *merged*: RTL whose joint",
        "training starts from the mean of the extractions' weights (`joint.start=merged`) instead of rewinding; the",
        "controls start from the same warm start in both.",
    ]
    if confirmed:
        seeds = ", ".join(map(str, FRESH_SEEDS))
        chosen = "Regimes in which RTL, from either start, was ahead of `random_same_total` with every tuning seed."
        rows = table(confirmed, promising(tried), FRESH_SEEDS)
        lines += ["", f"## Seeds that nothing was chosen with ({seeds}), test rows", "", chosen, "", rows]
    seeds = ", ".join(map(str, TUNING_SEEDS))
    lines += [
        "",
        f"## Where the regimes were first tried (seeds {seeds}), validation rows",
        "",
        table(tried, list(REGIMES), TUNING_SEEDS),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--confirm", action="store_true", help="also with fresh seeds, on test rows")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tried = study(list(REGIMES), TUNING_SEEDS, "val", options.workers)
    confirmed = study(promising(tried), FRESH_SEEDS, "test", options.workers) if options.confirm else {}
    text = page(tried, confirmed)
    (RESULTS / "regimes.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
