"""Sharing: from tickets that are cut each by its own scores to one mask for all, and the budget that finds it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.learning.cut_together import BISECTIONS, Scored, cuts_together, least_sharing
from rtl_core.learning.extract import Rounds, extract_together
from rtl_core.learning.method_steps import extract_ticket, schedule_of, ticket_rounds, ticket_set, warm_start
from rtl_core.storage_budget import budget
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import random_covering, shared_scores
from rtl_core.tickets.storage import stored

LAYOUT = Layout(("w",), ((400,),))


def trained_on_noise(k: int, seed: int = 0):
    """K tickets over 400 weights that agree in part: `Rounds` and what each has trained."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=400)
    settings = SimpleNamespace(score="global_magnitude", layer_floor=0)
    experiment = SimpleNamespace(layout=LAYOUT, config=SimpleNamespace(extract=settings))
    rounds = [Rounds(experiment, None, (), None) for _ in range(k)]
    weights = [torch.tensor(common + generator.normal(size=400)) for _ in range(k)]
    return rounds, [[SimpleNamespace(shared={"w": w})] for w in weights]


def cut(k: int, density: float, sharing: float) -> np.ndarray:
    rounds, trained = trained_on_noise(k)
    (masks,) = cuts_together(Scored.of(rounds, trained), np.ones((k, 400), bool), [density], sharing)
    return masks


def test_no_sharing_is_each_by_its_own_scores_and_full_sharing_is_one_mask():
    _, trained = trained_on_noise(3)
    own, same = cut(3, 0.1, 0.0), cut(3, 0.1, 1.0)
    for mask, (subnetwork,) in zip(own, trained, strict=True):
        best = np.argsort(-np.abs(subnetwork.shared["w"].numpy()))[:40]
        assert set(np.flatnonzero(mask)) == set(best)
    magnitudes = np.mean([np.abs(subnetwork.shared["w"].numpy()) for (subnetwork,) in trained], axis=0)
    assert all(set(np.flatnonzero(mask)) == set(np.argsort(-magnitudes)[:40]) for mask in same)


def test_every_ticket_keeps_its_exact_count_and_the_union_shrinks_as_sharing_grows():
    unions = []
    for sharing in (0.0, 0.25, 0.5, 0.75, 1.0):
        masks = cut(4, 0.1, sharing)
        assert (masks.sum(axis=1) == 40).all()
        unions.append(int(masks.any(axis=0).sum()))
    assert unions == sorted(unions, reverse=True) and unions[0] > unions[2] > unions[-1] == 40


def test_scores_by_hand():
    own = np.array([[4.0, 1.0, -np.inf], [1.0, 9.0, 4.0]])
    kept = np.isfinite(own)
    mixed = shared_scores(own, kept, 0.5)
    assert mixed[kept] == pytest.approx([np.sqrt(4 * 2.5), np.sqrt(1 * 5), np.sqrt(2.5), np.sqrt(45), np.sqrt(4 * 2)])
    assert np.isneginf(mixed[~kept]).all()
    assert shared_scores(own, kept, 0.0) is own


def test_scores_below_zero_cannot_be_shared():
    own = np.array([[1.0, -2.0], [3.0, 4.0]])
    assert shared_scores(own, np.ones((2, 2), bool), 0.0) is own
    with pytest.raises(BadInput, match="scores below 0"):
        shared_scores(own, np.ones((2, 2), bool), 0.5)


@pytest.mark.parametrize("sharing", [0.0, 0.5])
def test_denser_masks_hold_lighter_ones(sharing):
    rounds, trained = trained_on_noise(3)
    above = np.ones((3, 400), bool)
    for masks in cuts_together(Scored.of(rounds, trained), above, [0.5, 0.2, 0.05], sharing):
        assert not (masks & ~above).any()
        above = masks


@pytest.mark.parametrize("most", [45, 60, 80])
def test_a_budget_finds_the_least_sharing_that_fits(most):
    rounds, trained = trained_on_noise(4)
    sharing = least_sharing(Scored.of(rounds, trained), np.ones((4, 400), bool), [0.3, 0.1], budget(str(most)))
    union = _union(sharing)
    assert union <= most < _union(sharing - 2.0**-BISECTIONS)


