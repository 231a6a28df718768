"""What storage buys: `python -m benchmarks.frontier`, written to docs/results/frontier.{md,json} and a drawing each.

Runs the benchmarks `storage_domains`, `storage_clothes` and `storage_digits`, then the tickets' own line: the same with
weights shared more, and with a longer warm start in place of a part of the extraction. What is finished is not run
again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core import expected_warnings
from rtl_core.audit.report.svg_curves import Axis, Curve, curves, file
from rtl_core.display_names import AT_EQUAL_STORAGE, method_words
from rtl_core.documents import plain
from rtl_core.files import replacing
from rtl_core.studies import benchmark_jobs, benchmark_report
from rtl_core.studies.benchmark import study
from rtl_core.studies.frontier import Frontier, Lead, Point, lead, points, read

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
LONG_WARM = ("extract.warm_steps=600", "extract.steps=160", "joint.steps=160")


@dataclass(frozen=True)
class Recipe:
    """A variant of the tickets, trained without controls; densities: None, all of the benchmark's."""

    words: str
    assignments: tuple[str, ...]
    densities: tuple[float, ...]


SHARED = tuple(
    Recipe(f"sharing {share:g}", (f"extract.sharing={share:g}",), (0.1, 0.05)) for share in (0.25, 0.5, 0.75)
)
DATA = {
    "storage_domains": (
        "five domains",
        (
            *SHARED,
            Recipe("longer warm start", LONG_WARM, (0.1, 0.05)),
            Recipe("longer warm start, sharing 0.25", (*LONG_WARM, "extract.sharing=0.25"), (0.1,)),
        ),
    ),
    "storage_clothes": ("ten classes of clothes", SHARED[1:2]),
    "storage_digits": ("ten digits", SHARED),
}
SHOWN = ("rtl", *AT_EQUAL_STORAGE, "imp_single_union", "imp_single_union_argmax_odds")
AT_ANY_STORAGE = ("random_same_total", "dense_same_total")


def run(name: str, work: Path, workers: int) -> Frontier:
    """All points of one data set."""
    title, recipes = DATA[name]
    whole = _benchmark(name, RESULTS, workers)
    every = points(whole)
    for recipe in recipes:
        variant = _benchmark(name, work / recipe.words.replace(" ", "_"), workers, recipe)
        every += points(variant, recipe.words, recipe.assignments)
    benchmark_report.write(whole, RESULTS)
    return Frontier(
        title,
        name,
        whole["config"]["data"]["spec"],
        whole["metric"],
        tuple(whole["seeds"]),
        tuple(whole["densities"]),
        tuple(every),
    )


def _benchmark(name: str, work: Path, workers: int, recipe: Recipe | None = None) -> dict[str, Any]:
    """The benchmark's document, or that of its tickets alone under another recipe."""
    chosen = study(name)
    if recipe is not None:
        chosen = study(name, densities=recipe.densities, assignments=(*recipe.assignments, "controls=[]"))

    def tell(cell: dict[str, Any]) -> None:
        line = f"{name}{'' if recipe is None else f', {recipe.words}'}: {cell['done']} of {cell['cells']}"
        print(line, file=sys.stderr, flush=True)

    return benchmark_jobs.run(chosen, work, workers, tell)


def section(frontier: Frontier) -> str:
    """One data set as Markdown: a sentence a density, both tables, the drawing."""
    name, words = frontier.benchmark, frontier.metric.replace("_", " ")
    shown = [p for p in frontier.points if p.method in (*SHOWN, *AT_ANY_STORAGE) and not p.recipe]
    return "\n".join(
        [
            f"## {frontier.title[0].upper()}{frontier.title[1:]}",
            "",
            f"`python -m rtl_core benchmark {name}`; {words} on test rows, seeds "
            f"{', '.join(map(str, frontier.seeds))}. In full: [{name}.md]({name}.md).",
            "",
            *(f"- {sentence}" for sentence in sentences(frontier)),
            "",
            f"![{words} against stored kilobytes](frontier_{name}.svg)",
            "",
            f"| density | method | {words} | RTL - method | stored weights | KB | weights an input uses | steps |",
            "|---|---|---|---|---|---|---|---|",
            *(
                f"| {point.density:g} | {method_words(point.method)[0]} | {_mean(point)} | {_lead(frontier, point)} "
                f"| {point.weights:,.0f} | {point.kilobytes:,.1f} | {point.used:,.0f} | {point.total_steps} |"
                for density in frontier.densities
                for point in shown
                if point.density == density
            ),
            "",
            "The tickets' own line, the recipes trained without controls:",
            "",
            f"| recipe | density | {words} | RTL - dense network | stored weights | KB |",
            "|---|---|---|---|---|---|",
            *(
                f"| {point.recipe or 'as above'} | {point.density:g} | {_mean(point)} "
                f"| {_written(lead(point, frontier.dense))} | {point.weights:,.0f} | {point.kilobytes:,.1f} |"
                for point in frontier.tickets
            ),
        ]
    )


