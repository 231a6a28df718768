from collections import Counter
from math import comb

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.overlap import ownership
from rtl_core.overlap.ownership import dead_filters, intersections
from rtl_core.rng import numpy_generator
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet


def tickets_keeping(masks, shapes):
    """A ticket set with one level whose masks are the given bool (K, N), over layers of the given shapes."""
    masks = np.asarray(masks, dtype=bool)
    names = tuple(f"t{k}" for k in range(len(masks)))
    layout = Layout(tuple(f"layer{i}" for i in range(len(shapes))), tuple(shapes))
    return TicketSet(names, names, layout, (~masks).astype(np.uint8), (Level(1, 0.25, "target"),))


def sets_by_counting(tickets):
    """{names: (weights, expected)} one weight at a time."""
    masks = tickets.masks()
    weights = Counter(tuple(name for name, kept in zip(tickets.names, w, strict=True) if kept) for w in masks.T)
    expected = Counter()
    for span in tickets.layout.slices().values():
        for names in weights:
            chance = float(span.stop - span.start)
            for name, mask in zip(tickets.names, masks[:, span], strict=True):
                chance *= mask.mean() if name in names else 1 - mask.mean()
            expected[names] += chance
    return {names: (count, expected[names]) for names, count in weights.items() if names}


@pytest.mark.parametrize("k", [1, 3, 8, 9, 20, 64, 65, 130])
def test_sets_of_owners_equal_those_counted_one_by_one(k, monkeypatch):
    monkeypatch.setattr(ownership, "_CHUNK", 50 * k)  # several pieces a layer
    generator = numpy_generator(0, "owners", k)
    few = generator.random((k, 7)) < 0.4  # seven columns, so that sets repeat
    masks = np.concatenate([few[:, generator.integers(0, 7, 120)], generator.random((k, 40)) < 0.1], axis=1)
    tickets = tickets_keeping(masks, [(120,), (40,)])
    sets = intersections(tickets, largest=1000)
    reference = sets_by_counting(tickets)
    assert len(sets) == len(reference)
    assert sets.weights.is_monotonic_decreasing
    for row in sets.itertuples():
        assert row.owners == len(row.tickets)
        assert (row.weights, row.expected) == (reference[row.tickets][0], pytest.approx(reference[row.tickets][1]))
        assert row.ratio == pytest.approx(row.weights / row.expected)


def test_the_largest_sets_come_first_and_nobodys_weights_are_not_listed():
    masks = [[1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0]]
    sets = intersections(tickets_keeping(masks, [(8,)]), largest=2)
    assert sets.tickets.tolist() == [("t0", "t1"), ("t1",)]
    assert sets.weights.tolist() == [3, 2]
    assert sets.expected.tolist() == pytest.approx([8 * 4 / 8 * 5 / 8, 8 * 4 / 8 * 5 / 8])


def test_sets_in_some_layers_and_an_unknown_one_refused():
    tickets = tickets_keeping([[1, 1, 0], [1, 0, 1]], [(1,), (2,)])
    assert set(intersections(tickets, layers=["layer1"]).tickets) == {("t0",), ("t1",)}
    assert intersections(tickets, layers=["layer0"]).tickets.tolist() == [("t0", "t1")]
    with pytest.raises(BadInput, match="no layer 'conv'; the prunable layers are: layer0, layer1"):
        intersections(tickets, layers=["conv"])


def test_empty_masks_have_no_sets():
    sets = intersections(tickets_keeping(np.zeros((2, 5)), [(5,)]))
    assert sets.empty and list(sets.columns) == ["tickets", "owners", "weights", "expected", "ratio"]


def test_rungs_have_sets_and_dead_filters_of_their_own():
    levels = (Level(1, 0.5, "target"), Level(2, 0.25, "lighter"))
    pruned_at = np.array([[0, 2, 1, 1], [2, 0, 1, 1]], dtype=np.uint8)
    tickets = TicketSet(("a", "b"), ("a", "b"), Layout(("w",), ((4, 1),)), pruned_at, levels)
    assert intersections(tickets).tickets.tolist() == [("a", "b")]
    assert set(intersections(tickets, levels[1]).tickets) == {("a",), ("b",)}
    assert dead_filters(tickets).dead_outputs.tolist() == [2, 2]
    assert dead_filters(tickets, levels[1]).dead_outputs.tolist() == [3, 3]


def test_dead_outputs_and_inputs_by_hand():
    conv = np.ones((3, 2, 1, 2))  # outputs, inputs, kernel
    conv[1] = 0
    conv[:, 0, 0, 0] = 0  # input 0 keeps its other weight
    linear = np.ones((2, 4))
    linear[:, [1, 3]] = 0
    masks = np.stack([np.r_[conv.ravel(), linear.ravel()], np.zeros(20)])
    table = dead_filters(tickets_keeping(masks, [(3, 2, 1, 2), (2, 4)]))
    assert table[["layer", "ticket", "outputs", "dead_outputs", "inputs", "dead_inputs"]].values.tolist() == [
        ["layer0", "t0", 3, 1, 2, 0],
        ["layer0", "t1", 3, 3, 2, 2],
        ["layer1", "t0", 2, 0, 4, 2],
        ["layer1", "t1", 2, 2, 4, 4],
    ]


def test_dead_filters_by_chance_are_hypergeometric():
    """Five of 24 weights: an output of 6 stays empty with probability C(18, 5) / C(24, 5)."""
    mask = np.arange(24) < 5
    (table,) = dead_filters(tickets_keeping([mask], [(4, 3, 2, 1)])).itertuples()
    assert table.expected_outputs == pytest.approx(4 * comb(18, 5) / comb(24, 5))
    assert table.expected_inputs == pytest.approx(3 * comb(16, 5) / comb(24, 5))


def test_random_masks_have_as_many_dead_filters_as_expected():
    generator = numpy_generator(1, "dead")
    masks = np.stack([generator.permutation(400) < 30 for _ in range(200)])
    table = dead_filters(tickets_keeping(masks, [(40, 10)]))
    for side in ("outputs", "inputs"):
        dead = table[f"dead_{side}"]
        assert abs(dead.mean() - table[f"expected_{side}"][0]) < 4 * dead.std() / len(dead) ** 0.5


def test_tensors_of_one_dimension_have_no_filters():
    assert dead_filters(tickets_keeping([[1, 0, 1]], [(3,)])).empty
