"""Tickets x groups x metrics: every figure with its interval, its denominator and whether it may be shown.

Counts of all cells come from one pass over the rows (`np.bincount` over cell codes). A metric that is
made of shares is described by them: `tpr` is one share, `balanced_accuracy` the mean of two, a macro
mean the mean of one per class. Permutation tests need nothing but these counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import roc_auc
from rtl_core.statistics.intervals import LEVEL, mover_mean, wilson

SHOWN, RANKED = 10, 30  # the fewest rows in a denominator for a value, and for a place in a ranking

# What the denominator of each metric counts; `balanced_accuracy` and `roc_auc` have two and the smaller one decides.
SHARES = {
    "selection_rate": "rows",
    "accuracy": "rows",
    "tpr": "positives",
    "fpr": "negatives",
    "fnr": "positives",
    "precision": "predicted positives",
    "balanced_accuracy": "rows of the rarer class",
}
SCORES = {"roc_auc": "rows of the rarer class", "calibration_error": "rows", "mean_score": "rows"}
METRICS = (*SHARES, *SCORES)
MACRO = ("accuracy", "tpr", "fnr", "precision", "balanced_accuracy")  # over classes; the others would mix rows


@dataclass(frozen=True)
class Share:
    """hit of `among` rows, int64 (strata, groups)."""

    hit: np.ndarray
    among: np.ndarray


@dataclass(frozen=True)
class Measure:
    """One metric in all cells, each array (strata, groups).

    class_name        the class that counts as yes; None with two classes, and for what is about all classes
    value, low, high  NaN where undefined, and where the status is `refused`
    denominator       independent rows that decide the status
    status            `ok`, `small` (under `RANKED`: shown and not ranked) or `refused` (no value)
    reason            why it is not `ok`, else ""
    shares            what it is the mean of; empty for metrics of scores
    credits           of a mean credit: the credits of the rows of each (stratum, group)
    """

    metric: str
    class_name: str | None
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    denominator: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    shares: tuple[Share, ...]
    credits: dict[tuple[int, int], np.ndarray] | None = None


@dataclass(frozen=True)
class Strata:
    """The rows of each ticket and then, if there are several, those of all tickets together.

    rows       indices into the predictions; twice each where there are several tickets
    code       the stratum of each of them
    unit       the unit of each of them, counted from 0
    repeated   bool (strata,): where some unit has several rows
    names      tickets, None for all of them together
    binary     whether there are two classes
    """

    rows: np.ndarray
    code: np.ndarray
    unit: np.ndarray
    repeated: np.ndarray
    names: tuple[str | None, ...]
    binary: bool

    @classmethod
    def of(cls, predictions: Predictions) -> Strata:
        rows, code, names = np.arange(len(predictions.ticket)), predictions.ticket, predictions.tickets
        if len(names) > 1:
            code = np.concatenate([code, np.full(len(rows), len(names))])
            rows, names = np.tile(rows, 2), (*names, None)
        units = Units.from_ids(predictions.unit)
        pairs, times = np.unique(code * units.n + units.of_row[rows], return_counts=True)
        repeated = np.bincount(pairs[times > 1] // units.n, minlength=len(names)) > 0
        return cls(rows, code, units.of_row[rows], repeated, names, predictions.binary)


@dataclass(frozen=True)
class Cells:
    """The rows sorted into strata x groups.

    code   (rows,) stratum * groups + group
    unit   (rows,) counted from 0; None where no stratum holds a unit twice, so that every row counts
    """

    shape: tuple[int, int]
    code: np.ndarray
    unit: np.ndarray | None

    @classmethod
    def of(cls, strata: Strata, grouping: Grouping) -> Cells:
        shape = (len(strata.names), len(grouping.names))
        code = strata.code * shape[1] + grouping.code[strata.rows]
        return cls(shape, code, strata.unit if strata.repeated.any() else None)

    def count(self, rows: np.ndarray) -> np.ndarray:
        """How many of the rows, bool (rows,), are in each cell."""
        return np.bincount(self.code[rows], minlength=self.shape[0] * self.shape[1]).reshape(self.shape)

    def members(self) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """((stratum, group), its rows) of each cell."""
        order = np.argsort(self.code, kind="stable")
        ends = np.cumsum(np.bincount(self.code, minlength=self.shape[0] * self.shape[1]))
        for cell, rows in enumerate(np.split(order, ends[:-1])):
            yield divmod(cell, self.shape[1]), rows


def totals(predictions: Predictions) -> Grouping:
    """The grouping of totals: one group of all rows."""
    return Grouping((), ("",), np.zeros(1, bool), np.zeros(len(predictions.y_true), np.int64))


def measures(
    predictions: Predictions, strata: Strata, grouping: Grouping, metrics: Sequence[str] = METRICS, level: float = LEVEL
) -> list[Measure]:
    """All metrics in all cells. With more than two classes, per class against the rest and as macro means (`MACRO`).

    Shares have Wilson's interval, at the effective number of rows where units repeat, and means of shares
    MOVER's; `roc_auc` has DeLong's, means of scores Student's. `calibration_error` is the mean score less the
    share of positives (calibration in the large): unlike a binned error it does not grow by noise in small groups.
    """
    known = METRICS if predictions.decides else (predictions.credited.name,)
    for metric in metrics:
        if metric not in known:
            raise BadInput(f"There is no metric '{metric}'; choose among: {', '.join(known)}.")
    cells = Cells.of(strata, grouping)
    if not predictions.decides:
        return [_of_credit(predictions.credited.name, cells, predictions.credit[strata.rows], level)]
    truth, predicted = predictions.y_true[strata.rows], predictions.y_pred[strata.rows]
    if predictions.binary:
        score = predictions.score[strata.rows]
        return [_measure(metric, None, cells, truth == 1, predicted == 1, score, level) for metric in metrics]
    measured = []
    for c, name in enumerate(predictions.classes):
        score = predictions.score[strata.rows]
        score = score[:, c] if score.ndim == 2 else np.full(len(score), np.nan)
        measured += [_measure(metric, name, cells, truth == c, predicted == c, score, level) for metric in metrics]
    return measured + [
        _macro(metric, cells, truth, predicted, predictions.n_classes, level) for metric in metrics if metric in MACRO
    ]


def _of_credit(metric: str, cells: Cells, credit: np.ndarray, level: float) -> Measure:
    """The mean credit with Student's interval over units."""
    figures, denominator, credits = np.full((3, *cells.shape), np.nan), np.zeros(cells.shape, np.int64), {}
    for cell, rows in cells.members():
        units = Units.rows(len(rows)) if cells.unit is None else Units.from_ids(cells.unit[rows])
        figures[(slice(None), *cell)] = _mean(credit[rows], units, level)
        denominator[cell], credits[cell] = units.n, credit[rows]
    status, reason = _verdict(denominator, "rows" if cells.unit is None else "independent rows")
    return replace(_measure_of(metric, None, figures, denominator, status, reason, ()), credits=credits)


