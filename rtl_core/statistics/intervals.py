"""Confidence intervals: proportions, weighted means, ROC areas, resampled units, paired differences.

Whatever is undefined (no rows, a missing class, no spread to judge by) is NaN, never zero width.
Functions that take `units` count units, not rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator
from rtl_core.statistics.clustered_rows import Units

LEVEL = 0.95
BOOTSTRAP_CELLS = 2_000_000  # weights held at once (16 MB)


def normal_quantile(level: float) -> float:
    """The half-width of a two-sided interval of a standard normal variable."""
    return float(stats.norm.ppf(0.5 + level / 2))


def wilson(successes: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval (1927) of a proportion, elementwise; NaN where n is 0.

    Both arguments broadcast and may be fractional (effective counts).
    """
    successes, n = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    z = normal_quantile(level)
    n = np.where(n > 0, n, np.nan)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Rounding may leave the share just outside its own interval when it is 0 or 1.
    return np.minimum(np.maximum(centre - half, 0), share), np.maximum(np.minimum(centre + half, 1), share)


def difference(
    first: tuple[ArrayLike, ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike, ArrayLike]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(value, low, high) of first - second for independent estimates given as (value, low, high), elementwise.

    MOVER (Zou and Donner 2008); on Wilson's intervals it is Newcombe's method 10.
    """
    (value1, low1, high1), (value2, low2, high2) = (map(np.asarray, first), map(np.asarray, second))
    gap = value1 - value2
    return gap, gap - np.hypot(value1 - low1, high2 - value2), gap + np.hypot(high1 - value1, value2 - low2)


def newcombe(
    successes1: ArrayLike, n1: ArrayLike, successes2: ArrayLike, n2: ArrayLike, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Newcombe's interval (1998, method 10) of p1 - p2 for independent proportions, elementwise; NaN where n is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.divide(successes1, n1), np.divide(successes2, n2)
    first, second = wilson(successes1, n1, level), wilson(successes2, n2, level)
    return difference((shares[0], *first), (shares[1], *second))[1:]


def mover_mean(
    estimates: ArrayLike,
    lows: ArrayLike,
    highs: ArrayLike,
    weights: ArrayLike | None = None,
    correlation: np.ndarray | None = None,
) -> tuple[float, float]:
    """The interval of a weighted mean of k estimates from their own intervals (MOVER, Zou 2008).

    Squares and adds the distances to the limits, so the result leans the way its parts lean.
    `weights` (k,) default to equal ones and are scaled to sum to 1; `correlation` (k, k) of the
    estimates defaults to independence.
    """
    estimates, lows, highs = (np.asarray(values, float) for values in (estimates, lows, highs))
    if estimates.size == 0:
        return np.nan, np.nan
    weights = np.ones(len(estimates)) if weights is None else np.asarray(weights, float)
    if np.any(weights < 0) or weights.sum() <= 0:
        raise BadInput("The weights of a mean must not be negative and must not all be zero.")
    weights = weights / weights.sum()
    correlation = np.eye(len(estimates)) if correlation is None else correlation
    below, above = weights * (estimates - lows), weights * (highs - estimates)
    mean = weights @ estimates
    # Correlations estimated from few units can push a square a rounding error below zero.
    low = mean - np.sqrt(np.maximum(below @ correlation @ below, 0))
    high = mean + np.sqrt(np.maximum(above @ correlation @ above, 0))
    return float(low), float(high)


def paired_t(differences: ArrayLike, level: float = LEVEL) -> tuple[float, float, float, float, int]:
    """(mean, low, high, two-sided p, n) of paired differences, say of two methods over n seeds.

    Interval and p are NaN for fewer than two differences and where all are equal.
    """
    differences = np.asarray(differences, float)
    n = len(differences)
    mean = float(differences.mean()) if n else np.nan
    if n < 2 or np.ptp(differences) == 0:
        return mean, np.nan, np.nan, np.nan, n
    test = stats.ttest_1samp(differences, 0)
    low, high = test.confidence_interval(level)
    return mean, float(low), float(high), float(test.pvalue), n


def logit_interval(estimate: float, variance: float, n_pairs: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a value in [0, 1] with a known variance, symmetric on the logit scale.

    Where the variance is zero or undefined (perfect separation, one row in a class) it says nothing
    about the error. The interval is then Wilson's for `n_pairs`, the number of disjoint (positive,
    negative) pairs: a mean over all pairs varies no more than a mean over disjoint ones (Hoeffding).
    """
    if np.isnan(estimate):
        return np.nan, np.nan
    if not (0 < estimate < 1 and 0 < variance < np.inf):
        low, high = wilson(estimate * n_pairs, n_pairs, level)
        return float(low), float(high)
    half = normal_quantile(level) * np.sqrt(variance) / (estimate * (1 - estimate))
    centre = special.logit(estimate)
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def auc_contributions(y: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """(ROC AUC, (n,) what each row adds to its error), by midranks (Sun and Xu 2014).

    y (n,) bool, score (n,). The rows' contributions sum to 0 within each class; they are the centred
    placements of DeLong (1988) over the class size. NaN when a class is missing.
    """
    n_pos = int(y.sum())
    n_neg = len(y) - n_pos
    if n_pos == 0 or n_neg == 0:
        return np.nan, np.full(len(y), np.nan)
    rank = stats.rankdata(score)
    beaten = np.empty(len(y))  # share of the other class that a row is ranked above, ties half
    beaten[y] = (rank[y] - stats.rankdata(score[y])) / n_neg
    beaten[~y] = (rank[~y] - stats.rankdata(score[~y])) / n_pos
    auc = float(beaten[y].mean())
    return auc, np.where(y, (beaten - auc) / n_pos, (1 - beaten - auc) / n_neg)


def ranking_interval(
    value: float, by_row: np.ndarray, y: np.ndarray, units: Units, level: float = LEVEL
) -> tuple[float, float, np.ndarray]:
    """(low, high, contributions by unit) of a figure about how the rows of two classes are ordered.

    y (n_rows,) bool; by_row (n_rows,) what each row adds to the error of `value`.
    """
    if np.isnan(value):
        return np.nan, np.nan, np.zeros(units.n)
    n_pos, n_neg = units.count(y), units.count(~y)
    n_pairs = min(n_pos, n_neg)
    if n_pairs < 2:
        return *logit_interval(value, np.nan, n_pairs, level), units.sums(by_row)
    # The n / (n - 1) of a sample variance, within each class.
    contributions = units.sums(by_row * np.sqrt(np.where(y, n_pos / (n_pos - 1), n_neg / (n_neg - 1))))
    return *logit_interval(value, float(contributions @ contributions), n_pairs, level), contributions


def _resampled_counts(n_units: int, replicates: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Blocks (b, n_units) of how often each unit is drawn when n_units are drawn with replacement."""
    block = max(1, BOOTSTRAP_CELLS // n_units)
    for start in range(0, replicates, block):
        b = min(block, replicates - start)
        drawn = generator.integers(n_units, size=(b, n_units)) + n_units * np.arange(b)[:, None]
        yield np.bincount(drawn.ravel(), minlength=b * n_units).reshape(b, n_units).astype(float)


def _percentile_interval(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles over axis 0, leaving out undefined replicates; NaN where the rest do not vary."""
    defined = ~np.isnan(draws)
    some = defined.any(axis=0)
    draws = np.where(some, draws, 0.0)
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)], axis=0)
    # A statistic at the end of its range gives the same replicate every time; that is ignorance, not certainty.
    varies = some & (np.nanmin(draws, axis=0) < np.nanmax(draws, axis=0))
    return np.where(varies, low, np.nan), np.where(varies, high, np.nan)


