"""Estimates that remember what each unit adds to their error, so that their mean has an honest interval.

Recalls of different classes come from different rows, specificities and one-vs-rest ROC areas from
the same ones: a macro mean that took them all as independent would be too sure of itself. The
contributions (empirical influence values, Hampel 1974; their squares sum to the variance) give the
correlation between any two estimates on the same rows, and `mean_estimate` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.intervals import (
    LEVEL,
    auc_contributions,
    bootstrap_ratios,
    mover_mean,
    ranking_interval,
    wilson,
)

Interval = list[float | None]  # [low, high] of a result; None where it is not defined


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; NaN where undefined.

    contributions   (n_units,) what each unit adds to the error of the value
    """

    value: float
    low: float
    high: float
    contributions: np.ndarray


def proportion(hit: np.ndarray, among: np.ndarray, units: Units, level: float = LEVEL) -> Estimate:
    """The share of `among` that is `hit`; both (n_rows,) bool. NaN where `among` is empty.

    Wilson's interval at the effective number of rows, n over the design effect of the units (Kish
    1965): n itself when every row is its own unit, the number of units when rows are mere copies.
    """
    n = int(among.sum())
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, np.zeros(units.n))
    share = float(hit[among].mean())
    contributions = units.sums(np.where(among, hit - share, 0.0)) / n
    variance = float(np.square(contributions).sum())
    # Without spread the design effect is unknown, so the units count as mere copies would.
    effective = min(share * (1 - share) / variance, n) if variance > 0 else units.count(among)
    low, high = wilson(share * effective, effective, level)
    return Estimate(share, float(low), float(high), contributions)


def mean_credit(credit: np.ndarray, ids: np.ndarray) -> Estimate:
    """The mean of what rows are worth (n_rows,): a proportion of bools, else the mean with its resampled interval.

    ids (n_rows,) of the units. NaN where there are no rows.
    """
    units = Units.from_ids(ids)
    if credit.dtype == bool or len(credit) == 0:
        return proportion(credit.astype(bool), np.ones(len(credit), bool), units)
    low, high = bootstrap_ratios(credit, ids, seed=0, names=("credit",))
    mean = float(credit.mean())
    return Estimate(mean, float(low[0]), float(high[0]), units.sums(credit - mean) / len(credit))


def roc_auc(y: np.ndarray, score: np.ndarray, units: Units, level: float = LEVEL) -> Estimate:
    """The area under the ROC curve; DeLong's interval, over units as in Obuchowski (1997).

    y (n_rows,) bool, score (n_rows,) real, ties count half. NaN when a class is missing.
    """
    value, by_row = auc_contributions(y, score)
    return Estimate(value, *ranking_interval(value, by_row, y, units, level))


def average_precision(y: np.ndarray, score: np.ndarray, units: Units, level: float = LEVEL) -> Estimate:
    """The average precision; the interval is that of its infinitesimal jackknife on the logit scale.

    y (n_rows,) bool, score (n_rows,) real, ties share a threshold. NaN when a class is missing.

    The contribution of row j is the derivative of AP = sum_i w_i y_i P_i / sum_i w_i y_i by its
    weight, where P_i = TP_i / N_i is the precision among the rows that score at least as high as i.
    It stands in for a bootstrap, whose variance it approximates from one sort instead of hundreds.
    """
    n_pos = int(y.sum())
    if n_pos == 0 or n_pos == len(y):
        return Estimate(np.nan, np.nan, np.nan, np.zeros(units.n))
    order = np.argsort(-score, kind="stable")
    hit = y[order].astype(float)
    starts = np.flatnonzero(np.r_[True, score[order][1:] != score[order][:-1]])  # of runs of equal scores
    run = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(y)]))
    above = np.r_[starts[1:], len(y)][run].astype(float)  # N_i
    true_above = np.add.accumulate(np.add.reduceat(hit, starts))[run]  # TP_i
    precision = true_above / above
    value = float(hit @ precision) / n_pos

    def over_rows_at_or_below(terms: np.ndarray) -> np.ndarray:
        return np.cumsum(np.add.reduceat(terms, starts)[::-1])[::-1][run]

    gained = hit * over_rows_at_or_below(hit / above)
    diluted = over_rows_at_or_below(hit * precision / above)
    by_row = np.empty(len(y))
    by_row[order] = (hit * (precision - value) + gained - diluted) / n_pos
    return Estimate(value, *ranking_interval(value, by_row, y, units, level))


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The plain mean of estimates made on the same units; NaN if there are none or one is NaN."""
    if not estimates:
        return Estimate(np.nan, np.nan, np.nan, np.zeros(0))
    values = np.array([estimate.value for estimate in estimates])
    contributions = np.stack([estimate.contributions for estimate in estimates])
    low, high = mover_mean(
        values,
        [estimate.low for estimate in estimates],
        [estimate.high for estimate in estimates],
        correlation=_correlation(contributions),
    )
    return Estimate(float(values.mean()), low, high, contributions.mean(axis=0))


def _correlation(contributions: np.ndarray) -> np.ndarray:
    """(k, n_units) -> (k, k); an estimate without spread is taken as independent of the others."""
    length = np.linalg.norm(contributions, axis=1)
    scaled = contributions / np.where(length > 0, length, 1)[:, None]
    correlation = scaled @ scaled.T
    np.fill_diagonal(correlation, 1)
    return correlation


def json_number(value: float) -> float | None:
    """A plain float, or None where it is not finite: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def json_interval(low: float, high: float) -> Interval:
    """[low, high] as JSON takes it."""
    return [json_number(low), json_number(high)]


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """The plain mean of those that are not None; None if all are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
