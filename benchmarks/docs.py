"""Fills figures of the README and docs/ from docs/results, so that none is typed by hand: `python -m benchmarks.docs`.

Every block stands between marks of its name. A test makes the same texts again and fails where a page differs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks import alarm, equal_budget, lead_breakdown, twins
from benchmarks import frontier as frontier_page
from benchmarks.collapse import OVERLAP, calibrate, count, judged, share
from benchmarks.lead_breakdown import DENSITY, of, read, shown
from rtl_core.audit import collapse
from rtl_core.config import CollapseSettings
from rtl_core.statistics.intervals import paired_t
from rtl_core.studies.benchmark_report import table
from rtl_core.studies.frontier import Frontier
from rtl_core.studies.frontier import read as read_frontiers

ROOT = Path(__file__).resolve().parents[1]
DRAWING = "docs/results/lead.svg"
FRONTIERS = ROOT / "docs" / "results" / "frontier.json"


def results() -> str:
    """The table of the five domains at one density."""
    return table(read("domains"), DENSITY)


def findings() -> str:
    """What the benchmarks have found, sentence by sentence."""
    return _listed(
        [
            *_matters(read("domains")),
            _classes("fashion_classes", "clothes"),
            _classes("digits_classes", "handwritten digits"),
            _alarm(),
            _routers(),
        ]
    )


def frontier() -> str:
    """What storage buys on the five domains, a sentence per density, and the smallest tickets level with dense."""
    return _listed(frontier_page.sentences(_domains_frontier()))


def frontier_sentences() -> str:
    """The same of all data sets."""
    every = read_frontiers(FRONTIERS)
    return "\n\n".join(
        f"{one.title[0].upper()}{one.title[1:]}:\n\n{_listed(frontier_page.sentences(one))}" for one in every
    )


def _domains_frontier() -> Frontier:
    return next(one for one in read_frontiers(FRONTIERS) if one.benchmark == "storage_domains")


def _listed(sentences: list[str]) -> str:
    return "\n".join(
        fill(one, 120, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False) for one in sentences
    )


def _matters(domains: dict[str, Any]) -> list[str]:
    """Where the lead over random masks comes from: the reading of the domains' benchmark."""
    leads = ", ".join(
        f"{_lead(domains, 'random_same_total', density)} at {100 * density:g} %" for density in domains["densities"]
    )
    more = _stored(domains, "dense") / _stored(domains, "rtl")
    return [
        f"The tickets' lead over **random masks** is {_lead(domains, 'random', 0.25)} at a density of 25 % and "
        f"{_lead(domains, 'random')} at 10 %; over **one mask that stores as much** "
        f"{_lead(domains, 'imp_single_union', 0.25)} and {_lead(domains, 'imp_single_union')}. These are at equal "
        "*joint* steps, and all rewind. Rewinding costs one mask most: where it and the tickets go on from what their "
        f"extractions have learned, the tickets' lead over it is {_over_one_mask(0.25)} and {_over_one_mask(0.1)}.",
        f"At equal **total** steps, where random masks train while RTL still extracts, the lead is {leads}: what "
        "extraction learns, plain training buys as well or better. Joint training that starts from the merged "
        f"extractions instead of rewinding (`joint.start=merged`) leads by {_merged()} at 10 % "
        "([learned masks](docs/learned-masks.md)).",
        f"A dense network with the same total steps leads the tickets by "
        f"{-_line(domains, 'dense_same_total')['difference']:.3f} at 10 %, with {more:.1f} times their stored weights "
        "([all densities](docs/results/domains.md)).",
    ]


def _over_one_mask(density: float) -> str:
    """The tickets' lead over one mask of the same storage where both go on from their extractions."""
    frontier = _domains_frontier()
    own, mask = frontier.of("rtl", density), frontier.of("imp_single_union", density)
    return _interval([a - b for a, b in zip(own.values, mask.values, strict=True)])


