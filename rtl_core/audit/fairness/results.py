"""What a fairness audit gives: figures, gaps, largest gaps and what is left out, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from rtl_core.documents import INLINE, OPTIONAL, key


@dataclass(frozen=True)
class Place:
    """Where a figure stands. ticket: None where all are taken together."""

    ticket: str | None
    metric: str


@dataclass(frozen=True)
class ClassPlace(Place):
    """The same where there are more than two classes. of_class: None is the macro mean."""

    of_class: str | None = field(metadata=key("class"))


@dataclass(frozen=True)
class Cell:
    """A figure of a group, or of everybody (no group), with its interval; None where it is refused or undefined.

    n_pos, n_neg  rows of the class and others; None of figures of all classes
    denominator   rows that the figure counts
    status        "ok", "small" (not ranked) or "refused", with the reason
    """

    place: Place = field(metadata=INLINE)
    group: str | None = field(metadata=OPTIONAL)
    n: int
    n_pos: int | None
    n_neg: int | None
    value: float | None
    low: float | None
    high: float | None
    denominator: int
    status: str
    reason: str | None


@dataclass(frozen=True)
class Gap:
    """A group less the reference, with its interval.

    value, denominator  the group's figure and the rows it counts; reference_...: those of the reference
    min_detectable      the least gap that a test of such sizes finds in four of five samples
    p, p_holm           compares nothing but `ok` cells; adjusted over all tests of the audit
    reason              of a status that is not "ok", or of a p that is not there
    """

    place: Place = field(metadata=INLINE)
    reference: str
    group: str
    gap: float | None
    low: float | None
    high: float | None
    value: float | None
    reference_value: float | None
    denominator: int
    reference_denominator: int
    min_detectable: float | None
    status: str
    reason: str | None
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class MaxGap:
    """The highest group less the lowest among those that may be ranked, with no interval: the largest of several
    differences is above zero even where no group differs, and only the test allows for that.

    known_as  what this gap is called elsewhere; columns: whose groups; groups: how many may be ranked
    """

    place: Place = field(metadata=INLINE)
    known_as: str | None
    columns: list[str]
    groups: int
    gap: float | None = None
    highest: str | None = None
    lowest: str | None = None
    reason: str | None = None
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Excluded:
    """A group that has too few rows in a ticket for any figure."""

    ticket: str | None
    group: str
    n: int
    reason: str


@dataclass(frozen=True)
class FairnessReport:
    """Totals, tickets x groups, gaps to the references, largest gaps, and what is left out.

    references  columns with commas -> the group that the others of these columns are compared with
    level       of all intervals; notes: what a reader has to know; tests: how many p are adjusted for
    """

    overall: list[Cell]
    cells: list[Cell]
    gaps: list[Gap]
    max_gaps: list[MaxGap]
    excluded: list[Excluded]
    references: dict[str, str]
    level: float
    permutations: int
    seed: int
    notes: list[str]
    tests: int
