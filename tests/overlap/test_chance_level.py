from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.stats import hypergeom

from rtl_core.errors import BadInput
from rtl_core.overlap.chance_level import permutation_test
from rtl_core.overlap.overlap import Overlap, depth_groups
from rtl_core.overlap.similarity import similarity
from rtl_core.rng import numpy_generator


def counts_of(masks, sizes, layers=None):
    """The overlap of bool (K, N) masks over layers of the given sizes."""
    masks = np.asarray(masks, dtype=np.int32)
    ends = np.cumsum([0, *sizes])
    shared = np.stack([masks[:, a:b] @ masks[:, a:b].T for a, b in pairwise(ends)])
    names = tuple(f"t{k}" for k in range(len(masks)))
    return Overlap(names, 0.25, layers or tuple(f"layer{i}" for i in range(len(sizes))), np.array(sizes), shared)


def random_mask(generator, sizes, kept):
    """bool (N,): so many weights of every layer, at random places."""
    return np.concatenate([generator.permutation(n) < keep for n, keep in zip(sizes, kept, strict=True)])


def test_independent_masks_have_no_excess_at_any_level():
    """Layer, group and whole network; four standard deviations of the hypergeometric intersection."""
    layers = tuple(f"stage{stage}.{name}.weight" for stage in range(4) for name in ("conv1", "conv2"))
    sizes = (144, 400, 900, 2_000, 4_000, 9_000, 12_000, 20_000)
    densities = np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01])
    kept = [[round(n * d * factor) for n, d in zip(sizes, densities, strict=True)] for factor in (1, 0.9, 0.6, 1.1)]
    generator = numpy_generator(0, "no excess")
    counts = counts_of([random_mask(generator, sizes, each) for each in kept], sizes, layers)
    groups = depth_groups(layers)
    assert len(groups) == 4
    for level in (*([layer] for layer in layers), *groups.values(), layers):
        measures = similarity(counts.only(level))
        rows = [layers.index(layer) for layer in level]
        for i, j in combinations(range(4), 2):
            chance = [hypergeom(sizes[row], kept[i][row], kept[j][row]) for row in rows]
            mean, sd = sum(c.mean() for c in chance), sum(c.var() for c in chance) ** 0.5
            total = sum(kept[i][row] + kept[j][row] for row in rows)
            reach = [(mean + side * 4 * sd) / (total - mean - side * 4 * sd) for side in (-1, 1)]
            low, high = ((iou - measures.chance[i, j]) / (1 - measures.chance[i, j]) for iou in reach)
            assert low < measures.excess[i, j] < high
            assert low < 0 < high


def test_identical_masks_share_everything_and_are_beyond_every_shuffle():
    mask = random_mask(numpy_generator(1, "identical"), (300, 2_000), (150, 100))
    counts = counts_of([mask, mask], (300, 2_000))
    measures, test = similarity(counts), permutation_test(counts, "t0", "t1", permutations=199)
    assert measures.iou[0, 1] == measures.excess[0, 1] == 1
    assert test.observed == 250 and test.p == 1 / 200


def test_nested_masks_have_the_value_known_on_paper():
    """10 + 30 weights within 40 + 30, of 100 + 100: IoU 40 / 70, 4 + 9 expected, so chance is 13 / (110 - 13)."""
    outer = np.r_[np.arange(100) < 40, np.arange(100) < 30]
    inner = np.r_[np.arange(100) < 10, np.arange(100) < 30]
    measures = similarity(counts_of([inner, outer], (100, 100)))
    chance = 13 / 97
    assert measures.iou[0, 1] == pytest.approx(4 / 7)
    assert measures.chance[0, 1] == pytest.approx(chance)
    assert measures.excess[0, 1] == pytest.approx((4 / 7 - chance) / (1 - chance))
    assert measures.coefficient[0, 1] == 1


def test_shuffles_are_those_of_a_mask_within_its_layers():
    """Drawn numbers against masks that are really shuffled: the same mean and the same middle 95 %."""
    sizes, kept = (60, 400), (30, 80)
    generator = numpy_generator(2, "shuffles")
    a = random_mask(generator, sizes, kept)
    shuffled = np.array([(a & random_mask(generator, sizes, kept)).sum() for _ in range(4_000)])
    test_result = permutation_test(counts_of([a, random_mask(generator, sizes, kept)], sizes), "t0", "t1", 4_000)
    assert test_result.expected == 30 * 30 / 60 + 80 * 80 / 400
    assert abs(shuffled.mean() - test_result.expected) < 4 * shuffled.std() / len(shuffled) ** 0.5
    assert [test_result.low, test_result.high] == pytest.approx(np.quantile(shuffled, [0.025, 0.975]), abs=1)


def test_permutation_test_at_five_percent_rejects_about_fifty_of_a_thousand_null_cases():
    sizes, kept = (2_000, 6_000), (1_000, 1_800)
    generator = numpy_generator(3, "null cases")
    a = random_mask(generator, sizes, kept)
    rejected = 0
    for case in range(1_000):
        counts = counts_of([a, random_mask(generator, sizes, kept)], sizes)
        rejected += permutation_test(counts, "t0", "t1", permutations=199, seed=case).p <= 0.05
    assert 34 <= rejected <= 67


def test_forced_overlaps_are_not_tested_and_unknown_tickets_refused():
    counts = counts_of([[1, 1, 0, 0], [1, 1, 0, 0]], (2, 2))
    assert np.isnan(permutation_test(counts, "t0", "t1", permutations=19).p)
    with pytest.raises(BadInput, match="no ticket 'x'; there are: t0, t1"):
        permutation_test(counts, "t0", "x")
