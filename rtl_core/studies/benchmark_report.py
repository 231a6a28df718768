"""A benchmark's document as pages: Markdown, a long table in CSV, and two drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from rtl_core.audit.report.svg_curves import Axis, Curve, curves, differences, file
from rtl_core.files import replacing
from rtl_core.read_only import refused_in_public
from rtl_core.spreadsheet_csv import csv_text
from rtl_core.statistics.intervals import paired_t
from rtl_core.studies.benchmark import by_method
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure

STORED = ("rtl", "imp_multi", "imp_single_union", "dense")  # whose storage is laid beside what it buys
USUAL_FIGURES = ("recall", "roc_auc")
OF_THE_CELL = ("seed", "density", "fingerprint", "seconds", "iou_mean", "chance_mean")


@refused_in_public("writing a benchmark")
def write(document: dict[str, Any], out: Path) -> list[Path]:
    """Writes NAME.md, NAME.csv, NAME.svg and NAME_storage.svg into `out`; the paths."""
    name = document["name"]
    contents = {
        f"{name}.md": page(document),
        f"{name}.csv": long_table(document),
        f"{name}.svg": metric_drawing(document),
        f"{name}_storage.svg": storage_drawing(document),
    }
    for path, content in contents.items():
        with replacing(out / path) as draft:
            draft.write_text(content, "utf-8")
    return [out / path for path in contents]


def title(document: dict[str, Any]) -> str:
    return document["title"] + (f" (reduced form: {document['reduced']})" if document["reduced"] else "")


def page(document: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    seeds, name = document["seeds"], document["name"]
    without = [f"`{method}` is left out: {why}." for method, why in document["without"].items()]
    pieces = [
        f"# {title(document)}",
        f"`{document['command']}`",
        " ".join(
            [
                document["reason"],
                f"Test split, {'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}; the seeds of the "
                "benchmark's file were named before they were run, and no setting was chosen with them.",
                *without,
            ]
        ),
        "\n".join(f"- {headline(document, density)}" for density in document["densities"]),
        f"![{document['metric'].replace('_', ' ')} against density, and RTL's lead over each control]({name}.svg)",
        _legend(len(seeds)),
        *(f"## Density {density:g}\n\n{table(document, density)}" for density in document["densities"]),
        _storage(document),
        _made(document),
    ]
    return "\n\n".join(pieces) + "\n"


def headline(document: dict[str, Any], density: float) -> str:
    """One sentence on what RTL is above, below and level with at a density."""
    lines = [line for line in document["summary"] if line["density"] == density]
    own = next(line["mean"] for line in lines if line["method"] == "rtl")
    start = f"At density {density:g} RTL has {document['metric'].replace('_', ' ')} {_number(own)}"
    if len(document["seeds"]) == 1:
        return f"{start}; there is no interval with one seed."
    sides: dict[str, list[str]] = {"above": [], "below": [], "level with": []}
    for line in lines:
        low, high = line["ci"]
        if line["method"] != "rtl" and _known(low):
            side = "above" if low > 0 else "below" if high < 0 else "level with"
            lead = "" if side == "level with" else f" by {_difference(line)}"
            sides[side].append(f"`{line['method']}`{lead}")
    clauses = [f"{side} {', '.join(methods)}" for side, methods in sides.items() if methods]
    return f"{start}: {'; '.join(clauses)}." if clauses else f"{start}."


def table(document: dict[str, Any], density: float) -> str:
    """Every method at one density, RTL first, as a Markdown table."""
    metric, rows, others = document["metric"], document["rows"], _other_figures(document)
    lines = [
        f"| method | {metric.replace('_', ' ')}, mean | every seed | RTL - method [95 % interval] "
        f"{''.join(f'| {figure.title} ' for figure in others)}| steps extract + joint | stored weights | kbit |",
        "|---" * (7 + len(others)) + "|",
    ]
    names = (metric, *(figure.name for figure in others), "params_total", "bits")
    columns = {name: by_method(rows, density, name) for name in names}
    for line in (line for line in document["summary"] if line["density"] == density):
        method = line["method"]
        first = next(row for row in rows if (row["method"], row["density"]) == (method, density))
        lines.append(
            f"| `{method}` | {_number(line['mean'])} | {' '.join(map(_number, columns[metric][method]))} "
            f"| {_difference(line)} {''.join(f'| {_number(mean(columns[figure.name][method]))} ' for figure in others)}"
            f"| {first['steps_extract']} + {first['steps_joint']} "
            f"| {mean(columns['params_total'][method]):,.0f} | {mean(columns['bits'][method]) / 1000:,.0f} |"
        )
    return "\n".join(lines)


def _other_figures(document: dict[str, Any]) -> list[Figure]:
    """What stands beside the metric where any method has it: recall and ROC AUC of classifiers, of another task all."""
    known = {figure.name: figure for task in TASKS.values() for figure in task.figures}
    measured = {name for row in document["rows"] for name, value in row.items() if value is not None}
    given = [figure for name, figure in known.items() if name in measured - {document["metric"]}]
    return [figure for figure in given if figure.name in USUAL_FIGURES] or given


def long_table(document: dict[str, Any]) -> str:
    """One line per seed, density and method as CSV; `seconds` are those of all methods of the cell together."""
    cells = pd.DataFrame(document["cells"])[list(OF_THE_CELL)]
    return csv_text(pd.DataFrame(document["rows"]).merge(cells, on=["seed", "density"]))


def metric_drawing(document: dict[str, Any]) -> str:
    """The metric against density, a band per method, and below it RTL's lead over every control."""
    metric, summary = document["metric"].replace("_", " "), document["summary"]
    methods = list(dict.fromkeys(line["method"] for line in summary))
    lines = [
        Curve(
            method,
            tuple(
                (line["density"], line["mean"], *_within(line["mean_ci"]))
                for line in summary
                if line["method"] == method and _known(line["mean"])
            ),
        )
        for method in methods
    ]
    columns = [
        (
            f"density {density:g}",
            [
                Curve(line["method"], ((density, line["difference"], *_bounds(line["ci"])),))
                for line in summary
                if line["density"] == density and _known(line["difference"])
            ],
        )
        for density in document["densities"]
    ]
    above = curves(title(document), [line for line in lines if line.points], _density_axis(document), metric)
    panels = [above]
    if any(rows for _, rows in columns):
        lead = f"RTL minus control, {metric}; filled: the 95 % interval excludes zero"
        panels.append(differences("RTL's lead over each control", columns, lead))
    return file(title(document), panels)