HEAD = """# What storage buys

`python -m benchmarks.frontier`

Accuracy for every stored kilobyte at equal total steps (warm start, extraction and joint training together), on test
rows, over five seeds that no setting was chosen with. The joint training of the tickets starts from what their
extractions have learned (`joint.start=merged`). RTL - method is paired by seed, with the 95 % interval of a paired t,
not adjusted for the number of methods. Stored weights are prunable ones. KB (1,000 bytes) are 4 bytes for each of them
and the masks in the smaller of two packings: one bit per prunable weight for each mask, or the union's bits and within
it one bit per weight for each mask. Networks without masks store no bits for them, and come in few sizes: the nearest
is taken. At equal storage a ticket answers an input with fewer weights than one mask or one small network does: with
its own, not with all that are stored."""


def page(frontiers: list[Frontier]) -> str:
    """docs/results/frontier.md."""
    return "\n\n".join([HEAD, *(section(frontier) for frontier in frontiers)]) + "\n"


def sentences(frontier: Frontier) -> list[str]:
    """How the tickets stand at every density, and the smallest that are level with the dense network."""
    return [*(_sentence(frontier, density) for density in frontier.densities), _level(frontier)]


def _sentence(frontier: Frontier, density: float) -> str:
    own, mask = frontier.of("rtl", density), frontier.best_one_mask(density)
    others = [frontier.of(method, density) for method in ("random_same_storage", "dense_small", "dense_small_multi")]
    sides: dict[str, list[str]] = {"above": [], "below": [], "not told apart from": []}
    for point in filter(None, [*others, mask]):
        gap = lead(own, point)
        side = "above" if gap.low > 0 else "below" if gap.high < 0 else "not told apart from"
        sides[side].append(f"“{method_words(point.method)[0]}” ({_written(gap)})")
    phrases = "; ".join(f"{side} {', '.join(names)}" for side, names in sides.items() if names)
    about = f"{own.mean:.3f}; {own.weights:,.0f} stored weights, {own.used:,.0f} of them for an input"
    return f"At density {density:g} RTL ({about}) is {phrases}."


def _level(frontier: Frontier) -> str:
    dense, least = frontier.dense, frontier.level_with_dense()
    if least is None:
        return f"All tickets here are below the dense network of the same total steps ({dense.mean:.3f})."
    weights, kilobytes = dense.weights / least.weights, dense.kilobytes / least.kilobytes
    where = f"{least.recipe or 'as above'}, density {least.density:g}: {_written(lead(least, dense))}"
    other = f"dense network of the same total steps ({dense.mean:.3f}, {dense.weights:,.0f} weights)"
    fewer = f"{weights:.1f} times fewer, and with the masks {kilobytes:.1f} times fewer kilobytes"
    return (
        f"Of {len(frontier.tickets)} recipes and densities, the smallest tickets not told apart from the {other} "
        f"store {least.weights:,.0f} weights: {fewer} ({where})."
    )


def _mean(point: Point) -> str:
    low, high = point.interval
    return f"{point.mean:.3f} [{low:.3f}, {high:.3f}]"


def _lead(frontier: Frontier, point: Point) -> str:
    return "-" if point.method == "rtl" else _written(lead(frontier.of("rtl", point.density), point))


def _written(gap: Lead) -> str:
    return f"{gap.difference:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"


def drawing(frontier: Frontier) -> str:
    """The metric against stored kilobytes, a line a method, the tickets' own over all recipes."""
    lines = []
    for method in (*SHOWN, *AT_ANY_STORAGE):
        mine = sorted((p for p in frontier.points if p.method == method), key=lambda point: point.kilobytes)
        if method == "dense_same_total":
            mine = [frontier.dense]
        if mine:
            lines.append(Curve(method_words(method)[0], tuple((p.kilobytes, p.mean, *p.interval) for p in mine)))
    reach = [point[0] for line in lines for point in line.points]
    first, last = min(reach) / 1.2, max(reach) * 1.2
    ticks = [scale * 10.0**power for power in range(-2, 5) for scale in (1, 2, 5)]
    marks = tuple((tick, f"{tick:,.4g}") for tick in ticks if first <= tick <= last)
    axis = Axis("stored kilobytes (log scale; prunable weights and masks)", first, last, marks)
    title = f"What storage buys: {frontier.title}"
    return file(title, [curves(title, lines, axis, frontier.metric.replace("_", " "))])


def main(
    work: Annotated[Path, typer.Option(help="Folder of what the recipes are made from")] = Path("runs/frontier"),
    workers: Annotated[int, typer.Option(min=1, help="Seeds at a time")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the page")] = RESULTS,
    only: Annotated[str | None, typer.Option(help="One of the benchmarks; the others are kept as they are")] = None,
) -> None:
    expected_warnings.hide()
    kept = out / "frontier.json"
    frontiers = {one.benchmark: one for one in read(kept)} if kept.exists() else {}
    for name in [only] if only else DATA:
        frontiers[name] = run(name, work, workers)
    ordered = [frontiers[name] for name in DATA if name in frontiers]
    contents = {
        "frontier.json": json.dumps({"frontiers": plain(ordered)}, indent=1) + "\n",
        "frontier.md": page(ordered),
        **{f"frontier_{one.benchmark}.svg": drawing(one) for one in ordered},
    }
    for name, content in contents.items():
        with replacing(out / name) as draft:
            draft.write_text(content, "utf-8")


if __name__ == "__main__":
    typer.run(main)
