"""Intervals against numbers on paper, slow references and their own promise: covering the truth 95 % of the time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import average_precision, mean_estimate, proportion, roc_auc
from rtl_core.statistics.intervals import (
    bootstrap_ratios,
    bootstrap_units,
    mover_mean,
    newcombe,
    paired_t,
    wilson,
)

TRIALS = 1000


def covers_as_promised(covered: list[bool], level: float = 0.95, slack: float = 0.01) -> bool:
    """Whether the share of hits is the level up to chance (3.5 standard errors) and the method's own small error."""
    chance = 3.5 * np.sqrt(level * (1 - level) / len(covered))
    return abs(np.mean(covered) - level) <= chance + slack


def two_normals(generator: np.random.Generator, n_pos: int, n_neg: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n_pos + n_neg) < n_pos
    return y, generator.normal(size=len(y)) + shift * y


# Wilson and Newcombe


def test_wilson_is_scipys_interval():
    successes, n = np.array([0, 1, 7, 50, 99, 100]), np.array([1, 1, 10, 100, 100, 100])
    low, high = wilson(successes, n, 0.9)
    for i, (k, total) in enumerate(zip(successes, n, strict=True)):
        expected = stats.binomtest(int(k), int(total)).proportion_ci(0.9, method="wilson")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_without_rows_is_undefined_and_else_inside_the_unit_interval():
    low, high = wilson([0, 0, 5], [0, 5, 5])
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] == 0 and 0.4 < high[1] < 0.5
    assert high[2] == 1 and 0.5 < low[2] < 0.6


def test_newcombe_gives_the_published_example():
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 is .0524 to .3339.
    low, high = newcombe(56, 70, 48, 80)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_newcombe_turns_around_with_its_arguments_and_is_undefined_without_rows():
    low, high = newcombe(9, 10, 3, 10)
    back_low, back_high = newcombe(3, 10, 9, 10)
    assert (low, high) == pytest.approx((-back_high, -back_low))
    assert np.isnan(newcombe(0, 0, 3, 10)).all()


@pytest.mark.parametrize(("share", "n"), [(0.5, 40), (0.8, 60), (0.95, 100)])
def test_wilson_covers(share, n):
    successes = np.random.default_rng(1).binomial(n, share, size=4 * TRIALS)
    low, high = wilson(successes, n)
    # The slack is for the binomial's steps: exact coverage at these settings is .943 to .966.
    assert covers_as_promised((low <= share) & (share <= high), slack=0.02)


def test_newcombe_covers():
    generator = np.random.default_rng(2)
    low, high = newcombe(generator.binomial(50, 0.9, 4 * TRIALS), 50, generator.binomial(80, 0.7, 4 * TRIALS), 80)
    assert covers_as_promised((low <= 0.2) & (high >= 0.2))


# Means


def test_mover_adds_squared_distances():
    low, high = mover_mean([0.5, 0.9], [0.2, 0.5], [0.9, 0.96])
    assert low == pytest.approx(0.7 - 0.5 * np.hypot(0.3, 0.4))
    assert high == pytest.approx(0.7 + 0.5 * np.hypot(0.4, 0.06))


def test_mover_weights_are_scaled_and_full_correlation_adds_the_distances_themselves():
    assert mover_mean([0.5, 0.9], [0.4, 0.8], [0.6, 1.0], weights=[3, 0]) == pytest.approx((0.4, 0.6))
    assert mover_mean([0.5, 0.9], [0.2, 0.5], [0.9, 1.0], correlation=np.ones((2, 2))) == pytest.approx((0.35, 0.95))


def test_mover_of_nothing_or_of_something_undefined_is_undefined():
    assert np.isnan(mover_mean([], [], [])).all()
    assert np.isnan(mover_mean([0.5, np.nan], [0.4, np.nan], [0.6, np.nan])).all()
    with pytest.raises(BadInput, match="weights"):
        mover_mean([0.5], [0.4], [0.6], weights=[0])


def test_mover_of_wilson_covers_balanced_accuracy():
    generator = np.random.default_rng(3)
    shares, n = np.array([0.6, 0.85, 0.98]), np.array([30, 60, 200])
    hits = generator.binomial(n, shares, size=(2 * TRIALS, 3))
    lows, highs = wilson(hits, n)
    covered = []
    for estimate, low, high in zip(hits / n, lows, highs, strict=True):
        bounds = mover_mean(estimate, low, high)
        covered.append(bounds[0] <= shares.mean() <= bounds[1])
    assert covers_as_promised(covered)


