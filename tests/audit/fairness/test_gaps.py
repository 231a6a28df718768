"""Tests of differences against Fisher's tables, shuffled rows and their own promises."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from rtl_core.audit.fairness.gaps import exact_p, min_detectable, permutation_p
from rtl_core.audit.fairness.group_metrics import Share
from rtl_core.statistics.multiple_tests import holm


def share(hit: list[int], among: list[int]) -> Share:
    return Share(np.array(hit), np.array(among))


def shuffled_ranges(hits: np.ndarray, group: np.ndarray, times: int, seed: int) -> np.ndarray:
    """(times,) ranges of the groups' shares when the group labels of the rows are really shuffled."""
    generator = np.random.default_rng(seed)
    among = np.bincount(group)
    shuffled = (np.bincount(generator.permutation(group), weights=hits) / among for _ in range(times))
    return np.array([np.ptp(shares) for shares in shuffled])


def test_exact_p_on_paper():
    # 3 of 3 against 0 of 3: two of the 20 ways to deal out three labels are as far apart.
    assert exact_p(3, 3, 0, 3) == pytest.approx(2 / 20)
    # 2 of 2 against 0 of 3: one of 10 ways; the other end, 0 of 2 against 2 of 3, is less far.
    assert exact_p(2, 2, 0, 3) == pytest.approx(1 / 10)
    assert exact_p([5, 0, 10], [10, 10, 10], [5, 0, 7], [10, 20, 7]).tolist() == [1, 1, 1]


def test_exact_p_counts_all_ways_to_deal_out_labels():
    hits = [1, 1, 1, 0, 0, 1, 0]
    observed = abs(np.mean(hits[:3]) - np.mean(hits[3:]))
    dealt = [abs(np.mean(order[:3]) - np.mean(order[3:])) for order in permutations(hits)]
    assert exact_p(3, 3, 1, 4) == pytest.approx(np.mean(np.array(dealt) >= observed - 1e-12))


def test_exact_p_is_fishers_where_the_groups_are_equal():
    for k1, k2 in ((3, 9), (10, 30), (0, 4)):
        fisher = stats.fisher_exact([[k1, 40 - k1], [k2, 40 - k2]]).pvalue
        assert exact_p(k1, 40, k2, 40) == pytest.approx(fisher, abs=1e-12)


def test_drawing_counts_is_shuffling_rows():
    group = np.repeat([0, 1, 2, 3], [40, 25, 60, 10])
    hits = (np.random.default_rng(0).random(135) < 0.45 - 0.1 * (group % 2)).astype(float)
    observed = share(np.bincount(group, weights=hits).astype(int).tolist(), np.bincount(group).tolist())
    shuffled = shuffled_ranges(hits, group, 4000, seed=1)
    expected = np.mean(shuffled >= np.ptp(observed.hit / observed.among) - 1e-12)
    drawn = permutation_p([[observed]], [0, 1, 2, 3], 4000, np.random.default_rng(2))
    assert drawn == pytest.approx(expected, abs=4 * np.sqrt(2 * 0.25 / 4000))
    assert 0.05 < expected < 0.95


def test_two_groups_and_one_share_need_no_draws():
    table = share([3, 9, 8], [10, 20, 12])
    assert permutation_p([[table]], [0, 2], 1, np.random.default_rng(0)) == exact_p(3, 10, 8, 12)


def test_means_and_maxima_of_shares_draw_what_the_exact_test_counts():
    table, level = share([12, 22], [40, 40]), share([20, 20], [40, 40])
    exact = permutation_p([[table]], [0, 1], 1, np.random.default_rng(0))
    # A share without hits has no gap however it is dealt out, so the mean with it asks the same question.
    nothing = share([0, 0], [40, 40])
    mean = permutation_p([[table, nothing]], [0, 1], 20_000, np.random.default_rng(1))
    assert mean == pytest.approx(exact, abs=0.01)
    # The other metric has no gap here, but 25 against 15 of 40 or more would be as large as the gap of the first.
    odds = permutation_p([[table], [level]], [0, 1], 20_000, np.random.default_rng(2))
    beyond = permutation_p([[share([15, 25], [40, 40])]], [0, 1], 1, np.random.default_rng(0))
    assert odds == pytest.approx(1 - (1 - exact) * (1 - beyond), abs=0.01)


def test_a_drawn_p_is_never_zero():
    table = share([0, 200, 100], [200, 200, 200])
    assert permutation_p([[table]], [0, 1, 2], 99, np.random.default_rng(0)) == 1 / 100


def test_holm_on_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


@pytest.mark.parametrize(
    ("base", "n1", "n2"), [(0.5, 100, 300), (0.2, 50, 1000), (0.05, 100, 100), (0.95, 60, 400), (0.3, 30, 30)]
)
def test_the_detectable_gap_is_found_four_times_in_five(base, n1, n2):
    gap = min_detectable(base, n1, n2, alpha=0.05)
    generator = np.random.default_rng(3)
    for other in (base - gap, base + gap):
        if 0 <= other <= 1:
            p = exact_p(generator.binomial(n1, other, 3000), n1, generator.binomial(n2, base, 3000), n2)
            assert np.mean(p < 0.05) > 0.78
    weaker = base + gap / 2 if base < 0.5 else base - gap / 2
    p = exact_p(generator.binomial(n1, weaker, 3000), n1, generator.binomial(n2, base, 3000), n2)
    assert np.mean(p < 0.05) < 0.5


def test_too_few_rows_detect_nothing():
    assert np.isnan(min_detectable(0.5, 2, 2, alpha=0.05))