def storage_drawing(document: dict[str, Any]) -> str:
    """Stored kbit against the metric, a point per density."""
    metric, rows = document["metric"], document["rows"]
    lines = []
    for method in STORED:
        points = []
        for density in document["densities"]:
            values = by_method(rows, density, metric).get(method)
            if values is not None and _known(mean(values)):
                _, low, high, *_ = paired_t(values)
                points.append(
                    (mean(by_method(rows, density, "bits")[method]) / 1000, mean(values), *_within((low, high)))
                )
        if points:
            lines.append(Curve(method, tuple(points)))
    reach = [point[0] for line in lines for point in line.points]
    first, last = min(reach) / 1.2, max(reach) * 1.2
    ticks = [scale * 10.0**power for power in range(-3, 10) for scale in (1, 2, 5)]
    shown = tuple((tick, f"{tick:,.4g}") for tick in ticks if first <= tick <= last)
    axis = Axis("stored bits, kbit (log scale; masks and prunable weights), a point per density", first, last, shown)
    return file(title(document), [curves(title(document), lines, axis, metric.replace("_", " "))])


def _density_axis(document: dict[str, Any]) -> Axis:
    densities = document["densities"]
    first, last = densities[0] * 1.08, densities[-1] / 1.08
    ticks = tuple((density, f"{density:g}") for density in densities)
    return Axis("density: share of prunable weights that a ticket keeps (log scale)", first, last, ticks)


