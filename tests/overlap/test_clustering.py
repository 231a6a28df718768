from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.overlap.clustering import mask_map, tree
from rtl_core.overlap.overlap import Overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.rng import numpy_generator


def compared(masks):
    """The similarity of bool (K, N) masks of one layer."""
    masks = np.asarray(masks, dtype=np.int32)
    names = tuple(f"ticket{k}" for k in range(len(masks)))
    counts = Overlap(names, 0.25, ("layer",), np.array([masks.shape[1]]), (masks @ masks.T)[None])
    return similarity(counts)


def with_excess(excess):
    """A similarity of which only the excess matters."""
    excess = np.asarray(excess, dtype=float)
    return replace(compared(np.eye(len(excess), dtype=bool)), excess=excess)


def two_families(tickets, weights=400):
    """Masks in two families, taken in turn: even tickets are near one mask, odd ones near another."""
    generator = numpy_generator(0, "families")
    heads = generator.random((2, weights)) < 0.3
    noise = generator.random((tickets, weights)) < 0.05
    return heads[np.arange(tickets) % 2] ^ noise


def test_average_linkage_on_paper():
    """Distances: 0-1 0.2, 2-3 0.4, and between the two pairs 0.8, 1.0, 1.2 and 1.4, whose mean is 1.1."""
    joins = tree(with_excess([[1, 0.8, 0.2, 0], [0.8, 1, -0.2, -0.4], [0.2, -0.2, 1, 0.6], [0, -0.4, 0.6, 1]]))
    assert [sorted(row[:2]) for row in joins.linkage.tolist()] == [[0, 1], [2, 3], [4, 5]]
    assert joins.linkage[:, 2:].tolist() == [pytest.approx(row) for row in ([0.2, 2], [0.4, 2], [1.1, 4])]


def test_neighbouring_leaves_are_as_alike_as_the_tree_allows():
    measures = with_excess([[1, 0.8, 0.2, 0], [0.8, 1, -0.2, -0.4], [0.2, -0.2, 1, 0.6], [0, -0.4, 0.6, 1]])
    assert tree(measures).leaves.tolist() in ([1, 0, 2, 3], [3, 2, 0, 1])


def test_undefined_pairs_count_as_chance_and_none_are_farther_than_two():
    joins = tree(with_excess([[np.nan, np.nan, -3], [np.nan, np.nan, -3], [-3, -3, 1]]))
    assert joins.linkage[:, 2].tolist() == [1, 2]


def test_brackets_stand_on_their_leaves_and_joins():
    joins = tree(compared(two_families(7)))
    place = {int(ticket): (float(where), 0.0) for where, ticket in enumerate(joins.leaves)}
    assert joins.segments.shape == (6, 2, 4)
    for row, ((a, b, height, _), (places, heights)) in enumerate(zip(joins.linkage, joins.segments, strict=True)):
        (left, low), (right, high) = place[int(a)], place[int(b)]
        assert places.tolist() == [left, left, right, right]
        assert heights.tolist() == [low, height, height, high]
        place[7 + row] = ((left + right) / 2, height)


@pytest.mark.parametrize("tickets", [12, 201])
def test_families_stand_together(tickets):
    family = tree(compared(two_families(tickets))).leaves % 2
    assert np.abs(np.diff(family)).sum() == 1


def test_one_ticket_is_a_tree_and_a_map():
    measures = compared([[True, False]])
    alone = tree(measures)
    assert alone.linkage.shape == (0, 4) and alone.leaves.tolist() == [0] and alone.segments.shape == (0, 2, 4)
    points, share = mask_map(measures)
    assert points.values.tolist() == [["ticket0", 0, 0]] and np.isnan(share)


def test_points_in_a_plane_keep_their_distances():
    """Three tickets always fit on two axes."""
    measures = compared([[1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0]])
    points, share = mask_map(measures)
    assert share == pytest.approx(1)
    at = points[["x", "y"]].to_numpy()
    for i, j in combinations(range(3), 2):
        assert ((at[i] - at[j]) ** 2).sum() == pytest.approx(1 - measures.iou[i, j])


def test_disjoint_masks_are_a_simplex_of_which_two_axes_show_little():
    _, share = mask_map(compared(np.eye(11)))
    assert share == pytest.approx(2 / 10)


def test_masks_that_are_the_same_are_one_point():
    points, share = mask_map(compared(np.tile([1, 0, 1, 0], (5, 1))))
    assert np.abs(points[["x", "y"]].to_numpy()).max() < 1e-6 and np.isnan(share)


def test_empty_masks_are_alike_and_far_from_all_others():
    points, share = mask_map(compared([[0, 0, 0], [0, 0, 0], [1, 1, 0]]))
    assert share == pytest.approx(1)
    assert points.x[0] == pytest.approx(points.x[1])
    assert abs(points.x[0] - points.x[2]) == pytest.approx(1)


@pytest.mark.slow
def test_umap_separates_families_and_repeats_itself():
    measures = compared(two_families(12))
    points, share = mask_map(measures, "umap", seed=3)
    again, _ = mask_map(measures, "umap", seed=3)
    assert points.equals(again) and np.isnan(share)
    at = points[["x", "y"]].to_numpy()
    distance = np.linalg.norm(at[:, None] - at[None], axis=2)
    same = np.add.outer(np.arange(12), np.arange(12)) % 2 == 0
    assert distance[same].mean() < distance[~same].mean()


def test_maps_that_cannot_be_drawn_are_refused():
    with pytest.raises(BadInput, match="at least 5 tickets and here are 4; use PCA"):
        mask_map(compared(np.eye(4)), "umap")
    with pytest.raises(BadInput, match="no map by 'tsne'; there are: pca, umap"):
        mask_map(compared(np.eye(4)), "tsne")