def bootstrap_units(
    statistic: Callable[[np.ndarray], np.ndarray],
    units: ArrayLike,
    *,
    seed: int,
    names: tuple[str | int, ...] = (),
    replicates: int = 1000,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap (Efron 1979) that resamples units, not rows: (low, high), each (...).

    statistic   (b, n_rows) row weights -> (b, ...) the weighted statistic of each replicate; NaN
                where a replicate leaves it undefined
    units       (n_rows,) rows with the same value are drawn together
    names       the stream of random numbers, beside the seed
    """
    grouping = Units.from_ids(units)
    if grouping.n == 0:
        raise BadInput("There are no rows to resample; give at least one.")
    generator = numpy_generator(seed, "bootstrap", *names)
    blocks = _resampled_counts(grouping.n, replicates, generator)
    return _percentile_interval(np.concatenate([statistic(counts[:, grouping.of_row]) for counts in blocks]), level)


def bootstrap_ratios(
    numerators: ArrayLike,
    units: ArrayLike,
    *,
    denominators: ArrayLike | None = None,
    combine: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int,
    names: tuple[str | int, ...] = (),
    replicates: int = 1000,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """`bootstrap_units` for m ratios of sums over rows, or for what `combine` makes of them.

    numerators, denominators   (m, n_rows); recall of class c is hit * [y = c] over [y = c]; without
                               denominators the ratios are plain means
    combine                    (b, m) ratios, NaN where a replicate's denominator is 0 -> (b, ...),
                               say a mean over classes; default: the m ratios themselves

    Rows are summed to units once, so a replicate costs one product with an (n_units, 2 m) matrix.
    """
    numerators = np.atleast_2d(np.asarray(numerators, float))
    m = len(numerators)
    denominators = np.ones_like(numerators) if denominators is None else np.atleast_2d(np.asarray(denominators, float))
    grouping = Units.from_ids(units)
    sums = np.stack([grouping.sums(row) for row in (*numerators, *denominators)], axis=1)

    def ratios(weights: np.ndarray) -> np.ndarray:
        totals = weights @ sums
        bottom = totals[:, m:]
        value = np.divide(totals[:, :m], bottom, out=np.full_like(bottom, np.nan), where=bottom != 0)
        return value if combine is None else combine(value)

    return bootstrap_units(ratios, np.arange(grouping.n), seed=seed, names=names, replicates=replicates, level=level)