def test_paired_t_by_hand():
    mean, low, high, p, n = paired_t([1.0, 2.0, 3.0])
    # sd 1, standard error 1/sqrt(3), t(2) quantile 4.302653; p from t = 2 sqrt(3) with 2 degrees of freedom
    assert (mean, n) == (2.0, 3)
    assert (low, high) == pytest.approx((2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)), abs=1e-6)
    assert p == pytest.approx(1 - np.sqrt(12 / 14), abs=1e-9)  # two-sided, closed form for 2 degrees of freedom


@pytest.mark.parametrize("differences", [[], [0.3], [0.2, 0.2, 0.2]])
def test_paired_t_claims_nothing_without_spread(differences):
    mean, low, high, p, n = paired_t(differences)
    assert np.isnan([low, high, p]).all()
    assert n == len(differences)
    assert np.isnan(mean) if not differences else mean == pytest.approx(differences[0])


# ROC AUC and average precision


def slow_delong(y: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """(AUC, variance) straight from DeLong (1988): all pairs, then sample variances of the placements."""
    wins = np.array([[(p > q) + 0.5 * (p == q) for q in score[~y]] for p in score[y]])
    variance = wins.mean(axis=1).var(ddof=1) / y.sum() + wins.mean(axis=0).var(ddof=1) / (~y).sum()
    return wins.mean(), variance


def test_delong_is_the_slow_one_on_the_logit_scale_with_ties():
    generator = np.random.default_rng(4)
    y, score = two_normals(generator, 23, 41, 0.8)
    score = score.round(1)
    estimated = roc_auc(y, score, Units.rows(len(y)))
    expected, variance = slow_delong(y, score)
    assert estimated.value == pytest.approx(expected) == roc_auc_score(y, score)
    half = 1.959964 * np.sqrt(variance) / (expected * (1 - expected))
    odds = np.log(expected / (1 - expected))
    limits = 1 / (1 + np.exp(half - odds)), 1 / (1 + np.exp(-half - odds))
    assert (estimated.low, estimated.high) == pytest.approx(limits, abs=1e-6)


def test_delong_without_a_class_is_undefined():
    for y in ([True, True], []):
        estimated = roc_auc(np.array(y, bool), np.arange(len(y)), Units.rows(len(y)))
        assert np.isnan([estimated.value, estimated.low, estimated.high]).all()


def test_perfect_separation_is_not_certainty():
    few, many = (roc_auc(np.arange(n) >= n / 2, np.arange(n), Units.rows(n)) for n in (4, 100))
    assert few.value == many.value == few.high == many.high == 1
    assert few.low < 0.5 < 0.9 < many.low < 1
    estimated = roc_auc(np.array([False, False, True]), np.array([1, 3, 2]), Units.rows(3))
    assert (estimated.value, estimated.low < 0.2, estimated.high > 0.8) == (0.5, True, True)


@pytest.mark.parametrize(("n_pos", "n_neg", "shift"), [(20, 20, 0.5), (50, 300, 1.0)])
def test_delong_covers(n_pos, n_neg, shift):
    generator = np.random.default_rng(5)
    truth = stats.norm.cdf(shift / np.sqrt(2))
    units = Units.rows(n_pos + n_neg)
    areas = [roc_auc(*two_normals(generator, n_pos, n_neg, shift), units) for _ in range(TRIALS)]
    assert covers_as_promised([area.low <= truth <= area.high for area in areas])


@pytest.mark.parametrize("estimate", [roc_auc, average_precision])
def test_contributions_are_the_derivative_by_the_row_weights(estimate):
    reference = {roc_auc: roc_auc_score, average_precision: average_precision_score}[estimate]
    y, score = two_normals(np.random.default_rng(6), 6, 9, 1.0)
    score = score.round(1)
    value = reference(y, score)
    estimated = estimate(y, score, Units.rows(15))
    assert estimated.value == pytest.approx(value)
    corrections = np.sqrt(np.where(y, 6 / 5, 9 / 8))
    for row in range(15):
        up, down = np.ones(15), np.ones(15)
        up[row], down[row] = 1 + 1e-5, 1 - 1e-5
        slope = (reference(y, score, sample_weight=up) - reference(y, score, sample_weight=down)) / 2e-5
        assert estimated.contributions[row] == pytest.approx(slope * corrections[row], abs=1e-8)


def test_average_precision_covers():
    generator = np.random.default_rng(7)
    y, score = two_normals(generator, 100_000, 400_000, 1.0)
    truth = average_precision_score(y, score)
    covered = []
    for _ in range(TRIALS):
        y = generator.random(400) < 0.2
        estimated = average_precision(y, generator.normal(size=400) + y, Units.rows(400))
        covered.append(estimated.low <= truth <= estimated.high)
    assert covers_as_promised(covered, slack=0.015)


def test_average_precision_agrees_with_a_bootstrap():
    y, score = two_normals(np.random.default_rng(8), 80, 320, 1.0)
    estimated = average_precision(y, score, Units.rows(400))
    low, high = bootstrap_units(
        lambda weights: np.array([average_precision_score(y, score, sample_weight=w) for w in weights]),
        np.arange(400),
        seed=0,
        replicates=500,
    )
    assert (estimated.low, estimated.high) == pytest.approx((float(low), float(high)), abs=0.025)


# Units


@pytest.mark.parametrize("estimate", [roc_auc, average_precision])
def test_copies_of_rows_change_nothing_in_a_ranking(estimate):
    y, score = two_normals(np.random.default_rng(9), 30, 70, 1.0)
    once = estimate(y, score, Units.rows(100))
    copies = estimate(np.tile(y, 5), np.tile(score, 5), Units.from_ids(np.tile(np.arange(100), 5)))
    naive = estimate(np.tile(y, 5), np.tile(score, 5), Units.rows(500))
    assert (copies.value, copies.low, copies.high) == pytest.approx((once.value, once.low, once.high))
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


@pytest.mark.parametrize("n_hit", [0, 13, 20])
def test_copies_of_rows_change_nothing_in_a_proportion(n_hit):
    hit, everywhere = np.arange(20) < n_hit, np.ones(20, bool)
    copies = proportion(np.tile(hit, 5), np.tile(everywhere, 5), Units.from_ids(np.tile(np.arange(20), 5)))
    assert (copies.low, copies.high) == pytest.approx(wilson(n_hit, 20))
    alone = proportion(hit, everywhere, Units.rows(20))
    assert (alone.low, alone.high) == pytest.approx(wilson(n_hit, 20))


def test_proportion_covers_when_rows_of_a_unit_agree_partly():
    generator = np.random.default_rng(10)
    ids = np.repeat(np.arange(60), 4)
    covered, naive = [], []
    for _ in range(TRIALS):
        hit = generator.random(240) < generator.beta(3.5, 1.5, size=60)[ids]  # mean .7
        estimated = proportion(hit, np.ones(240, bool), Units.from_ids(ids))
        covered.append(estimated.low <= 0.7 <= estimated.high)
        low, high = wilson(hit.sum(), 240)
        naive.append(low <= 0.7 <= high)
    assert covers_as_promised(covered)
    assert np.mean(naive) < 0.92


def test_a_mean_of_the_same_estimate_has_its_interval_and_of_disjoint_rows_movers():
    hit, units = np.array([1, 1, 0, 1, 0, 0, 1, 1], bool), Units.rows(8)
    first, second = np.arange(8) < 4, np.arange(8) >= 4
    one, two = proportion(hit, first, units), proportion(hit, second, units)
    same = mean_estimate([one, one, one])
    assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high))
    both = mean_estimate([one, two])
    assert (both.low, both.high) == pytest.approx(
        mover_mean([one.value, two.value], [one.low, two.low], [one.high, two.high])
    )
    assert np.isnan(mean_estimate([]).value)


