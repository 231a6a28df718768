"""Between chance and twins: masks whose place on the scale is known on paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.overlap.twins import count_twins, finding, luck, position
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import random_like
from rtl_core.tickets.ticket_set import KEPT, Level, TicketSet

LAYER = Layout(("fc.weight",), ((1, 8),))
# Of 8 weights every mask keeps 4, so that chance shares 2. Halves of one subset share 3.
FIRST = [[0, 1, 2, 3], [0, 1, 5, 6], [0, 1, 2, 3]]
SECOND = [[0, 1, 2, 4], [0, 1, 5, 7], [0, 1, 2, 4]]
OTHER = [[0, 1, 2, 5], [0, 1, 5, 3], [4, 5, 6, 7]]
# A half of a and the other half of b share 2, both ways: chance. Of a and c they share 3: as twins.


def masks_of(rows, n=8) -> np.ndarray:
    masks = np.zeros((len(rows), n), bool)
    for mask, kept in zip(masks, rows, strict=True):
        mask[kept] = True
    return masks


def tickets_of(masks, layout=LAYER) -> TicketSet:
    names = tuple("abcdefghij"[: len(masks)])
    return TicketSet(names, names, layout, np.where(masks, KEPT, 1).astype(np.uint8), (Level(1, 0.5, "target"),))


def measured(first, second, other, layout=LAYER):
    """The first halves' masks stand for the tickets too, and for those that were extracted again."""
    counts = count_twins(layout, first, np.stack([first, second, first, other]))
    return luck(overlap(tickets_of(first, layout)), counts)


@pytest.fixture
def on_paper():
    return measured(*map(masks_of, (FIRST, SECOND, OTHER)))


def test_pairs_at_chance_lie_at_0_and_pairs_like_twins_at_1(on_paper):
    assert on_paper.halves.iou == pytest.approx([3 / 5] * 3) and on_paper.halves.chance == pytest.approx([2 / 6] * 3)
    assert on_paper.halves.excess == pytest.approx([0.4] * 3)
    assert on_paper.across.iou[0] == pytest.approx([np.nan, 2 / 6, 3 / 5], nan_ok=True)
    assert on_paper.position[0] == pytest.approx([np.nan, 0, 1], nan_ok=True)
    assert on_paper.position[1, 2] == pytest.approx(0)
    assert (on_paper.position == on_paper.position.T)[~np.eye(3, dtype=bool)].all()


def test_orders_are_compared_with_each_other_and_repeats_with_the_run():
    first, second, other = map(masks_of, (FIRST, SECOND, OTHER))
    one = luck(overlap(tickets_of(second)), count_twins(LAYER, second, np.stack([first, second, first, other])))
    assert one.order.iou == pytest.approx([3 / 5, 3 / 5, 0])
    assert one.again.iou == pytest.approx([3 / 5] * 3)


def test_twin_is_an_iou_that_can_stand_beside_chance(on_paper):
    known = similarity(overlap(tickets_of(masks_of(FIRST))))
    apart = ~np.eye(3, dtype=bool)
    assert on_paper.twin[apart] == pytest.approx([3 / 5] * 6) and np.diagonal(on_paper.twin) == pytest.approx(
        [3 / 5] * 3
    )
    as_defined = (known.iou - known.chance) / (on_paper.twin - known.chance)
    assert on_paper.position_tickets[apart] == pytest.approx(as_defined[apart])
    assert on_paper.position_tickets[0, 2] == pytest.approx(1 / 0.4)  # the same ticket twice is more than twins


def test_the_interval_leaves_one_subset_out_at_a_time(on_paper):
    """Positions 0, 1, 0: without a 0, without b 1, without c 0, so sd = sqrt(2/3 x 6/9) = 2/3; t of 2 is 4.303."""
    at = on_paper.samples
    assert at.value == pytest.approx(1 / 3)
    assert (at.low, at.high) == pytest.approx((1 / 3 - 4.3027 * 2 / 3, 1 / 3 + 4.3027 * 2 / 3), abs=1e-3)


def test_two_subsets_have_a_position_and_no_interval():
    two = measured(*(masks_of(rows[:2]) for rows in (FIRST, SECOND, OTHER)))
    assert two.samples.value == pytest.approx(0) and np.isnan(two.samples.low)
    assert two.samples.verdict == "not known" and "no interval" in finding(two)


def test_twins_at_chance_are_no_scale():
    first, second = masks_of([[0, 1, 2, 3]] * 3), masks_of([[0, 1, 4, 5]] * 3)
    level = measured(first, second, first)
    assert np.isnan(level.position).all() and np.isnan(level.samples.value)
    assert finding(level).startswith("Twins share no more than chance")


@pytest.mark.parametrize(
    ("pairs", "verdict", "words"),
    [
        (0.1, "less than twins", "they follow their data"),
        (0.4, "as twins", "luck is enough"),
        (0.7, "more than twins", "nothing shows that they follow their data"),
    ],
)
def test_the_sentence_says_on_which_side_of_twins_the_interval_lies(on_paper, pairs, verdict, words):
    draw = np.random.default_rng(0)
    excess = np.full((6, 6), pairs) + np.where(np.eye(6), np.nan, 0)
    noise = draw.normal(0, 0.01, (6, 6))
    at = position(excess + noise + noise.T, np.full(6, 0.4) + draw.normal(0, 0.01, 6))
    assert at.low < at.value < at.high and at.verdict == verdict
    sentence = finding(replace(on_paper, samples=at))
    assert words in sentence and f"{100 * at.value:.0f} %" in sentence


def test_layers_add_up_and_each_has_its_own_twins():
    draw, layout = np.random.default_rng(1), Layout(("one", "two"), ((20, 10), (10, 10)))
    first, second, other = (draw.random((4, 300)) < np.repeat([0.5, 0.1], [200, 100]) for _ in range(3))
    counts = count_twins(layout, first, np.stack([first, second, first, other]))
    each = [counts.only([name]) for name in layout.names]
    assert sum(one.halves.sum() for one in each) == (first & second).sum()
    assert sum(one.across[0, 0, 1] for one in each) == (first[0] & second[1]).sum() + (second[0] & first[1]).sum()
    alone = measured(*(masks[:, :200] for masks in (first, second, other)), layout=Layout(("one",), ((20, 10),)))
    in_layer = luck(overlap(tickets_of(first, layout)).only(["one"]), each[0])
    assert in_layer.halves.excess == pytest.approx(alone.halves.excess)
    assert in_layer.across.iou[0, 1] == pytest.approx(alone.across.iou[0, 1])


def test_random_masks_lie_at_chance_and_halves_of_one_mask_for_all_at_1():
    """All subsets drawn from one ranking with noise: nothing follows the data."""
    draw, layout = np.random.default_rng(2), Layout(("fc",), ((100, 100),))
    common = draw.normal(size=10_000)
    first, second, other = (
        np.stack([np.argsort(np.argsort(-(common + draw.normal(size=10_000)))) < 1_000 for _ in range(5)])
        for _ in range(3)
    )
    same = measured(first, second, other, layout=layout)
    assert same.samples.verdict == "as twins" and same.samples.value == pytest.approx(1, abs=0.05)
    at_random = [np.stack([random_like(mask, layout, draw) for mask in side]) for side in (first, second)]
    apart = luck(
        overlap(tickets_of(at_random[0], layout)), count_twins(layout, first, np.stack([first, second, first, other]))
    )
    assert apart.tickets.value == pytest.approx(0, abs=0.05)
