"""Exact counts, ties, floors and scores."""

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import SCORES, SEES_GRADIENTS, dead_layers, lamp, prune, random_like, scores_of, taylor

LAYOUT = Layout(("a", "b"), ((2, 3), (4,)))
ALL = np.ones(10, bool)


def pruned(weights, kept, keep, score, layout, layer_floor=0):
    gradients = np.ones(layout.n) if score in SEES_GRADIENTS else None
    return prune(scores_of(score, weights, kept, layout, gradients), kept, keep, layout, layer_floor)


@pytest.mark.parametrize("score", SCORES)
def test_exact_counts_for_every_number(score):
    weights = np.random.default_rng(0).normal(size=10)
    for keep in range(1, 11):
        mask = pruned(weights, ALL, keep, score, LAYOUT)
        assert mask.sum() == keep


def test_a_score_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setitem(SCORES, "broken", lambda weights, kept, layout, gradients: np.where(kept, np.nan, 1.0))
    with pytest.raises(BadInput, match="score 'broken' gives NaN"):
        scores_of("broken", np.ones(10), ALL, LAYOUT)


def test_global_magnitude_by_hand():
    weights = np.array([0.1, -5, 2, 0.3, -0.2, 1, 4, -3, 0.05, 0.6])
    assert np.flatnonzero(pruned(weights, ALL, 4, "global_magnitude", LAYOUT)).tolist() == [1, 2, 6, 7]


def test_equal_weights_score_the_same_and_the_later_goes_first():
    assert lamp(np.ones(10), ALL, LAYOUT) == pytest.approx([1 / 6] * 6 + [1 / 4] * 4)
    kept_of = {score: np.flatnonzero(pruned(np.ones(10), ALL, 5, score, LAYOUT)).tolist() for score in SCORES}
    assert kept_of["global_magnitude"] == [0, 1, 2, 3, 4]
    assert kept_of["lamp"] == [0, 6, 7, 8, 9]
    one_layer = Layout(("a",), ((10,),))
    for score in SCORES:
        assert np.flatnonzero(pruned(np.ones(10), ALL, 4, score, one_layer)).tolist() == [0, 1, 2, 3]


def test_ties_break_by_logical_index_whatever_the_memory_format():
    assert np.flatnonzero(pruned(np.ones(10), ALL, 4, "global_magnitude", LAYOUT)).tolist() == [0, 1, 2, 3]
    weights = torch.randint(0, 3, (4, 3, 3, 3), generator=torch.Generator().manual_seed(0)).float()
    layout = Layout(("w",), ((4, 3, 3, 3),))
    rows = [layout.flatten({"w": w}).numpy() for w in (weights, weights.to(memory_format=torch.channels_last))]
    everything = np.ones(layout.n, bool)
    plain, last = (pruned(row, everything, 50, "lamp", layout) for row in rows)
    assert np.array_equal(plain, last)


def test_lamp_against_its_formula():
    generator = np.random.default_rng(1)
    weights, kept = generator.normal(size=10), generator.random(10) < 0.8
    scores = lamp(weights, kept, LAYOUT)
    for span in (range(6), range(6, 10)):
        for i in span:
            if kept[i]:
                among = [weights[j] ** 2 for j in span if kept[j] and weights[j] ** 2 >= weights[i] ** 2]
                assert scores[i] == pytest.approx(weights[i] ** 2 / sum(among))


def test_layer_magnitude_keeps_the_same_share_of_every_layer():
    weights = np.concatenate([np.arange(1, 7) * 100.0, np.arange(1, 5)])
    mask = pruned(weights, ALL, 5, "layer_magnitude", LAYOUT)
    assert (mask[:6].sum(), mask[6:].sum()) == (3, 2)
    assert np.flatnonzero(mask).tolist() == [3, 4, 5, 8, 9]


def test_floor_saves_the_best_of_a_layer_that_would_be_emptied():
    weights = np.concatenate([np.full(6, 9.0), [0.1, 0.4, 0.2, 0.3]])
    assert dead_layers(pruned(weights, ALL, 4, "global_magnitude", LAYOUT), LAYOUT) == ("b",)
    mask = pruned(weights, ALL, 4, "global_magnitude", LAYOUT, layer_floor=2)
    assert mask.sum() == 4 and np.flatnonzero(mask[6:]).tolist() == [1, 3]


def test_a_floor_that_needs_too_much_is_refused():
    with pytest.raises(BadInput, match="layer_floor"):
        pruned(np.ones(10), ALL, 4, "lamp", LAYOUT, layer_floor=3)


def test_pruned_weights_never_come_back():
    kept = ALL.copy()
    kept[[1, 6]] = False
    weights = np.where(kept, 0.1, 99.0)
    assert not pruned(weights, kept, 5, "global_magnitude", LAYOUT)[[1, 6]].any()


def test_taylor_scores_are_how_far_the_loss_moves():
    weights, gradients = np.array([2.0, -3, 0.5, 0]), np.array([1.0, 0, 8, 5])
    assert taylor(weights, np.ones(4, bool), Layout(("w",), ((4,),)), gradients).tolist() == [2, 0, 4, 0]


def test_diverged_weights_are_refused():
    with pytest.raises(BadInput, match="diverged"):
        pruned(np.full(10, np.nan), ALL, 4, "lamp", LAYOUT)
    with pytest.raises(BadInput, match="diverged"):
        pruned(np.r_[np.ones(9), np.inf], ALL, 4, "lamp", LAYOUT)


def test_diverged_gradients_are_refused_where_a_weight_is_kept():
    gradients, kept = np.r_[np.ones(9), np.nan], np.arange(10) < 9
    assert np.isfinite(scores_of("taylor", np.ones(10), kept, LAYOUT, gradients)[kept]).all()
    with pytest.raises(BadInput, match="diverged"):
        scores_of("taylor", np.ones(10), ALL, LAYOUT, gradients)


def test_more_weights_than_are_left_cannot_be_kept():
    with pytest.raises(BadInput, match="only 3 are left"):
        pruned(np.ones(10), np.arange(10) < 3, 4, "lamp", LAYOUT)


def test_random_like_has_the_same_count_in_every_layer():
    mask = np.array([1, 0, 1, 0, 0, 0, 1, 1, 1, 0], bool)
    drawn = [random_like(mask, LAYOUT, np.random.default_rng(seed)) for seed in range(20)]
    assert all((d[:6].sum(), d[6:].sum()) == (2, 3) for d in drawn)
    assert len({d.tobytes() for d in drawn}) > 5
