"""What the verb `fairness` prints for people: sizes first, then rates, then gaps in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtl_core.cli.output import table, with_interval

ALL = "all"  # tickets together
RATES = ("selection_rate", "accuracy", "tpr", "fpr")  # what fits side by side in a terminal
MOST = 20  # sentences


def fairness_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    head = f"{document['n']:,} rows of {document.get('run') or document['table']}"
    if "run" in document:
        reads = ", which reads what the subsets were made by" if document["uses_label"] else ""
        head += f", decided by {document['method']}, router {document['router']}{reads}"
    return Group(head, "", *_sizes(document), "", *_rates(document), "", *_gaps(document), *_extras(document))


def _sizes(document: dict[str, Any]) -> list[Any]:
    """Rows of each group in each ticket, and what has too few."""
    rows: dict[str, dict[str, Any]] = {}
    for cell in document["cells"]:
        row = rows.setdefault(cell["group"], {"group": cell["group"]})
        row[cell["ticket"] or ALL] = cell["n"]
    columns = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    few = [f"{cell['group']} in {cell['ticket'] or ALL}: {cell['reason']}" for cell in document["excluded"]]
    return [table(list(rows.values()), columns), *(["left out: " + "; ".join(few)] if few else [])]


def _rates(document: dict[str, Any]) -> list[Any]:
    """One line a ticket and group. With more than two classes, figures about all of them."""
    cells = [cell for cell in document["cells"] if cell.get("class") is None]
    metrics = tuple(dict.fromkeys(cell["metric"] for cell in cells))
    shown = tuple(metric for metric in RATES if metric in metrics) or metrics[: len(RATES)]
    rows: dict[tuple, dict[str, Any]] = {}
    for cell in cells:
        if cell["metric"] in shown:
            place = {"ticket": cell["ticket"] or ALL, "group": cell["group"]}
            row = rows.setdefault(tuple(place.values()), {**place, "n": cell["n"]})
            figure = with_interval({"value": cell["value"], "ci": {"value": (cell["low"], cell["high"])}}, "value")
            row[cell["metric"]] = figure + (" *" if cell["status"] == "small" else "")
    small = any(cell["status"] == "small" for cell in cells)
    note = ["* fewer than 30 in the denominator: shown, not ranked"] if small else []
    return [table(list(rows.values()), ("ticket", "group", "n", *shown)), *note]


def _gaps(document: dict[str, Any]) -> list[str]:
    """The gaps that are beyond chance, largest first, in words."""
    from rtl_core.audit.fairness.sentences import gap_sentence

    metrics = {gap["metric"] for gap in document["gaps"]}
    named = metrics - {"fnr"} if "tpr" in metrics else metrics  # the same gap with the other sign
    tested = [gap for gap in document["gaps"] if gap["p_holm"] is not None and gap["metric"] in named]
    beyond_chance = [gap for gap in tested if gap["p_holm"] < 1 - document["level"]]
    beyond_chance.sort(key=lambda gap: (gap["ticket"] is not None, -abs(gap["gap"])))
    lines = [
        f"{len(beyond_chance)} of {len(tested)} tested gaps are beyond chance, adjusted for {document['tests']} tests."
    ]
    lines += [f"- {gap_sentence(gap, document)}" for gap in beyond_chance[:MOST]]
    if len(beyond_chance) > MOST:
        lines.append(f"and {len(beyond_chance) - MOST} more: --json lists all")
    return [*lines, *(f"note: {note}" for note in document["notes"])]


def _extras(document: dict[str, Any]) -> list[Any]:
    place = ("metric", "group")
    shown: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
        "routing": (
            "Was another ticket better for the same rows?",
            ("ticket", "group", "n"),
            ("accuracy", "lead_over_mean", "lead_over_best", "another_right"),
        ),
        "decomposition": ("Inside tickets, or between them?", (*place, "n"), ("gap", "within", "between")),
        "where": (
            "Without weights that all tickets keep, some share, or one has alone",
            ("class", "ticket", *place, "n"),
            ("change", "excess", "gap_change", "gap_excess"),
        ),
        "by_density": ("At lighter levels", ("density", *place, "n"), ("after", "change", "gap_after", "gap_change")),
        "methods": (
            "Other methods, and what changes from this one to them",
            ("method", *place, "n"),
            ("after", "change", "gap_after", "gap_change"),
        ),
    }
    pieces = []
    for name, (title, columns, figures) in shown.items():
        extra = document.get(name)
        if extra is None:
            continue
        pieces += ["", title]
        if isinstance(extra, dict) and "reason" in extra:
            pieces.append(extra["reason"])
            continue
        rows = [
            {**row, "ticket": row.get("ticket") or ALL, **{figure: with_interval(row, figure) for figure in figures}}
            for row in _records(name, extra)
        ]
        pieces.append(table(rows, (*columns, *figures)))
    return pieces


def _records(name: str, extra: Any) -> list[dict[str, Any]]:
    """The records of an extra that fit a terminal: of ablations those of all tickets together."""
    if name == "where":
        return [change for change in extra["changes"] if change["ticket"] is None]
    if name == "methods":
        return [{"method": row["method"], **change} for row in extra for change in row["changes"]]
    return extra
