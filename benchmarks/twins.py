"""Do tickets follow their data, or only their luck? `python -m benchmarks.twins`: twins, core and specialists.

Seeds are named here before they were first run. Every run's figures are kept in docs/results/twins.json, so the command
goes on where it was interrupted; the tables are written to docs/results/twins.md.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resumable import hashed, kept
from rtl_core.audit.core_and_specialists import CORE, WITHOUT_PRIVATE, core_and_specialists
from rtl_core.config import Config, parse, preset
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.overlap.twins import Luck
from rtl_core.rng import numpy_generator
from rtl_core.runs.checkpoint import Run, finished_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.training import train_new
from rtl_core.runs.twins import luck_of, measure_twins
from rtl_core.statistics.intervals import paired_t
from rtl_core.tickets.pruning import random_like
from rtl_core.tickets.ticket_set import KEPT, TicketSet

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
SEEDS = (31, 32, 33, 34, 35)
STUDIES = {"domains": "Five domains", "classes": "Ten classes of clothes"}  # preset -> title
SETTINGS = {"controls": [], "lighter": []}
DRAWS = 5
OVERLAPS = {
    "tickets": "tickets of different subsets",
    "across": "halves of different subsets",
    "halves": "twins: the two halves of a subset",
    "order": "twins: the same rows, another order",
    "random": "random masks with the tickets' layer counts",
}
SKILLS = {
    "own": "own ticket",
    "core": "only the weights that all tickets keep",
    "core_random": "as many random weights of the ticket",
    "without_private": "without the weights that it keeps alone",
    "without_random": "without as many random weights",
}


def config_of(name: str, seed: int) -> Config:
    return parse({**preset(name), **SETTINGS, "seed": seed})


def measure(config: Config) -> dict[str, Any]:
    """One run's figures: excess overlaps, in each layer too, and what core and specialists can do."""
    with tempfile.TemporaryDirectory() as runs:
        run = finished_run(Path(train_new(config, Path(runs))["folder"]))
        twins = measure_twins(run, Path(runs))
        target = run.tickets.target
        layers = {
            name: excesses(luck_of(run, twins, target, (name,)), run, (name,)) for name in run.tickets.layout.names
        }
        return {
            "excess": excesses(luck_of(run, twins, target), run, None),
            "layers": layers,
            "rows": [min(twins.rows), max(twins.rows)],
            "steps": twins.steps,
            **skills(run),
        }


def excesses(luck: Luck, run: Run, layers: tuple[str, ...] | None) -> dict[str, float]:
    """Mean excess of every kind of pair."""
    pairs = np.triu_indices(run.tickets.k, 1)
    own, at_random = (similarity(overlap(tickets).only(layers)).excess[pairs] for tickets in (run.tickets, drawn(run)))
    means = {
        "tickets": own,
        "across": luck.across.excess[pairs],
        "halves": luck.halves.excess,
        "order": luck.order.excess,
        "random": at_random,
    }
    return {name: float(np.mean(values)) for name, values in means.items()}


def drawn(run: Run) -> TicketSet:
    """Random masks with each ticket's own count in every layer, as a ticket set."""
    tickets, seed = run.tickets, run.config.seed
    masks = np.stack(
        [
            random_like(mask, tickets.layout, numpy_generator(seed, "random masks", name))
            for mask, name in zip(tickets.masks(), tickets.names, strict=True)
        ]
    )
    pruned_at = np.where(masks, KEPT, tickets.target.index).astype(np.uint8)
    return TicketSet(tickets.names, tickets.subsets, tickets.layout, pruned_at, (tickets.target,))


def skills(run: Run) -> dict[str, Any]:
    """The task's headline figure on validation rows, mean over tickets; and how many weights each variant keeps."""
    rows = core_and_specialists(open_run(run).trained_tickets, DRAWS)
    own, core, without = (rows[rows.variant == variant] for variant in ("own", CORE, WITHOUT_PRIVATE))
    columns = (own.value, core.value, core.control_mean, without.value, without.control_mean)
    weights = {"own": own.kept, "core": core.kept, "without_private": without.kept}
    return {
        "metric": own.metric.iloc[0],
        "skill": {name: float(column.mean()) for name, column in zip(SKILLS, columns, strict=True)},
        "kept": {name: float(column.mean()) for name, column in weights.items()},
        "n": int(own.n.sum()),
    }


def read() -> dict[str, dict[str, Any]]:
    """The figures that are kept, made anew where settings differ."""
    jobs = {f"{name}/{seed}": config_of(name, seed) for name in STUDIES for seed in SEEDS}
    return kept(RESULTS / "twins.json", jobs, digest, measure, 1)


def digest(config: Config) -> str:
    """Of what differs from the defaults, so that a setting that is added later makes no run stale."""
    return hashed(config.model_dump_json(exclude_defaults=True))


def runs_of(figures: dict[str, dict[str, Any]], study: str) -> list[dict[str, Any]]:
    return [figures[f"{study}/{seed}"] for seed in SEEDS if f"{study}/{seed}" in figures]


