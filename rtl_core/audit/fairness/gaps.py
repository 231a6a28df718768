"""Differences between groups: intervals, permutation tests, Holm's adjustment and what the sample could have seen.

A permutation test asks how often a gap as large as the one found arises when group labels are dealt
out anew within a ticket and, for `tpr`, `fnr` and `fpr`, within the true class. Dealing labels to n
rows of which K are hits gives hypergeometric counts, so no row is ever shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rtl_core.audit.fairness import credit
from rtl_core.audit.fairness.group_metrics import Measure, Share
from rtl_core.rng import numpy_generator
from rtl_core.statistics.multiple_tests import holm

POWER = 0.8
SIZES = np.geomspace(1e-4, 1, 926)  # of gaps that are tried, 1 % apart
ROUNDING = 1e-12  # gaps closer than this are equal


def exact_p(hit1: ArrayLike, n1: ArrayLike, hit2: ArrayLike, n2: ArrayLike) -> np.ndarray:
    """Two-sided p of the difference of two shares over all ways to deal out the labels, elementwise.

    The probability of a difference at least as large in either direction. Integers below 2^31.
    """
    hit1, n1, hit2, n2 = (np.asarray(values, np.int64) for values in (hit1, n1, hit2, n2))
    n, hits = n1 + n2, hit1 + hit2
    # The difference grows with hit1 and is zero at the mean hits * n1 / n; times n, all are whole numbers.
    away = np.abs(n * hit1 - hits * n1)
    lower, upper = (hits * n1 - away) // n, -((-hits * n1 - away) // n)
    p = stats.hypergeom.cdf(lower, n, hits, n1) + stats.hypergeom.sf(upper - 1, n, hits, n1)
    return np.where(away == 0, 1.0, np.minimum(p, 1.0))


def permutation_p(
    measures: Sequence[Sequence[Share]], groups: Sequence[int], permutations: int, generator: np.random.Generator
) -> float:
    """p of the largest difference (highest - lowest) between some groups of one stratum.

    measures   each the shares that a metric is the mean of, arrays (groups,); with several metrics the
               statistic is the largest of their ranges. Different shares count different rows.

    Exact for one share of two groups; otherwise (1 + drawn ranges at least as large) / (1 + permutations).
    """
    tables = [[(share.hit[groups], share.among[groups]) for share in shares] for shares in measures]
    if len(tables) == len(tables[0]) == 1 and len(groups) == 2:
        hit, among = tables[0][0]
        return float(exact_p(hit[0], among[0], hit[1], among[1]))
    observed = max(np.ptp(np.mean([hit / among for hit, among in shares], axis=0)) for shares in tables)
    drawn = np.max([_drawn_ranges(shares, permutations, generator) for shares in tables], axis=0)
    return float((1 + np.count_nonzero(drawn >= observed - ROUNDING)) / (1 + permutations))


def _drawn_ranges(
    shares: Sequence[tuple[np.ndarray, np.ndarray]], permutations: int, generator: np.random.Generator
) -> np.ndarray:
    """(permutations,) highest - lowest group, after the hits of each share are dealt out to its rows anew."""
    total = 0.0
    for hit, among in shares:
        total += generator.multivariate_hypergeometric(among, hit.sum(), permutations, method="marginals") / among
    return np.ptp(total / len(shares), axis=1)


def min_detectable(share: float, n1: float, n2: float, alpha: float, power: float = POWER) -> float:
    """The smallest gap to a reference share that samples of n1 and n2 rows show with this power, upwards and downwards.

    Two-sided at alpha, before any adjustment; where only one direction is possible, in that one; NaN where
    no gap is large enough. The normal approximation with the correction for whole counts (Casagrande,
    Pike and Smith 1978), which the exact test needs; found to 1 %.
    """
    gap = SIZES[:, None] * [1, -1]
    other = share + gap
    possible = (other >= 0) & (other <= 1)
    other = np.where(possible, other, np.nan)
    pooled = (n1 * other + n2 * share) / (n1 + n2)
    inverse = 1 / n1 + 1 / n2
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = stats.norm.ppf(1 - alpha / 2) * np.sqrt(pooled * (1 - pooled) * inverse) + inverse / 2
        reached = (np.abs(gap) - needed) / np.sqrt(other * (1 - other) / n1 + share * (1 - share) / n2)
    seen = possible & (reached >= stats.norm.ppf(power))
    smallest = SIZES[seen.argmax(axis=0)][seen.any(axis=0)]
    return float(smallest.max()) if len(smallest) else np.nan


class PermutationTests:
    """The permutation tests of one audit. A question that is asked twice is one test: `fnr` is 1 - `tpr`, and with
    two groups the largest gap is their gap."""

    def __init__(self, permutations: int, seed: int) -> None:
        self._permutations = permutations
        self._seed = seed
        self._p: dict[tuple[str, ...], float] = {}

    def ask(
        self, measures: Sequence[Measure], stratum: int, ticket: str | None, groups: Sequence[int], names: Sequence[str]
    ) -> tuple[str, ...]:
        """The test of the range of some groups, named by `names`, in one stratum; returns what `found` calls it."""
        metrics = ["tpr" if measure.metric == "fnr" else measure.metric for measure in measures]
        of_class = "" if measures[0].class_name is None else f"class {measures[0].class_name}"
        where = "all tickets" if ticket is None else f"ticket {ticket}"
        key = (where, *metrics, of_class, *sorted(names))
        if key not in self._p:
            generator = numpy_generator(self._seed, "permutation", *key)
            self._p[key] = self._tested(measures, stratum, groups, generator)
        return key

    def _tested(
        self, measures: Sequence[Measure], stratum: int, groups: Sequence[int], generator: np.random.Generator
    ) -> float:
        (first, *_) = measures
        if first.credits is not None:
            credits = [first.credits[stratum, group] for group in groups]
            return credit.permutation_p(credits, self._permutations, generator)
        shares = [[Share(s.hit[stratum], s.among[stratum]) for s in measure.shares] for measure in measures]
        return permutation_p(shares, groups, self._permutations, generator)

    def extremes(self) -> dict[tuple[str, ...], tuple[float, float]]:
        """(p, p adjusted over all tests asked) of each test."""
        adjusted = holm(list(self._p.values()))
        return {key: (p, float(q)) for (key, p), q in zip(self._p.items(), adjusted, strict=True)}