def _classes(name: str, pictures: str) -> str:
    """Ten one-vs-rest tickets at one density."""
    study = read(name)
    return (
        f"Ten one-vs-rest tickets for {pictures} at 10 %: balanced accuracy {_line(study, 'rtl')['mean']:.3f}; "
        f"{_lead(study, 'random')} against random masks, {_lead(study, 'imp_single_ovr')} against one mask trained as "
        f"the tickets are. But {_lead(study, 'random_same_total')} against random masks at equal total steps, "
        f"{_lead(study, 'dense_same_total')} against the dense network at equal total steps, and "
        f"{_lead(study, 'imp_single_odds')} against one ordinary mask for all ten classes, its thresholds set at the "
        f"class odds ([{name}](docs/results/{name}.md))."
    )


def _alarm() -> str:
    """How the collapse alarm, confidence alone and the rise of overlap did on the held-out runs of their studies."""
    settings = CollapseSettings()
    runs = {name: run for name, run in read("alarm").items() if run["part"] == "held_out"}
    own, sure = (
        alarm.count(runs, alarm.RULES[name][1], threshold)
        for name, threshold in (
            (alarm.BRIER, settings.brier_threshold),
            (alarm.CONFIDENCE, settings.threshold),
        )
    )
    by_group: dict[str, dict[str, Any]] = {"tuning": {}, "held_out": {}}
    for name, run in read("collapse").items():
        by_group[run["part"]][name] = run
    risen = list(judged(by_group["held_out"], OVERLAP, calibrate(by_group["tuning"], OVERLAP)).values())
    fell = sum(one.fall is not None for one in risen)
    return (
        "The alarm for collapsing tickets goes by their Brier score on validation rows. On runs that it was not set on "
        f"it came no later than accuracy fell in {share(own.by_then, own.fell)}, a round before at least in "
        f"{share(own.warned, own.fell)}, and falsely in {share(own.false, own.safe)} that stopped "
        f"{alarm.STOPS_BEFORE} rounds before their fall: short of what was aimed at. Confidence, which needs no "
        "labels: "
        f"{share(sure.by_then, sure.fell)}, {share(sure.warned, sure.fell)} and {share(sure.false, sure.safe)} "
        "([alarm](docs/results/alarm.md)). A rise of the masks' overlap warns a round before in "
        f"{share(count(risen, collapse.IN_TIME), fell)} of an earlier study ([collapse](docs/results/collapse.md))."
    )


def _routers() -> str:
    runs = [run for name, run in read("routers").items() if name.startswith("five domains/paper/")]
    gate, oracle = ([_router(run, name) for run in runs] for name in ("gate", "context"))
    gap = [a["accuracy"] - b["accuracy"] for a, b in zip(gate, oracle, strict=True)]
    whole = sum(row["flops_share"] for row in gate) / len(gate)
    own = sum(row["macs_share"] for row in gate) / len(gate)
    return (
        "The router `context` is told the domain. A linear gate that sees the picture alone, at "
        f"{100 * whole:.2f} % of a forward pass ({100 * own:.1f} % of a sparse ticket's own multiply-adds), differs "
        f"from it by {_interval(gap)} "
        "([routers](docs/results/routers.md)). Choosing the ticket by its own certainty fails on these data."
    )


def _merged() -> str:
    runs = [read("regimes")[f"base / seed {seed}"]["methods"] for seed in equal_budget.FRESH_SEEDS]
    return _interval([each["merged"]["accuracy"] - each["random_same_total"]["accuracy"] for each in runs])


AT_EQUAL_TOTAL_STEPS = (("rtl", "random_same_total"), ("merged", "random_same_total"), ("merged", "dense_same_total"))


def confirmed_regimes() -> str:
    """Of the regimes that looked promising: both starts of RTL against equal total steps, on fresh seeds."""
    runs = read("regimes")
    head = " | ".join(f"{a} - {b}" for a, b in AT_EQUAL_TOTAL_STEPS)
    rows = [f"| regime | what differs | {head} |", "|---|---|---|---|---|"]
    for regime in equal_budget.promising(runs):
        own = [runs[f"{regime} / seed {seed}"]["methods"] for seed in equal_budget.FRESH_SEEDS]
        gaps = [_interval([each[a]["accuracy"] - each[b]["accuracy"] for each in own]) for a, b in AT_EQUAL_TOTAL_STEPS]
        rows.append(f"| {regime} | {equal_budget.REGIMES[regime][0]} | {' | '.join(gaps)} |")
    return "\n".join(rows)


