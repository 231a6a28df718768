"""Does a pair of tickets share more, or less, than independent masks would?

Independent masks with the pair's own counts in every layer share a sum of hypergeometric numbers: that is what
shuffling the places of one mask within each layer gives. `chance_interval` uses its known mean and variance for all
pairs at once, `permutation_test` draws from it for one pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtl_core.overlap.overlap import Overlap
from rtl_core.overlap.similarity import expected_intersection, ratio
from rtl_core.rng import numpy_generator

EXACT_PAIRS = 20_000  # of 200 tickets; tails of half a million pairs would take minutes


@dataclass(frozen=True)
class ChanceInterval:
    """What independent masks with the tickets' own counts per layer would do. All float (K, K); diagonal NaN.

    expected, sd  mean and standard deviation of the intersection, in weights
    low, high     the IoU between which a pair of independent masks lies with probability `level`
    z             (intersection - expected) / sd; NaN where the counts leave no freedom (an empty or a full layer)
    p             two-sided, for one pair: adjust it where many pairs are looked at together (`holm`)
    exact         p is hypergeometric (a single layer, not too many pairs), not by the normal approximation
    """

    level: float
    expected: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    z: np.ndarray
    p: np.ndarray
    exact: bool


@dataclass(frozen=True)
class PermutationTest:
    """A pair's intersection among those of shuffled masks.

    observed      weights that the pair shares; expected: the mean of the shuffles
    low, high     the middle 95 % of the shuffles
    p             two-sided, (1 + shuffles at least as far from the mean) / (1 + shuffles); NaN where the counts leave
                  no freedom
    permutations  how many shuffles were drawn
    """

    observed: int
    expected: float
    low: float
    high: float
    p: float
    permutations: int


def chance_interval(counts: Overlap, level: float = 0.95) -> ChanceInterval:
    """All pairs against independent masks.

    The mean (exactly n_l d_il d_jl per layer) and variance of the intersection are known. p is exact in a single layer
    for up to `EXACT_PAIRS` pairs: twice the smaller tail. Over several layers, and for more pairs, it is the normal
    approximation with continuity correction.
    """
    from scipy.stats import norm

    kept, n = counts.kept, counts.n
    observed = counts.shared.sum(axis=0, dtype=np.int64)
    size = np.diagonal(observed)
    expected = expected_intersection(counts)
    sd = np.sqrt(_variance(kept, n))
    reach = norm.ppf((1 + level) / 2) * sd
    largest = sum(np.minimum.outer(layer, layer) for layer in kept)
    smallest = sum(np.maximum(np.add.outer(layer, layer) - weights, 0) for layer, weights in zip(kept, n, strict=True))
    low, high = np.maximum(expected - reach, smallest), np.minimum(expected + reach, largest)
    both_sizes = size[:, None] + size[None, :]
    exact = len(n) == 1 and len(size) * (len(size) - 1) <= 2 * EXACT_PAIRS
    if exact:
        p = _hypergeometric_p(observed, size, int(n[0]))
    else:
        p = 2 * norm.sf(ratio(np.maximum(np.abs(observed - expected) - 0.5, 0), sd))
    return ChanceInterval(
        level=level,
        expected=_off_diagonal(expected),
        sd=_off_diagonal(sd),
        low=_off_diagonal(ratio(low, both_sizes - low)),
        high=_off_diagonal(ratio(high, both_sizes - high)),
        z=_off_diagonal(ratio(observed - expected, sd)),
        p=_off_diagonal(np.where(sd > 0, p, np.nan)),
        exact=exact,
    )


def permutation_test(counts: Overlap, a: str, b: str, permutations: int = 9_999, seed: int = 0) -> PermutationTest:
    """Shuffles ticket b's kept places within every layer and asks how often the overlap is as unusual as it is.

    The intersection with a shuffled mask is hypergeometric in each layer, so it is drawn as such: the same distribution
    as shuffling N places, at the cost of one number a layer. BadInput: no such ticket.
    """
    i, j = counts.index(a), counts.index(b)
    kept_a, kept_b = counts.kept[:, i], counts.kept[:, j]
    observed = int(counts.shared[:, i, j].sum())
    expected = float((kept_a * kept_b / counts.n).sum())
    generator = numpy_generator(seed, "overlap permutation", a, b)
    shuffled = generator.hypergeometric(kept_a, counts.n - kept_a, kept_b, (permutations, len(counts.n))).sum(axis=1)
    low, high = np.quantile(shuffled, [0.025, 0.975])
    free = ((kept_a > 0) & (kept_a < counts.n) & (kept_b > 0) & (kept_b < counts.n)).any()
    as_far = np.abs(shuffled - expected) >= abs(observed - expected) - 1e-9
    p = (1 + int(as_far.sum())) / (1 + permutations) if free else float("nan")
    return PermutationTest(observed, expected, float(low), float(high), p, permutations)


def _variance(kept: np.ndarray, n: np.ndarray) -> np.ndarray:
    """float (K, K): variance of the intersection of masks that keep `kept` (L, K) of n (L,) weights."""
    free = kept * (n[:, None] - kept) / n[:, None]
    return sum(np.outer(layer, layer) / max(weights - 1, 1) for layer, weights in zip(free, n, strict=True))


def _hypergeometric_p(observed: np.ndarray, size: np.ndarray, n: int) -> np.ndarray:
    """(K, K) two-sided p of each pair's intersection in one layer of n weights: twice the smaller tail, at most 1."""
    from scipy.stats import hypergeom

    i, j = np.triu_indices(len(size), 1)
    x, counts = observed[i, j], (n, size[i], size[j])
    tail = np.minimum(hypergeom.cdf(x, *counts), hypergeom.sf(x - 1, *counts))
    p = np.ones(observed.shape)
    p[i, j] = p[j, i] = np.minimum(2 * tail, 1)
    return p


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """A ticket with itself is not a pair."""
    return np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