def test_a_mean_of_correlated_areas_covers():
    """Two areas on the same rows: a mean that took them as independent would be too narrow."""
    generator = np.random.default_rng(11)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    covered, independent = [], []
    for _ in range(TRIALS):
        y, score = two_normals(generator, 40, 60, 1.0)
        noisy = score + 0.1 * generator.normal(size=100)
        pieces = [roc_auc(y, s, Units.rows(100)) for s in (score, noisy)]
        mean = mean_estimate(pieces)
        covered.append(mean.low <= truth <= mean.high)
        low, high = mover_mean([p.value for p in pieces], [p.low for p in pieces], [p.high for p in pieces])
        independent.append(low <= truth <= high)
    assert covers_as_promised(covered)
    assert np.mean(independent) < 0.9


# Bootstrap


def test_bootstrap_of_three_rows_lists_all_resamples():
    values = np.array([0.0, 1.0, 5.0])
    means = [np.mean(draw) for draw in itertools.product(values, repeat=3)]
    low, high = bootstrap_ratios(values, [7, 8, 9], seed=0, replicates=20_000, level=0.8)
    assert (low[0], high[0]) == pytest.approx(np.percentile(means, [10, 90], method="inverted_cdf"))


def test_bootstrap_of_ratios_is_the_callable_written_out():
    generator = np.random.default_rng(12)
    y, hit, units = generator.integers(3, size=200), generator.random(200) < 0.7, generator.integers(50, size=200)
    in_class = (y == np.arange(3)[:, None]).astype(float)

    def macro_recall(weights: np.ndarray) -> np.ndarray:
        return np.array([np.mean([np.average(hit[y == c], weights=w[y == c]) for c in range(3)]) for w in weights])

    slow = bootstrap_units(macro_recall, units, seed=3, names=("recall",), replicates=200)
    fast = bootstrap_ratios(
        in_class * hit,
        units,
        denominators=in_class,
        combine=lambda r: r.mean(axis=1),
        seed=3,
        names=("recall",),
        replicates=200,
    )
    assert np.allclose(fast, slow)


