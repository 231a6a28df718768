"""Does a ticket per group shrink the gap between groups that pruning opens? `python -m benchmarks.pruning_gap`.

One network over a table of people is pruned far, in four ways that store as many weights: tickets by group, tickets by
cluster, one mask for all, and random tickets in a union of the tickets' size. Their gaps between two groups are held
against the gap of the dense network of the same total steps, on test rows and seeds that nothing was chosen with.
Figures are kept in docs/results/pruning_gap.json, so the command goes on where it was interrupted; the page is
docs/results/pruning_gap.md. `--credit FILE` adds UCI's table of credit card clients, which is not bundled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resumable import hashed, kept
from rtl_core.audit import evaluate as audit
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.ticket_predictions import Decisions
from rtl_core.config import Config, merged, parse, preset
from rtl_core.events import MemoryJournal, silent
from rtl_core.files import replacing
from rtl_core.runs.pipeline import train
from rtl_core.runs.prepare import prepare
from rtl_core.statistics.intervals import paired_t

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
SEEDS = (31, 32, 33, 34, 35)
DENSITIES = (0.1, 0.02)
CONTROLS = ("imp_single_union", "random_same_storage", "dense_same_total")
METHODS = {
    "rtl": "tickets",
    "imp_single_union": "one mask, same storage",
    "random_same_storage": "random tickets, same storage",
    "dense_same_total": "dense network",
}
COMMON = {"denser": [], "lighter": [], "workers": 1, "controls": list(CONTROLS), "joint": {"start": "merged"}}


@dataclass(frozen=True)
class Table:
    """A table of people: its settings, the column and the two groups that are compared, and what counts as yes."""

    words: str
    settings: dict[str, Any]
    column: str
    group: str
    reference: str


TABLES = {
    "adult": Table("Adult: income above 50,000, women less men", {}, "sex", "Female", "Male"),
    "credit": Table(
        "Credit card clients: default in the next month, women (2) less men (1)",
        {"data": {"target": "default payment", "groups": ["SEX", "EDUCATION", "MARRIAGE"]}},
        "SEX",
        "2",
        "1",
    ),
}
PARTITIONS = {
    "by group": lambda table: {"by": "attribute", "column": table.column},
    "by cluster": lambda table: {"by": "kmeans", "column": None, "k": 4, "features": "pca"},
}
Job = tuple[str, str, float, int, str]  # table, partition, density, seed, data


def config_of(job: Job) -> Config:
    table, partition, density, seed, spec = job
    about = TABLES[table]
    values = merged(merged(preset("adult"), COMMON), {**about.settings, "density": density, "seed": seed})
    values["data"] = {**values["data"], "spec": spec}
    return parse({**values, "partition": PARTITIONS[partition](about)})


def run(job: Job) -> dict[str, Any]:
    """Per method the gaps, the accuracy and what is stored."""
    config, about = config_of(job), TABLES[job[0]]
    setting = prepare(config, silent, MemoryJournal())
    outcome = train(setting, silent, MemoryJournal())
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, "test")
    decisions = Decisions.of(eval_set, outcome.tickets.names, [about.column])
    figures = {}
    for one in outcome.learned:
        answers = audit.method_answers(setting.network_of(one), one, setting.layout, eval_set)
        figures[one.method] = {
            **gaps(decisions.by_subset(answers), about),
            "stored": one.stores(setting.layout).weights,
        }
    return {"methods": figures}


def gaps(predicted: Predictions, about: Table) -> dict[str, float]:
    """Rates of the group less those of its reference, and the accuracy of all rows."""
    of = predicted.groups[about.column].astype(str).to_numpy()
    yes, truly = predicted.y_pred == 1, predicted.y_true == 1
    rates: dict[str, Callable[[np.ndarray], float]] = {
        "selection_rate": lambda among: float(yes[among].mean()),
        "tpr": lambda among: float(yes[among & truly].mean()),
        "fpr": lambda among: float(yes[among & ~truly].mean()),
        "accuracy": lambda among: float((yes == truly)[among].mean()),
    }
    apart = {name: rate(of == about.group) - rate(of == about.reference) for name, rate in rates.items()}
    return {**apart, "overall": float((yes == truly).mean())}


def digest(job: Job) -> str:
    return hashed(config_of(job).model_dump_json())


def written(differences: Sequence[float]) -> str:
    mean, low, high, *_ = paired_t(differences)
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def table(runs: dict[str, dict], name: str) -> str:
    """A row per partition, density and method: the gap's size less the dense network's, in percentage points."""
    head = (
        "| tickets | density | method | accuracy of all, % | selection rate | TPR | FPR | accuracy | stored weights |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for partition in PARTITIONS:
        for density in DENSITIES:
            own = [runs[_named(name, partition, density, seed)]["methods"] for seed in SEEDS]
            for method, words in METHODS.items():
                wider = {
                    rate: [abs(each[method][rate]) - abs(each["dense_same_total"][rate]) for each in own]
                    for rate in ("selection_rate", "tpr", "fpr", "accuracy")
                }
                mean_gap = {rate: np.mean([each[method][rate] for each in own]) for rate in wider}
                after = {rate: "" if method == "dense_same_total" else f"; {written(wider[rate])}" for rate in wider}
                cells = [f"{100 * mean_gap[rate]:+.1f}{after[rate]}" for rate in wider]
                accuracy = 100 * np.mean([each[method]["overall"] for each in own])
                stored = np.mean([each[method]["stored"] for each in own])
                lines.append(
                    f"| {partition} | {density:g} | {words} | {accuracy:.1f} | {' | '.join(cells)} | {stored:,.0f} |"
                )
    return "\n".join(lines)


def page(runs: dict[str, dict], names: Sequence[str]) -> str:
    lines = [
        "# Tickets, and the gaps that pruning opens",
        "",
        "`python -m benchmarks.pruning_gap --credit FILE`. A cell gives the gap in percentage points (mean over seeds",
        f"{', '.join(map(str, SEEDS))}, test rows) and, after the semicolon, how much wider it is than that of the",
        "dense network of the same total steps: the difference of their sizes, paired by seed, with the 95 % interval",
        "of a paired t. Not adjusted for the number of cells. All but the dense network store the tickets' union.",
    ]
    for name in names:
        lines += ["", f"## {TABLES[name].words}", "", table(runs, name)]
    return "\n".join(lines) + "\n"


def _named(name: str, partition: str, density: float, seed: int) -> str:
    return f"{name} / {partition} / {density:g} / seed {seed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--credit", type=Path, help="credit-card-clients.csv")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    specs = {"adult": "bundled:adult"} | ({"credit": f"csv:{options.credit}"} if options.credit else {})
    jobs = {
        _named(name, partition, density, seed): (name, partition, density, seed, spec)
        for name, spec in specs.items()
        for partition in PARTITIONS
        for density in DENSITIES
        for seed in SEEDS
    }
    runs = kept(RESULTS / "pruning_gap.json", jobs, digest, run, options.workers)
    with replacing(RESULTS / "pruning_gap.md") as draft:
        draft.write_text(page(runs, list(specs)), "utf-8")


if __name__ == "__main__":
    main()
