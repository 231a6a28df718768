"""What the report says in sentences and which rows it shows: counts and choices, computed from its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rtl_core.audit.against_controls import Against, compare_with_controls
from rtl_core.audit.fairness.sentences import gap_sentence, max_gap_sentence
from rtl_core.audit.report import words
from rtl_core.audit.report.svg import reach_of
from rtl_core.display_names import method_words
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.task import Figure, figure_value

# The most rows that are shown, so that the file stays small and can be read; the JSON documents have the others.
GAPS = 60  # of one metric
GROUPS = 120  # of one ticket
TICKET_ROWS = 300  # of all tickets by themselves, groups and gaps
EXCLUDED = 200

T = TypeVar("T")


@dataclass(frozen=True)
class GapTable:
    """The gaps of one metric in one stratum, each with its sentence, and the sentences of its largest gaps.

    left_out  gaps of the smallest groups that there is no room for
    """

    metric: str
    reach: float
    gaps: list[dict[str, Any]]
    largest: list[str]
    left_out: int

    @property
    def empty(self) -> bool:
        return all(gap["gap"] is None for gap in self.gaps)


def figures(task: str, usual: Sequence[str]) -> list[Figure]:
    """Those of the usual figures that the task has; all of its own where it has none of them."""
    known = {figure.name: figure for figure in task_named(task).figures}
    return [known[name] for name in usual if name in known] or list(known.values())


def trained(evaluate: Mapping[str, Any], figure: Figure) -> list[dict[str, Any]]:
    """The methods that apply and have the figure, best first."""
    rows = [row for row in evaluate["methods"] if row.get("applies") and figure_value(row, figure.name) is not None]
    return sorted(rows, key=lambda row: -figure.sign * figure_value(row, figure.name))


def against_rtl(evaluate: Mapping[str, Any], figure: Figure) -> Against:
    return compare_with_controls(lines(trained(evaluate, figure), figure), method_words("rtl")[0], figure)


def pairs(similarity: Mapping[str, Any], measure: str) -> list[float]:
    """A measure of every pair of tickets where it is defined."""
    matrix = similarity[measure]
    values = [matrix[i][j] for i in range(len(matrix)) for j in range(i + 1, len(matrix))]
    return [value for value in values if value is not None]


def lines(rows: list[dict[str, Any]], figure: Figure) -> list[tuple[str, float, float | None, float | None]]:
    """(label, value, low, high) of each method."""
    name = figure.name
    return [(method_words(row["method"])[0], figure_value(row, name), *_bounds(row, name)) for row in rows]


def n_rare(fairness: Mapping[str, Any]) -> int:
    return sum(rare(gap, fairness) for gap in fairness["gaps"])


def n_status(fairness: Mapping[str, Any], status: str) -> int:
    return sum(cell["status"] == status for cell in fairness["cells"])


def strata(fairness: Mapping[str, Any]) -> list[str | None]:
    """Tickets in their order, all of them together (None) first where there are several."""
    names = list(dict.fromkeys(row["ticket"] for row in fairness["overall"]))
    return sorted(names, key=lambda name: name is not None)


def metrics(fairness: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["metric"] for row in fairness["overall"] if _of_all_classes(row)))


def totals(fairness: Mapping[str, Any], ticket: str | None) -> dict[str, dict[str, Any]]:
    """Metric -> the total of a stratum; with more than two classes, the mean over classes."""
    rows = (row for row in fairness["overall"] if row["ticket"] == ticket and _of_all_classes(row))
    return {row["metric"]: row for row in rows}


def groups(
    fairness: Mapping[str, Any], ticket: str | None, single: bool
) -> tuple[dict[str, dict[str, dict[str, Any]]], int]:
    """(group -> metric -> cell of a stratum, how many of the smallest groups there is no room for).

    single  without intersections of columns
    """
    crossed = _crossed(fairness) if single else set()
    cells_of: dict[str, dict[str, dict[str, Any]]] = {}
    for cell in fairness["cells"]:
        if cell["ticket"] == ticket and _of_all_classes(cell) and cell["group"] not in crossed:
            cells_of.setdefault(cell["group"], {})[cell["metric"]] = cell
    shown = _largest(list(cells_of), [next(iter(cells.values()))["n"] for cells in cells_of.values()], GROUPS)
    return {group: cells_of[group] for group in shown}, len(cells_of) - len(shown)


def gap_tables(fairness: Mapping[str, Any], ticket: str | None, single: bool) -> list[GapTable]:
    """One table per metric of a stratum. The order of groups is the data's: it is no ranking."""
    crossed = _crossed(fairness) if single else set()
    tables = []
    for metric in (*metrics(fairness), "equalized_odds"):
        gaps = [gap for gap in fairness["gaps"] if _is(gap, ticket, metric) and gap["group"] not in crossed]
        shown = _largest(gaps, [gap["denominator"] for gap in gaps], GAPS)
        largest = [
            max_gap_sentence(gap, fairness)
            for gap in fairness["max_gaps"]
            if _is(gap, ticket, metric) and not (single and len(gap["columns"]) > 1)
        ]
        if gaps or largest:
            with_sentences = [
                {**gap, "sentence": gap_sentence(gap, fairness), "rare": rare(gap, fairness)} for gap in shown
            ]
            tables.append(GapTable(metric, reach_of(shown), with_sentences, largest, len(gaps) - len(shown)))
    return tables


