"""Routers over seeds, in both modes: `python -m benchmarks.routers`.

Seeds are named here before they were first run. Every run's rows are kept in docs/results/routers.json, so the command
goes on where it was interrupted; the table is written to docs/results/routers.md.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rtl_core.config import parse, preset, with_setting
from rtl_core.events import MemoryJournal, silent
from rtl_core.runs.pipeline import prepare, train
from rtl_core.statistics.intervals import paired_t

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
SEEDS = (21, 22, 23, 24, 25)
GATED = ("mode=gated", 'controls=["imp_single"]', "task=multiclass", "sharing.head=shared")
CLUSTERS = (
    "data.spec=bundled:fashion",
    "partition.by=kmeans",
    "partition.features=backbone",
    "partition.k=5",
    "partition.column=null",
)
STUDIES = {
    "five domains": ("domains", ()),
    "five clusters": ("domains", CLUSTERS),
    "ten classes": ("classes", ()),
}
MODES = {"paper": ("controls=[]",), "gated": GATED}
LIGHT = ("denser=[]", "lighter=[]")
GIVEN = ("oracle", "context")  # told the subset; clusters are read off a backbone's features, not off a label


def measure(study: str, mode: str, seed: int) -> dict[str, Any]:
    """The routers' rows of one training on its test split, and in gated mode the accuracy of one mask."""
    name, settings = STUDIES[study]
    values = {**preset(name), "seed": seed}
    for assignment in (*settings, *MODES[mode], *LIGHT):
        values = with_setting(values, assignment)
    began = time.monotonic()
    outcome = train(prepare(parse(values), silent, MemoryJournal()), silent, MemoryJournal())
    evaluation = outcome.info["evaluation"]
    keep = ("router", "uses_label", "accuracy", "agreement_with_oracle", "flops_share", "macs_share", "ece", "n")
    return {
        "seconds": time.monotonic() - began,
        "routers": [{key: row.get(key) for key in keep} for row in evaluation["routers"]],
        "methods": {row["method"]: row["accuracy"] for row in evaluation["methods"] if row["applies"]},
    }


def table(kept: dict[str, dict]) -> str:
    lines = [
        "# Routers over seeds",
        "",
        f"`python -m benchmarks.routers`: test split, seeds {', '.join(map(str, SEEDS))} (named before they were run),",
        "intervals of a paired t over seeds. Gap: accuracy less that of the router that is told the subset. Shares are",
        "the router's operations over its own and those of one forward pass as executed, and over the multiply-adds of",
        "the ticket that answers. A label-oracle of one-vs-rest tickets would be right by definition: none is claimed.",
    ]
    for study in STUDIES:
        for mode in MODES:
            runs = [kept[key] for seed in SEEDS if (key := f"{study}/{mode}/{seed}") in kept]
            if runs:
                lines += ["", f"## {study[0].upper()}{study[1:]}, mode `{mode}`", "", *_rows(runs)]
    return "\n".join(lines) + "\n"


def _rows(runs: list[dict]) -> list[str]:
    lines = [
        "| router | uses the label | accuracy | every seed | gap to the one that is told | own ticket | share of FLOPs "
        "| of a ticket's multiply-adds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_name = [{row["router"]: row for row in run["routers"]} for run in runs]
    oracle = next(name for name in by_name[0] if name in GIVEN)
    for name in by_name[0]:
        rows = [run_[name] for run_ in by_name]
        values = [row["accuracy"] for row in rows]
        if None in values:
            lines.append(f"| {name} | yes | - | - | - | 1.000 | 0.00 % | 0.00 % |")
            continue
        gap = "-"
        if by_name[0][oracle]["accuracy"] is not None and name != oracle:
            gap = _difference(values, [run_[oracle]["accuracy"] for run_ in by_name])
        own = sum(row["agreement_with_oracle"] for row in rows) / len(rows)
        shares = [100 * sum(row[key] for row in rows) / len(rows) for key in ("flops_share", "macs_share")]
        lines.append(
            f"| {name} | {'yes' if rows[0]['uses_label'] else 'no'} | {sum(values) / len(values):.3f} "
            f"| {' '.join(f'{v:.3f}' for v in values)} | {gap} | {own:.3f} | {shares[0]:.2f} % | {shares[1]:.2f} % |"
        )
    if "imp_single" in runs[0]["methods"]:
        one = [run["methods"]["imp_single"] for run in runs]
        own = [run["methods"]["rtl"] for run in runs]
        lines += [
            "",
            f"One mask of a ticket's density, trained in the same way: {sum(one) / len(one):.3f}, mean of subsets.",
        ]
        if by_name[0][oracle][
            "uses_label"
        ]:  # these subsets have equal sizes, so a mean over rows is a mean over subsets
            gate = [run_["gate"]["accuracy"] for run_ in by_name]
            lines.append(f"The gate's tickets less one mask: {_difference(gate, one)}.")
        lines.append(f"The subset's own ticket less one mask: {_difference(own, one)}.")
        if oracle == "oracle":
            lines.append(
                "The last figure is an upper bound: where subsets are classes, the label gives the answer away."
            )
    return lines


def _difference(a: list[float], b: list[float]) -> str:
    if len(a) < 2:
        return f"{a[0] - b[0]:+.3f}"
    mean, low, high, *_ = paired_t([x - y for x, y in zip(a, b, strict=True)])
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def main() -> None:
    path = RESULTS / "routers.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for seed in SEEDS:
        for study in STUDIES:
            for mode in MODES:
                key = f"{study}/{mode}/{seed}"
                if key not in kept:
                    kept[key] = measure(study, mode, seed)
                    path.write_text(json.dumps(kept, indent=1, sort_keys=True))
                    print(f"{key}: {kept[key]['seconds']:.0f} s, {kept[key]['methods']}", flush=True)
    (RESULTS / "routers.md").write_text(table(kept))
    print(table(kept))


if __name__ == "__main__":
    main()