def _measure(
    metric: str, name: str | None, cells: Cells, y: np.ndarray, predicted: np.ndarray, score: np.ndarray, level: float
) -> Measure:
    if metric in SHARES:
        return _of_shares(metric, name, cells, _shares_of(metric, y, predicted), level)
    return _of_scores(metric, name, cells, y, score, level)


def _shares_of(metric: str, y: np.ndarray, predicted: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(hit, among) of each share that the metric is the mean of, bool (rows,)."""
    everyone = np.ones(len(y), bool)
    return {
        "selection_rate": [(predicted, everyone)],
        "accuracy": [(predicted == y, everyone)],
        "tpr": [(predicted, y)],
        "fpr": [(predicted, ~y)],
        "fnr": [(~predicted, y)],
        "precision": [(y, predicted)],
        "balanced_accuracy": [(predicted, y), (~predicted, ~y)],
    }[metric]


def _macro(
    metric: str, cells: Cells, truth: np.ndarray, predicted: np.ndarray, n_classes: int, level: float
) -> Measure:
    right = truth == predicted
    by = predicted if metric == "precision" else truth
    shares = [(~right if metric == "fnr" else right, by == c) for c in range(n_classes)]
    if metric == "accuracy":
        shares = [(right, np.ones(len(right), bool))]
    return _of_shares(metric, None, cells, shares, level)


def _of_shares(
    metric: str, name: str | None, cells: Cells, masks: Sequence[tuple[np.ndarray, np.ndarray]], level: float
) -> Measure:
    shares, independent, intervals = [], [], []
    for hit, among in masks:
        share = Share(cells.count(hit & among), cells.count(among))
        effective, units = _effective(share, hit, among, cells)
        with np.errstate(invalid="ignore"):
            value = share.hit / share.among
        shares.append(share)
        independent.append(units)
        intervals.append((value, *wilson(value * effective, effective, level)))
    figures = intervals[0] if len(masks) == 1 else _mean_of_shares(np.array(intervals))
    denominator = np.min(independent, axis=0)
    counted = SHARES[metric] if len(masks) <= 2 else "rows of the rarest class"
    status, reason = _verdict(denominator, counted)
    return _measure_of(metric, name, figures, denominator, status, reason, tuple(shares))


def _mean_of_shares(intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(shares, 3, strata, groups) -> value, low, high; shares of different rows are independent."""
    value = intervals[:, 0].mean(axis=0)
    low, high = np.empty_like(value), np.empty_like(value)
    for cell in np.ndindex(value.shape):
        low[cell], high[cell] = mover_mean(*intervals[(slice(None), slice(None), *cell)].T)
    return value, low, high


def _effective(share: Share, hit: np.ndarray, among: np.ndarray, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(effective number of rows, number of units) of each cell; see `estimates.proportion`, of which this is many."""
    if cells.unit is None:
        return share.among.astype(float), share.among
    n_units, flat = int(cells.unit.max()) + 1, cells.shape[0] * cells.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        value = share.hit / share.among
        pairs, pair = np.unique(cells.code[among] * n_units + cells.unit[among], return_inverse=True)
        sums = np.bincount(pair, weights=hit[among] - value.ravel()[cells.code[among]], minlength=len(pairs))
        units = np.bincount(pairs // n_units, minlength=flat).reshape(cells.shape)
        squares = np.bincount(pairs // n_units, weights=sums**2, minlength=flat).reshape(cells.shape)
        effective = np.minimum(value * (1 - value) * share.among**2 / squares, share.among)
    return np.where(squares > 0, effective, units), units


def _of_scores(metric: str, name: str | None, cells: Cells, y: np.ndarray, score: np.ndarray, level: float) -> Measure:
    scored = ~np.isnan(score)
    figures = np.full((3, *cells.shape), np.nan)
    denominator = np.zeros(cells.shape, np.int64)
    of_row = score - y if metric == "calibration_error" else score
    for cell, rows in cells.members():
        rows = rows[scored[rows]]
        units = Units.rows(len(rows)) if cells.unit is None else Units.from_ids(cells.unit[rows])
        if metric == "roc_auc":
            denominator[cell] = min(units.count(y[rows]), units.count(~y[rows]))
            area = roc_auc(y[rows], score[rows], units, level)
            figures[(slice(None), *cell)] = area.value, area.low, area.high
        else:
            denominator[cell] = units.n
            figures[(slice(None), *cell)] = _mean(of_row[rows], units, level)
    status, reason = _verdict(denominator, SCORES[metric])
    if not scored.any():
        status[:], reason[:] = "refused", "there are no scores"
    elif metric == "calibration_error" and (score[scored].min() < 0 or score[scored].max() > 1):
        status[:], reason[:] = "refused", "the scores are not probabilities between 0 and 1"
    return _measure_of(metric, name, figures, denominator, status, reason, ())


def _mean(values: np.ndarray, units: Units, level: float) -> tuple[float, float, float]:
    """(mean, low, high) by Student's t over units; the interval is NaN without spread."""
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    by_unit = units.sums(values - mean) / len(values)
    if units.n < 2 or np.ptp(values) == 0:
        return mean, np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, units.n - 1) * np.sqrt(by_unit @ by_unit * units.n / (units.n - 1))
    return mean, mean - half, mean + half


def _verdict(denominator: np.ndarray, counted: str) -> tuple[np.ndarray, np.ndarray]:
    """(status, reason) of each cell by its denominator."""
    status = np.where(denominator < SHOWN, "refused", np.where(denominator < RANKED, "small", "ok"))
    reason = np.full(denominator.shape, "", object)
    for cell in zip(*np.nonzero(denominator < RANKED), strict=True):
        n = denominator[cell]
        few = f"fewer than {SHOWN} {counted} ({n})" if n < SHOWN else f"fewer than {RANKED} {counted} ({n}): not ranked"
        reason[cell] = few if n else f"no {counted}"
    return status, reason


def _measure_of(
    metric: str,
    name: str | None,
    figures: Sequence[np.ndarray],
    denominator: np.ndarray,
    status: np.ndarray,
    reason: np.ndarray,
    shares: tuple[Share, ...],
) -> Measure:
    """With value, low and high only where they are not refused."""
    value, low, high = np.where(status == "refused", np.nan, figures)
    return Measure(metric, name, value, low, high, denominator, status, reason, shares)
