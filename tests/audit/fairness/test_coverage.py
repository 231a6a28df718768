"""How often the intervals of shares and of their gaps hold the truth: exact, summed over all binomial counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rtl_core.statistics.intervals import difference, wilson

SIZES = (30, 50, 100, 300)
RATES = np.linspace(0.05, 0.95, 37)


def wilson_coverage(n: int, rate: float) -> float:
    counts = np.arange(n + 1)
    low, high = wilson(counts, n)
    return float(stats.binom.pmf(counts, n, rate)[(low <= rate) & (rate <= high)].sum())


def gap_coverage(n1: int, rate1: float, n2: int, rate2: float) -> float:
    one, two = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    _, low, high = difference((one / n1, *wilson(one, n1)), (two / n2, *wilson(two, n2)))
    weight = stats.binom.pmf(one, n1, rate1) * stats.binom.pmf(two, n2, rate2)
    return float(weight[(low <= rate1 - rate2) & (rate1 - rate2 <= high)].sum())


@pytest.mark.parametrize("n", SIZES)
def test_a_share_is_held(n):
    coverage = [wilson_coverage(n, rate) for rate in RATES]
    assert 0.93 <= np.mean(coverage) <= 0.97
    assert min(coverage) >= 0.91


@pytest.mark.parametrize(("n1", "n2"), [(30, 30), (30, 300), (100, 100)])
def test_a_gap_is_held(n1, n2):
    rates = RATES[::4]
    coverage = [gap_coverage(n1, rate1, n2, rate2) for rate1 in rates for rate2 in rates]
    assert 0.93 <= np.mean(coverage) <= 0.97
    assert min(coverage) >= 0.91


def test_closer_to_the_ends_a_share_is_sometimes_held_less_often():
    # The known weak spot of Wilson's interval: a true rate just above the lower limit that one hit in n gives.
    coverage = [wilson_coverage(30, rate) for rate in np.linspace(0.001, 0.05, 99)]
    assert 0.8 < min(coverage) < 0.91
    assert np.mean(coverage) > 0.93