def _legend(seeds: int) -> str:
    interval = (
        "with the 95 % interval of a paired t, not adjusted for the number of controls"
        if seeds > 1
        else "without an interval, for there is no interval with one seed"
    )
    return (
        f"RTL - method is paired by seed, {interval}. Steps are gradient steps per subset. Stored weights are the "
        "union of a method's masks, for separate networks their sum; kbit are 32 bits for each of them and one bit per "
        "prunable weight for each different mask. Only prunable weights are counted, not heads, biases and norms."
    )


def _storage(document: dict[str, Any]) -> str:
    metric, rows = document["metric"], document["rows"]
    lines = [
        "## What storage buys",
        "",
        f"![{metric.replace('_', ' ')} against stored bits]({document['name']}_storage.svg)",
        "",
        "The last column counts masks at their entropy bound (log2 of the number of masks with the same counts per "
        "layer) in place of one bit per weight.",
        "",
        f"| density | method | {metric.replace('_', ' ')} | stored weights | kbit | kbit, masks at the bound |",
        "|---|---|---|---|---|---|",
    ]
    for density in document["densities"]:
        by_name = {name: by_method(rows, density, name) for name in (metric, "params_total", "bits", "bits_bound")}
        lines += [
            f"| {density:g} | `{method}` | {_number(mean(by_name[metric][method]))} "
            f"| {mean(by_name['params_total'][method]):,.0f} | {mean(by_name['bits'][method]) / 1000:,.0f} "
            f"| {mean(by_name['bits_bound'][method]) / 1000:,.0f} |"
            for method in STORED
            if method in by_name[metric]
        ]
    return "\n".join(lines)


def _made(document: dict[str, Any]) -> str:
    cells, name = document["cells"], f"{document['name']}.json"
    overlap = [
        f"{density:g}: {_number(_mean_of(cells, density, 'iou_mean'))} against "
        f"{_number(_mean_of(cells, density, 'chance_mean'))}"
        for density in document["densities"]
    ]
    versions = _different([_versions(cell["environment"]) for cell in cells])
    return "\n".join(
        [
            "## How this was made",
            "",
            f"- Settings: digest `{document['digest']}`, in full in [{name}]({name}).",
            f"- Data: `{document['config']['data']['spec']}`, fingerprint "
            f"{', '.join(f'`{one}`' for one in _different([cell['fingerprint'] for cell in cells]))}.",
            f"- Versions: {'; '.join(versions)}.",
            f"- Tickets' mean IoU against chance, by density: {'; '.join(overlap)}.",
            f"- {sum(cell['seconds'] for cell in cells):,.0f} seconds of training in all; what no density changes is "
            "trained once per seed.",
        ]
    )


def _versions(environment: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in environment.items())


def _different(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _mean_of(cells: Sequence[dict[str, Any]], density: float, key: str) -> float:
    known = [cell[key] for cell in cells if cell["density"] == density and _known(cell[key])]
    return mean(known) if known else math.nan


def _difference(line: dict[str, Any]) -> str:
    if not _known(line["difference"]):
        return "-"
    low, high = line["ci"]
    bounds = f" [{low:+.3f}, {high:+.3f}]" if _known(low) else ""
    return f"{line['difference']:+.3f}{bounds}"


def _number(value: float | None) -> str:
    return f"{value:.3f}" if _known(value) else "-"


def _bounds(pair: Sequence[float | None]) -> tuple[float | None, float | None]:
    low, high = pair
    return (low, high) if _known(low) else (None, None)


def _within(pair: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The bounds of a share: a t interval of few seeds reaches beyond 0 and 1, where no share can be."""
    low, high = _bounds(pair)
    return (None, None) if low is None else (max(low, 0.0), min(high, 1.0))


def _known(value: float | None) -> bool:
    """Undefined values are NaN before they have been written, and null afterwards."""
    return value is not None and not math.isnan(value)
