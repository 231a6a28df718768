"""Fills the README's figures from docs/results, so that none of them is typed by hand: `python -m benchmarks.readme`.

A test makes the same text again and fails where the README differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

from rtl_core.audit.intervals import paired_t
from rtl_core.runs.benchmark_pages import table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
DENSITY = 0.1  # of the table


def results() -> str:
    """The table of the five domains at one density."""
    return table(_read("domains"), DENSITY)


def findings() -> str:
    """What the benchmarks have found, sentence by sentence."""
    sentences = [*_matters(_read("domains")), _classes("digits_classes", "handwritten digits"), _routers()]
    return "\n".join(fill(one, 120, subsequent_indent="  ", break_on_hyphens=False) for one in sentences)


def _matters(domains: dict[str, Any]) -> list[str]:
    """Where the lead over random masks comes from: the reading of the domains' benchmark."""
    leads = ", ".join(
        f"{_lead(domains, 'random_same_total', density)} at {100 * density:g} %" for density in domains["densities"]
    )
    more = _stored(domains, "dense") / _stored(domains, "rtl")
    return [
        f"- The tickets' lead over **random masks** is {_lead(domains, 'random', 0.25)} at a density of 25 % and "
        f"{_lead(domains, 'random')} at 10 %; over **one mask that stores as much** "
        f"{_lead(domains, 'imp_single_union', 0.25)} and {_lead(domains, 'imp_single_union')}. These are at equal "
        "*joint* steps.",
        f"- At equal **total** steps, where random masks train while RTL still extracts, the lead is {leads}: what "
        "extraction learns, plain training buys as well or better.",
        f"- A dense network with the same total steps leads the tickets by "
        f"{-_of(domains, 'dense_same_total')['difference']:.3f} at 10 %, with {more:.1f} times their stored weights "
        "([all densities](docs/results/domains.md)).",
    ]


def _classes(name: str, pictures: str) -> str:
    """Ten one-vs-rest tickets at one density."""
    study = _read(name)
    return (
        f"- Ten one-vs-rest tickets for {pictures} at 10 %: balanced accuracy {_of(study, 'rtl')['mean']:.3f}; "
        f"{_lead(study, 'random')} over random masks, {_lead(study, 'imp_single_ovr')} over one mask trained like the "
        f"tickets, {_lead(study, 'dense_same_total')} over the dense network at equal total steps, and "
        f"{_lead(study, 'random_same_total')} over random masks at equal total steps: here it pays to have a mask for "
        f"every task, not to learn it ([{name}](docs/results/{name}.md))."
    )


def _routers() -> str:
    runs = [run for name, run in _read("routers").items() if name.startswith("five domains/paper/")]
    gate, told = ([_router(run, name) for run in runs] for name in ("gate", "context"))
    gap = [a["accuracy"] - b["accuracy"] for a, b in zip(gate, told, strict=True)]
    share = sum(row["flops_share"] for row in gate) / len(gate)
    own = sum(row["macs_share"] for row in gate) / len(gate)
    return (
        "- The router `context` is told the domain. A linear gate that sees the picture alone, at "
        f"{100 * share:.2f} % of a forward pass ({100 * own:.1f} % of a sparse ticket's own multiply-adds), differs "
        f"from it by {_interval(gap)} "
        "([routers](docs/results/routers.md)). Choosing the ticket by its own certainty fails on these data."
    )


def _router(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in run["routers"] if row["router"] == name)


def _of(study: dict[str, Any], method: str, density: float = DENSITY) -> dict[str, Any]:
    return next(row for row in study["summary"] if row["method"] == method and row["density"] == density)


def _lead(study: dict[str, Any], control: str, density: float = DENSITY) -> str:
    row = _of(study, control, density)
    return f"{row['difference']:+.3f} [{row['ci'][0]:+.3f}, {row['ci'][1]:+.3f}]"


def _stored(study: dict[str, Any], method: str) -> float:
    rows = [row for row in study["rows"] if row["method"] == method and row["density"] == DENSITY]
    return sum(row["params_total"] for row in rows) / len(rows)


def _interval(differences: list[float]) -> str:
    mean, low, high, *_ = paired_t(differences)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


BLOCKS = {"results": results, "findings": findings}


def filled(readme: str) -> str:
    """The README with every block between its marks made anew."""
    for name, make in BLOCKS.items():
        before, _, rest = readme.partition(f"<!-- {name} -->")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        readme = f"{before}<!-- {name} -->\n{make()}\n<!-- /{name} -->{after}"
    return readme


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(filled(page.read_text("utf-8")), "utf-8")
