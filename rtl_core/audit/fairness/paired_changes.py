"""The same rows decided twice: how the rates of each group and their gaps change.

Rows are compared with themselves, so the interval of a change is far narrower than two separate ones
would suggest. Only rates whose denominator the truth alone decides can be paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from rtl_core.audit.fairness.gaps import ROUNDING
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import json_number, proportion
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


def rates(predictions: Predictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Metric -> (hit, among), bool (n,); with more than two classes the accuracy alone."""
    everyone = np.ones(len(predictions.y_true), bool)
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


def numbers(status: str, ci: dict[str, tuple[float, float]], **values: float) -> dict[str, Any]:
    """Values and their intervals for JSON; all null where the status is `refused`."""
    shown = status != "refused"
    return {
        **{name: json_number(value) if shown else None for name, value in values.items()},
        "ci": {name: [json_number(float(end)) if shown else None for end in ends] for name, ends in ci.items()},
    }


def changes(
    before: Predictions, after: Predictions, grouping: Grouping, base: int, level: float = LEVEL
) -> list[dict[str, Any]]:
    """Per metric of `rates` and per group: rate before and after, and gap to the reference before and after.

    before, after   other decisions on the same rows, in the same order
    base            the reference, an index into the grouping's names
    """
    units = Units.from_ids(before.unit)
    again = rates(after)
    records = []
    for metric, (hit, among) in rates(before).items():
        cells = [
            _Change.of(hit, again[metric][0], among & (grouping.code == g), units, level)
            for g in range(len(grouping.names))
        ]
        for name, cell in zip(grouping.names, cells, strict=True):
            place = {"metric": metric, "group": name, "reference": grouping.names[base]}
            records.append({**place, **_record(cell, cells[base], level)})
    return records


@dataclass(frozen=True)
class _Change:
    """One group's rate before and after, each (value, low, high), and the mean change of its rows."""

    rows: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    moved: Mean

    @classmethod
    def of(cls, before: np.ndarray, after: np.ndarray, among: np.ndarray, units: Units, level: float) -> _Change:
        first, second = proportion(before, among, units, level), proportion(after, among, units, level)
        return cls(
            int(among.sum()),
            (first.value, first.low, first.high),
            (second.value, second.low, second.high),
            mean_of(after.astype(float) - before, among, units),
        )


def _record(cell: _Change, base: _Change, level: float) -> dict[str, Any]:
    status, reason = verdict(cell.moved.n)
    gap_status, _ = verdict(cell.moved.n, base.moved.n)
    own = numbers(
        status,
        {
            "before": cell.before[1:],
            "after": cell.after[1:],
            "change": cell.moved.interval(level),
        },
        before=cell.before[0],
        after=cell.after[0],
        change=cell.moved.value,
    )
    record = {"n": cell.rows, **own, "status": status, "reason": reason}
    if cell is base:
        return record
    gap_before, gap_after = difference(cell.before, base.before), difference(cell.after, base.after)
    moved = cell.moved - base.moved
    gaps = numbers(
        gap_status,
        {
            "gap_before": gap_before[1:],
            "gap_after": gap_after[1:],
            "gap_change": moved.interval(level),
        },
        gap_before=float(gap_before[0]),
        gap_after=float(gap_after[0]),
        gap_change=moved.value,
    )
    return {**record, **gaps, "ci": {**own["ci"], **gaps["ci"]}, "gap_status": gap_status}