def table(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# Twins, core and specialists",
        "",
        f"`python -m benchmarks.twins`: density 10 %, seeds {', '.join(map(str, SEEDS))} (named before they were run),",
        "intervals of 95 % of a t over seeds, differences paired by seed; seed by seed in the last column. Excess is",
        "overlap above chance: 0 is chance, 1 is identical. Twins are extracted from the run's own theta_0, with its",
        "settings and steps. Halves have half the rows of a ticket, so what to compare them with are halves of",
        "different subsets; no two halves that are compared have a picture in common. The same rows in another order",
        "are the tickets with other luck.",
    ]
    for study, title in STUDIES.items():
        runs = runs_of(figures, study)
        seeds = ", ".join(str(seed) for seed in SEEDS if f"{study}/{seed}" in figures)
        if runs:
            lines += ["", f"## {title}, seeds {seeds}", "", sentence(runs), ""]
            lines += [*_overlaps(runs), "", *_layers(runs), "", *_skills(runs)]
    return "\n".join(lines) + "\n"


def _overlaps(runs: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["| excess overlap of | mean | every seed |", "|---|---|---|"]
    lines += [_row(title, [run["excess"][name] for run in runs]) for name, title in OVERLAPS.items()]
    return [
        *lines,
        _row("different halves - twin halves", _difference(runs, "across", "halves"), signed=True),
        _row("tickets - twins of another order", _difference(runs, "tickets", "order"), signed=True),
        _row("different halves, as a share of twin halves", shares(runs)),
    ]


def _layers(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Layer by layer: what halves share, of different subsets and of the same."""
    lines = ["| layer | different halves | twin halves | difference | share of twins |", "|---|---|---|---|---|"]
    for layer in runs[0]["layers"]:
        of = [{"excess": run["layers"][layer]} for run in runs]
        means = [f"{np.mean([one['excess'][name] for one in of]):+.3f}" for name in ("across", "halves")]
        difference = interval(_difference(of, "across", "halves"), "+.3f")
        lines.append(f"| {layer} | {means[0]} | {means[1]} | {difference} | {interval(shares(of), '.2f')} |")
    return lines


def _skills(runs: Sequence[dict[str, Any]]) -> list[str]:
    n, metric = runs[0]["n"], runs[0]["metric"].replace("_", " ")
    lines = [
        f"Core and specialists: {metric} on validation rows (n = {n:,} a seed), mean over tickets, norm statistics",
        f"re-estimated; random sets are the mean of {DRAWS} draws with the same counts per layer.",
        "",
        f"| the ticket keeps | weights | {metric} | every seed |",
        "|---|---|---|---|",
    ]
    weights = {"core_random": "core", "without_random": "without_private"}
    for name, title in SKILLS.items():
        count = np.mean([run["kept"][weights.get(name, name)] for run in runs])
        values = [run["skill"][name] for run in runs]
        lines.append(f"| {title} | {count:,.0f} | {interval(values, '.3f')} | {_each(values, '.3f')} |")
    for title, first, second in (
        ("core - as many random", "core", "core_random"),
        ("without private - without as many random", "without_private", "without_random"),
    ):
        values = _difference(runs, first, second, "skill")
        lines.append(f"| {title} | | {interval(values, '+.3f')} | {_each(values, '+.3f')} |")
    return lines


def _difference(runs: Sequence[dict[str, Any]], first: str, second: str, of: str = "excess") -> list[float]:
    return [run[of][first] - run[of][second] for run in runs]


def shares(runs: Sequence[dict[str, Any]]) -> list[float]:
    """Of each seed: what different halves share, of what twins share, beyond chance."""
    return [run["excess"]["across"] / run["excess"]["halves"] for run in runs]


def _row(title: str, values: list[float], signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"| {title} | {interval(values, form)} | {_each(values, form)} |"


def _each(values: list[float], form: str) -> str:
    return " ".join(format(value, form) for value in values)


def interval(values: list[float], form: str) -> str:
    mean, low, high, _, _ = paired_t(values)
    return f"{mean:{form}} [{low:{form}}, {high:{form}}]"


def sentence(runs: Sequence[dict[str, Any]]) -> str:
    """What the twins mean."""
    low, high = paired_t(_difference(runs, "across", "halves"))[1:3]
    share = interval([100 * one for one in shares(runs)], ".0f")
    if high < 0:
        meaning = "less than twins do: masks follow their data beyond what luck explains"
    elif low > 0:
        meaning = "more than twins do"
    else:
        meaning = "as much as twins do: luck is enough to explain how masks differ"
    return f"Tickets of different subsets share {share} % of what twins share beyond chance, {meaning}."


def finished() -> dict[str, dict[str, Any]]:
    """The figures that are kept, whatever settings they were made with."""
    return json.loads((RESULTS / "twins.json").read_text("utf-8"))


def in_words(study: str, figures: dict[str, dict[str, Any]]) -> str:
    """What a study has found, on one line."""
    runs = runs_of(figures, study)
    skill = {name: np.mean([run["skill"][name] for run in runs]) for name in SKILLS}
    private = interval(_difference(runs, "without_private", "without_random", "skill"), "+.3f")
    return (
        f"**{STUDIES[study]}.** {sentence(runs)} The weights that all tickets keep reach {skill['core']:.3f} of "
        f"{skill['own']:.3f} alone, as many random ones of a ticket {skill['core_random']:.3f}; without the weights "
        f"that it keeps alone a ticket reaches {skill['without_private']:.3f}, {private} against as many random ones."
    )


def main() -> None:

    text = table(read())
    (RESULTS / "twins.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
