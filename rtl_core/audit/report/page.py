"""The report as one HTML page: no script, nothing loaded, every text of a user escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from rtl_core import display_names
from rtl_core.audit.report import number_format, svg, svg_twins, tables, words
from rtl_core.data.kinds import KINDS
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.task import figure_value

SECTIONS = {
    "about": "What this is, and what it is not",
    "data": "The data, and who is in it",
    "tickets": "The tickets, and what they reach",
    "controls": "How they compare, and what does not hold",
    "overlap": "What the tickets share",
    "routing": "Who chooses the ticket",
    "fairness": "Fairness: whom it serves, and how well",
    "attribution": "What the answers rest on",
    "limits": "Known limits",
    "settings": "Settings, seeds, files and versions",
    "skipped": "Checks that were not made",
    "by_ticket": "Appendix: fairness, ticket by ticket",
}

FILTERS = (
    "share",
    "count",
    "number",
    "interval",
    "inline_interval",
    "interval_of",
    "metric",
    "gap",
    "of_figure",
    "of_interval",
    "breakable",
    "listed",
)


def page(document: Mapping[str, Any]) -> str:
    """The page of a document of `rtl_core.runs.report`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in FILTERS:
        environment.filters[name] = getattr(number_format, name)
    environment.filters["mean"] = mean
    environment.filters["kind"] = lambda kind: KINDS[kind].called
    environment.globals.update(
        drawing=svg,
        drawing_of_twins=svg_twins,
        findings=tables,
        words=words,
        display_names=display_names,
        task_named=task_named,
        figure_value=figure_value,
    )
    template = environment.get_template("report.html.j2")
    return template.render(document=document, settings=list(_flat(document["settings"])), sections=SECTIONS)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