def _union(sharing: float) -> int:
    rounds, trained = trained_on_noise(4)
    *_, masks = cuts_together(Scored.of(rounds, trained), np.ones((4, 400), bool), [0.3, 0.1], sharing)
    return stored(list(masks), LAYOUT).weights


def test_a_budget_that_all_fit_asks_for_no_sharing():
    rounds, trained = trained_on_noise(4)
    assert least_sharing(Scored.of(rounds, trained), np.ones((4, 400), bool), [0.1], budget("400")) == 0.0
    assert _union(least_sharing(Scored.of(rounds, trained), np.ones((4, 400), bool), [0.3, 0.1], budget("40"))) == 40


@pytest.mark.parametrize("schedule", ["one_shot", "count"])
def test_in_step_without_sharing_is_one_by_one(make_experiment, schedule):
    experiment = make_experiment(extract={"schedule": schedule, "count": 15, "steps": 3, "learning_rate": 0.05})
    start = warm_start(experiment)
    alone = ticket_set(experiment, [extract_ticket(experiment, start, k, None) for k in range(3)])
    rounds = [ticket_rounds(experiment, start, k) for k in range(3)]
    together = ticket_set(experiment, extract_together(rounds, schedule_of(experiment), [None] * 3))
    assert np.array_equal(alone.pruned_at, together.pruned_at)


@pytest.mark.parametrize("schedule", ["one_shot", "count"])
def test_full_sharing_trains_one_mask_for_all(make_experiment, schedule):
    experiment = make_experiment(extract={"schedule": schedule, "count": 15, "steps": 3, "learning_rate": 0.05})
    rounds = [ticket_rounds(experiment, warm_start(experiment), k) for k in range(3)]
    tickets = ticket_set(experiment, extract_together(rounds, schedule_of(experiment), [None] * 3, 1.0))
    for level in tickets.levels:
        assert (tickets.masks(level) == tickets.masks(level)[0]).all()


@given(some.integers(0, 10_000), some.integers(1, 6), some.floats(0.02, 0.9))
def test_random_masks_cover_their_union_exactly(seed, k, density):
    generator = np.random.default_rng(seed)
    layout = Layout(("a", "b"), ((30,), (4, 5)))
    masks = generator.random((k, 50)) < density * generator.random((k, 1))
    drawn = random_covering(masks, layout, generator)
    for span in layout.slices().values():
        assert np.array_equal(drawn[:, span].sum(axis=1), masks[:, span].sum(axis=1))
        assert drawn[:, span].any(axis=0).sum() == masks[:, span].any(axis=0).sum()


def test_random_masks_in_a_union_favour_no_weight():
    """Two tickets of 2 among 6 weights that share one: over 6,000 draws every weight is kept as often as any other."""
    masks = np.array([[1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]], bool)
    layout, generator = Layout(("w",), ((6,),)), np.random.default_rng(0)
    kept = np.mean([random_covering(masks, layout, generator) for _ in range(6000)], axis=0)
    assert kept == pytest.approx(np.full((2, 6), 1 / 3), abs=0.03)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "gated", "extract": {"sharing": 0.5}}, "extract.sharing: gated mode"),
        ({"mode": "gated", "storage": "40KB"}, "storage: gated mode"),
        ({"storage": 8000, "extract": {"sharing": 0.5}}, "leave extract.sharing at 0"),
        ({"storage": 8000, "extract": {"schedule": "fraction"}}, "extract.schedule=one_shot"),
        ({"storage": "much"}, "^setting 'storage': a storage budget is .* as 8000 or 40KB"),
        ({"storage": 8000.5}, "as 8000 or 40KB"),
        ({"mode": "gated", "joint": {"decay": "cosine"}}, "joint.decay: gated mode"),
        ({"extract": {"sharing": 1.5}}, "extract.sharing"),
    ],
)
def test_settings_that_cannot_act_are_refused(settings, message):
    with pytest.raises(BadInput, match=message):
        parse(settings)


def test_a_budget_may_be_a_number():
    assert parse({"storage": 8000}).storage == parse({"storage": 8e3}).storage == "8000"