def test_bootstrap_depends_on_seed_and_names_alone():
    values, units = np.random.default_rng(13).random(50), np.arange(50)
    first = bootstrap_ratios(values, units, seed=1)
    assert np.array_equal(first, bootstrap_ratios(values, units, seed=1))
    assert not np.array_equal(first, bootstrap_ratios(values, units, seed=2))
    assert not np.array_equal(first, bootstrap_ratios(values, units, seed=1, names=("other",)))


def test_bootstrap_of_copied_rows_is_as_wide_as_without_copies():
    values, units = np.random.default_rng(14).random(100), np.arange(100)

    def width(values: np.ndarray, units: np.ndarray) -> float:
        low, high = bootstrap_ratios(values, units, seed=0)
        return float(high[0] - low[0])

    once = width(values, units)
    assert width(np.tile(values, 5), np.tile(units, 5)) == pytest.approx(once)
    assert width(np.tile(values, 5), np.arange(500)) == pytest.approx(once / np.sqrt(5), rel=0.15)


def test_bootstrap_of_units_covers():
    generator = np.random.default_rng(15)
    ids = np.repeat(np.arange(80), 5)
    covered = []
    for trial in range(TRIALS):
        values = generator.normal(size=80)[ids] + 0.5 * generator.normal(size=400)
        low, high = bootstrap_ratios(values, ids, seed=trial, replicates=400)
        covered.append(low[0] <= 0 <= high[0])
    assert covers_as_promised(covered, slack=0.015)


def test_bootstrap_blocks_are_joined_to_all_replicates(monkeypatch):
    values, units = np.random.default_rng(16).random(30), np.arange(30)
    rows_seen = []

    def mean(weights: np.ndarray) -> np.ndarray:
        assert np.array_equal(weights.sum(axis=1), np.full(len(weights), 30))
        rows_seen.append(len(weights))
        return weights @ values / 30

    whole = bootstrap_units(mean, units, seed=0, replicates=50)
    monkeypatch.setattr("rtl_core.statistics.intervals.BOOTSTRAP_CELLS", 30 * 20)
    blocks = bootstrap_units(mean, units, seed=0, replicates=50)
    assert rows_seen == [50, 20, 20, 10]
    assert np.allclose(blocks, whole)


def test_bootstrap_claims_nothing_without_spread():
    assert np.isnan(bootstrap_ratios([0.4], [1], seed=0)).all()
    assert np.isnan(bootstrap_ratios(np.ones(20), np.arange(20), seed=0)).all()
    assert np.isnan(bootstrap_ratios(np.ones(3), [1, 2, 3], denominators=np.zeros(3), seed=0)).all()
    assert np.isnan(bootstrap_ratios([0.1, 0.9, 0.4], [5, 5, 5], seed=0)).all()
    with pytest.raises(BadInput, match="no rows"):
        bootstrap_ratios([], [], seed=0)


def test_bootstrap_leaves_out_replicates_in_which_a_class_is_missing():
    # The class has one row, so about 37 % of the replicates lack it; the others all have ratio 1 or 0 of it.
    in_class = np.array([[1, 0, 0, 0], [0, 1, 1, 1]], float)
    hit = np.array([1, 1, 0, 1], float)
    low, high = bootstrap_ratios(in_class * hit, np.arange(4), denominators=in_class, seed=0)
    assert np.isnan([low[0], high[0]]).all()
    assert 0 <= low[1] < high[1] <= 1


def test_undefined_estimates_stay_undefined_in_a_mean():
    empty = proportion(np.zeros(3, bool), np.zeros(3, bool), Units.rows(3))
    full = proportion(np.ones(3, bool), np.ones(3, bool), Units.rows(3))
    mean = mean_estimate([empty, full])
    assert np.isnan([mean.value, mean.low, mean.high]).all()
