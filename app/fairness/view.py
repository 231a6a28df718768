"""What is audited on the Fairness page and what was found: each computed once, and kept for the other sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from app import cache, terms
from app.frames import frame
from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.group_metrics import SCORES, SHARES
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.results import Cell, FairnessReport, Gap

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset

TOGETHER = "all together"  # how the tables call what the report leaves None
MEAN = "mean of all classes"
ALL_METRICS = (*SHARES, *SCORES)
RATES = ("selection_rate", "accuracy", "tpr", "fpr")  # that can be followed row by row


@dataclass(frozen=True)
class Subject:
    """Decisions, and what they were made on.

    key      names them in caches
    table    one row per decision, as a reader knows it: attributes, or the columns of an uploaded table
    inputs   the data and the rows in it that each decision was made on; None: of an uploaded table
    """

    key: tuple[Any, ...]
    predictions: Predictions
    table: pd.DataFrame
    inputs: tuple[Dataset, np.ndarray] | None = None


@dataclass(frozen=True)
class Audit:
    """A subject under the groups that were asked for.

    yes      how the positive outcome is called
    strata   the tickets that are looked at; None is all of them together
    metrics  those in the table
    of_class of more than two: the class that counts as yes; None is the mean over classes
    """

    subject: Subject
    columns: tuple[str, ...]
    report: FairnessReport
    yes: str
    strata: tuple[str | None, ...]
    metrics: tuple[str, ...]
    of_class: str | None

    @property
    def key(self) -> tuple[Any, ...]:
        return self.subject.key, self.columns, self.references

    @property
    def predictions(self) -> Predictions:
        return self.subject.predictions

    @property
    def references(self) -> tuple[str, ...]:
        """The group that the others are compared with, of each column and of the intersection."""
        return tuple(self.report.references.values())

    def rate(self, metric: str) -> str:
        """The metric itself, or the nearest one of those that can be followed row by row (`RATES`)."""
        if not self.predictions.decides:
            return self.predictions.credited.name
        if not self.predictions.binary:
            return "accuracy"
        return {"fnr": "tpr"}.get(metric, metric if metric in RATES else "accuracy")

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Tickets x groups x metrics of all tickets, of the class that is looked at."""
        return self._of_class(self.report.cells)

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """The same of gaps; the index is a gap's place in the report."""
        return self._of_class(self.report.gaps)

    @property
    def measured(self) -> list[str]:
        """The metrics that the report has for the class that is looked at, in the report's order."""
        return list(self.cells.metric.unique())

    def _of_class(self, records: Sequence[Cell | Gap]) -> pd.DataFrame:
        rows = frame(records)
        if rows.empty or self.predictions.binary:
            return rows
        return rows[rows["class"].isna() if self.of_class is None else rows["class"] == self.of_class]

    def term(self, metric: str) -> tuple[str, str]:
        """(what a metric is called, what it counts), with the positive outcome by its name."""
        if not self.predictions.decides:
            title = self.predictions.credited.title
            return title[0].upper() + title[1:], "How well an answer is, averaged over the answers to a group."
        name, meaning = terms.FAIRNESS[metric]
        return name.format(yes=self.yes), meaning.format(yes=self.yes)

    def option(self, metric: str) -> str:
        """What a metric is called where it is chosen: links outlive another name for a yes."""
        if not self.predictions.decides:
            return self.term(metric)[0]
        return terms.FAIRNESS[metric][0].format(yes="yes")

    @property
    def counted(self) -> str:
        """What a group has some of."""
        return "decisions" if self.predictions.decides else "answers"

    @property
    def divided(self) -> list[Grouping]:
        return groupings(self.predictions.groups, self.columns)

    def rows_of_figure(self, group: str, ticket: str | None, metric: str) -> np.ndarray:
        """The decisions that a figure counts: indices into the predictions."""
        grouping = next(g for g in self.divided if group in g.names)
        among = grouping.code == grouping.names.index(group)
        if ticket is not None:
            among &= self.predictions.ticket == self.predictions.tickets.index(ticket)
        return np.flatnonzero(among & self._counted(metric))

    def _counted(self, metric: str) -> np.ndarray:
        """bool (n,): the denominator of a metric, for the class that is looked at."""
        p = self.predictions
        everyone = np.ones(len(p.y_true), bool)
        if not p.binary and self.of_class is None:
            return everyone
        yes = 1 if p.binary else p.classes.index(self.of_class)
        return {
            "tpr": p.y_true == yes,
            "fnr": p.y_true == yes,
            "fpr": p.y_true != yes,
            "precision": p.y_pred == yes,
        }.get(metric, everyone)


def group_names(predictions: Predictions, columns: tuple[str, ...]) -> list[str]:
    """Every group of the chosen columns and of their intersection. Raises BadInput for too many."""
    return [name for grouping in groupings(predictions.groups, columns) for name in grouping.names]


@cache.of_run(Subject, max_entries=24, show_spinner="Comparing the groups")
def report(subject: Subject, columns: tuple[str, ...], reference: tuple[str, ...]) -> FairnessReport:
    """What `python -m rtl_core fairness` says, of the same seed. Raises BadInput."""
    return fairness(subject.predictions, columns, AuditSettings(reference))


def called(ticket: str | None) -> str:
    """The ticket's name; of all tickets together, `TOGETHER`. A frame may have NaN there."""
    return TOGETHER if pd.isna(ticket) else ticket