def _router(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in run["routers"] if row["router"] == name)


def surprise() -> str:
    """For the teacher: what the recorded runs of the lesson on luck say."""
    domains = read("domains")
    seeds = len(domains["seeds"])
    return fill(
        f"Both counts come from the class's runs. In {seeds} recorded ones, with seeds named beforehand, RTL led "
        f"random masks by {_points(domains, 'random')} for the same steps with known masks; for the same steps "
        f"in all the difference is {_points(domains, 'random_same_total')}. What the learned masks brought was the "
        "training that found them.",
        120,
    )


def swapped() -> str:
    """For the teacher: tickets trained under each other's masks from the start."""
    return f"{_points(read('domains'), 'permuted')}, {len(read('domains')['seeds'])} seeds"


def storage() -> str:
    """For the teacher: what RTL stores beside random masks, and what one mask of the same storage reaches."""
    domains = read("domains")
    return fill(
        f"- *So is RTL useless?* It ends as good with fewer stored weights: {_stored(domains, 'rtl'):,.0f} against "
        f"{_stored(domains, 'random_same_total'):,.0f}, since its masks overlap more. RTL leads one mask of the same "
        f"storage by {_points(domains, 'imp_single_union')}.",
        120,
        subsequent_indent="  ",
    )


def _points(study: dict[str, Any], control: str) -> str:
    """5.2 points (4.9 to 5.5): RTL's lead."""
    line = _line(study, control)
    text = f"{100 * line['difference']:.1f} points ({100 * line['ci'][0]:.1f} to {100 * line['ci'][1]:.1f})"
    return text.replace("-", "−")


def _line(study: dict[str, Any], method: str, density: float = DENSITY) -> dict[str, Any]:
    line = of(study, method, density)
    assert line is not None, f"the benchmark has no method {method}"
    return line


def _lead(study: dict[str, Any], control: str, density: float = DENSITY) -> str:
    return shown(_line(study, control, density))


def _stored(study: dict[str, Any], method: str) -> float:
    rows = [row for row in study["rows"] if row["method"] == method and row["density"] == DENSITY]
    return sum(row["params_total"] for row in rows) / len(rows)


def _interval(differences: list[float]) -> str:
    mean, low, high, *_ = paired_t(differences)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def luck_and_data() -> str:
    """What twins say of each study, and what the core and the private weights are worth."""
    figures = twins.finished()
    return _listed([twins.in_words(study, figures) for study in twins.STUDIES if twins.runs_of(figures, study)])


# page -> block -> what stands in it
PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"frontier": frontier, "results": results, "findings": findings},
    "docs/learned-masks.md": {
        "frontier": frontier_sentences,
        "twins": luck_and_data,
        "lead": lead_breakdown.table,
        "regimes": confirmed_regimes,
    },
    "docs/teaching/luck.md": {"surprise": surprise, "storage": storage, "swapped": swapped},
    "docs/teaching/many.md": {"swapped": swapped},
}


def filled(text: str, blocks: dict[str, Callable[[], str]]) -> str:
    """A page with every block between its marks made anew: on lines of its own, or within one where the marks are."""
    for name, make in blocks.items():
        before, mark, rest = text.partition(f"<!-- {name} -->")
        inside, end, after = rest.partition(f"<!-- /{name} -->")
        apart = "\n" if inside.startswith("\n") else ""
        text = f"{before}{mark}{apart}{make()}{apart}{end}{after}"
    return text


def main() -> None:
    (ROOT / DRAWING).write_text(lead_breakdown.drawing(), "utf-8")
    for name, blocks in PAGES.items():
        page = ROOT / name
        page.write_text(filled(page.read_text("utf-8"), blocks), "utf-8")


if __name__ == "__main__":
    main()