def routing(fairness: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of all tickets together, those groups that are listed."""
    listed = groups(fairness, strata(fairness)[0], single=False)[0]
    return [row for row in fairness["routing"] if row["ticket"] is None and row["group"] in listed]


def gap_sections(fairness: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The decompositions of the metrics and the groups of single columns that are shown."""
    shown, crossed = metrics(fairness), _crossed(fairness)
    return [row for row in fairness["decomposition"] if row["metric"] in shown and row["group"] not in crossed]


def by_ticket(fairness: Mapping[str, Any]) -> Iterator[tuple[str, list[GapTable]]]:
    """Ticket and its gaps, of single columns, as long as there is room; without tables in which no gap has a
    value, of which the list of groups that are left out says why."""
    room = TICKET_ROWS
    for ticket in strata(fairness)[1:]:
        tables = [table for table in gap_tables(fairness, ticket, single=True) if not table.empty]
        room -= len(groups(fairness, ticket, single=True)[0]) + sum(len(table.gaps) for table in tables)
        if room < 0:
            return
        yield ticket, tables


def rare(gap: Mapping[str, Any], fairness: Mapping[str, Any]) -> bool:
    """Whether chance alone would rarely make such a gap in any of the tests."""
    return gap["p_holm"] is not None and gap["p_holm"] < 1 - fairness["level"]


def limits(document: Mapping[str, Any]) -> list[str]:
    """Those of every report, and those of this one."""
    sentences = [] if document["kind"] == "masks" else list(words.LIMITS)
    sentences += [] if document["kind"] == "table" else words.MASK_LIMITS
    if document["evaluate"] is not None:
        seed = document["show"]["config"]["seed"]
        sentences.append(
            f"All figures come from one training, with seed {seed}. Another seed gives other figures; only several "
            "seeds side by side show whether one method is better than another."
        )
        if any(row["uses_label"] for row in document["evaluate"]["routers"]):
            sentences.append(
                "Figures of a router that is told the subset, or the label it is read off, are what the tickets could "
                "reach if the right one were always known. They are no promise for use."
            )
    return sentences


def _bounds(row: Mapping[str, Any], metric: str) -> tuple[float | None, float | None]:
    low, high = (row.get("ci") or {}).get(metric) or (None, None)
    return low, high


def _is(gap: Mapping[str, Any], ticket: str | None, metric: str) -> bool:
    return gap["ticket"] == ticket and gap["metric"] == metric and _of_all_classes(gap)


def _of_all_classes(row: Mapping[str, Any]) -> bool:
    """With more than two classes the report shows what is about all of them; the rest is in the JSON."""
    return row.get("class") is None


def _largest(rows: list[T], sizes: list[int], most: int) -> list[T]:
    """At most so many rows, those of the largest sizes, in their order."""
    kept = sorted(sorted(range(len(rows)), key=lambda i: -sizes[i])[:most])
    return [rows[i] for i in kept]


def _crossed(fairness: Mapping[str, Any]) -> set[str]:
    """The groups that are intersections of columns."""
    bases = {base for columns, base in fairness["references"].items() if "," in columns}
    return bases | {gap["group"] for gap in fairness["gaps"] if gap["reference"] in bases}
