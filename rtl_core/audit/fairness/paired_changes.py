"""The same rows decided twice: how the rates of each group and their gaps change.

Rows are compared with themselves, so the interval of a change is far narrower than two separate ones
would suggest. Only rates whose denominator the truth alone decides can be paired.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from rtl_core.audit.fairness.gaps import ROUNDING
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.documents import INLINE
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Estimate, Interval, json_interval, json_number, proportion
from rtl_core.statistics.intervals import LEVEL, difference


@dataclass(frozen=True)
class Mean:
    """A mean over some rows, or a figure like one; see `estimates` for contributions.

    contributions   (n_units,) what each unit adds to the error of the value
    n               units that the rows come from
    """

    value: float
    contributions: np.ndarray
    n: int

    def __sub__(self, other: Mean) -> Mean:
        return Mean(self.value - other.value, self.contributions - other.contributions, min(self.n, other.n))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """(low, high) by Student's t over units; NaN where they do not vary or are fewer than two."""
        spread = float(self.contributions @ self.contributions)
        if self.n < 2 or spread <= ROUNDING**2:
            return np.nan, np.nan
        half = stats.t.ppf(0.5 + level / 2, self.n - 1) * np.sqrt(spread * self.n / (self.n - 1))
        return self.value - half, self.value + half


def mean_of(values: np.ndarray, among: np.ndarray, units: Units) -> Mean:
    """The mean of the values (n_rows,) over the rows `among`, bool (n_rows,); NaN where there are none."""
    rows = int(among.sum())
    if rows == 0:
        return Mean(np.nan, np.zeros(units.n), 0)
    value = float(values[among].mean())
    return Mean(value, units.sums(np.where(among, values - value, 0.0)) / rows, units.count(among))


def share_or_mean(values: np.ndarray, among: np.ndarray, units: Units, level: float = LEVEL) -> Estimate:
    """Of some rows the share that is true, of bools, or the mean; `values` and bool `among` are (n_rows,)."""
    if values.dtype == bool:
        return proportion(values, among, units, level)
    mean = mean_of(values, among, units)
    return Estimate(mean.value, *mean.interval(level), mean.contributions)


def rates(predictions: Predictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Metric -> (hit, among), bool (n,); with more than two classes the accuracy alone. Where answers are no decisions
    `hit` is how well each row is answered, float (n,)."""
    everyone = np.ones(len(predictions.y_true), bool)
    if not predictions.decides:
        return {predictions.credited.name: (predictions.credit, everyone)}
    right = predictions.y_true == predictions.y_pred
    if not predictions.binary:
        return {"accuracy": (right, everyone)}
    y, predicted = predictions.y_true == 1, predictions.y_pred == 1
    return {
        "selection_rate": (predicted, everyone),
        "accuracy": (right, everyone),
        "tpr": (predicted, y),
        "fpr": (predicted, ~y),
    }


def verdict(*independent: int) -> tuple[str, str | None]:
    """(status, reason) of a figure by the numbers of units that it compares; see `cells`."""
    n = min(independent)
    if n >= RANKED:
        return "ok", None
    return ("refused", f"fewer than {SHOWN} rows ({n})") if n < SHOWN else ("small", f"fewer than {RANKED} rows ({n})")


@dataclass(frozen=True)
class GapChange:
    """The gap to the reference before and after; None where its status is "refused"."""

    gap_before: float | None
    gap_after: float | None
    gap_change: float | None
    gap_status: str


@dataclass(frozen=True)
class Change:
    """A group's rate before and after other decisions on the same n rows; None where its status is "refused".

    ci    of each figure by its name
    gap   to the reference; None for the reference itself
    """

    metric: str
    group: str
    reference: str
    n: int
    before: float | None
    after: float | None
    change: float | None
    ci: dict[str, Interval]
    status: str
    reason: str | None
    gap: GapChange | None = field(default=None, metadata=INLINE)

    @property
    def gap_status(self) -> str:
        """Of the gap; of the reference itself, of its rate."""
        return self.gap.gap_status if self.gap else self.status


def shown(status: str, **values: float) -> dict[str, float | None]:
    """The values; None where the status is `refused`."""
    return {name: json_number(value) if status != "refused" else None for name, value in values.items()}


def intervals(status: str, **ends: tuple[float, float]) -> dict[str, Interval]:
    """The same of intervals."""
    return {name: json_interval(*pair) if status != "refused" else [None, None] for name, pair in ends.items()}


def changes(
    before: Predictions, after: Predictions, grouping: Grouping, base: int, level: float = LEVEL
) -> list[Change]:
    """Of each metric of `rates` and each group.

    before, after   other decisions on the same rows, in the same order
    base            the reference, an index into the grouping's names
    """
    units = Units.from_ids(before.unit)
    again = rates(after)
    records = []
    for metric, (hit, among) in rates(before).items():
        cells = [
            _Rates.of(hit, again[metric][0], among & (grouping.code == g), units, level)
            for g in range(len(grouping.names))
        ]
        for name, cell in zip(grouping.names, cells, strict=True):
            records.append(_change((metric, name, grouping.names[base]), cell, cells[base], level))
    return records


@dataclass(frozen=True)
class _Rates:
    """One group's rate before and after, each (value, low, high), and the mean change of its rows."""

    rows: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    moved: Mean

    @classmethod
    def of(cls, before: np.ndarray, after: np.ndarray, among: np.ndarray, units: Units, level: float) -> _Rates:
        first, second = share_or_mean(before, among, units, level), share_or_mean(after, among, units, level)
        return cls(
            int(among.sum()),
            (first.value, first.low, first.high),
            (second.value, second.low, second.high),
            mean_of(after.astype(float) - before, among, units),
        )


def _change(place: tuple[str, str, str], cell: _Rates, base: _Rates, level: float) -> Change:
    status, reason = verdict(cell.moved.n)
    values = shown(status, before=cell.before[0], after=cell.after[0], change=cell.moved.value)
    ci = intervals(status, before=cell.before[1:], after=cell.after[1:], change=cell.moved.interval(level))
    own = Change(*place, n=cell.rows, **values, ci=ci, status=status, reason=reason)
    if cell is base:
        return own
    status, _ = verdict(cell.moved.n, base.moved.n)
    was, now = difference(cell.before, base.before), difference(cell.after, base.after)
    moved = cell.moved - base.moved
    gap = shown(status, gap_before=float(was[0]), gap_after=float(now[0]), gap_change=moved.value)
    gap_ci = intervals(status, gap_before=was[1:], gap_after=now[1:], gap_change=moved.interval(level))
    return replace(own, gap=GapChange(**gap, gap_status=status), ci={**ci, **gap_ci})
