"""Batches are a pure function of the step and run through all rows."""

import numpy as np
import pytest

from rtl_core.data.batches import balanced, cyclic, pieces, reweighed
from rtl_core.errors import BadInput

ROWS = np.arange(100, 110)


@pytest.mark.parametrize("size", [3, 10, 25])
def test_every_pass_holds_every_row_once(size):
    at = cyclic(ROWS, size, 0, "x")
    stream = np.concatenate([at(step) for step in range(20)])
    for start in range(0, len(stream) - 10, 10):
        assert sorted(stream[start : start + 10]) == ROWS.tolist()


def test_a_batch_depends_on_its_step_alone():
    forward = [cyclic(ROWS, 4, 0, "x")(step) for step in range(12)]
    at = cyclic(ROWS, 4, 0, "x")
    backward = [at(step) for step in reversed(range(12))][::-1]
    assert np.array_equal(forward, backward)
    assert not np.array_equal(forward, [cyclic(ROWS, 4, 1, "x")(step) for step in range(12)])


def test_balanced_batches_have_equal_halves():
    at = balanced((ROWS[:2], ROWS[2:]), 8, 0, "x")
    for step in range(10):
        assert (at(step) < 102).sum() == 4


def test_an_empty_subset_is_refused():
    with pytest.raises(BadInput, match="empty"):
        cyclic(np.array([], int), 4, 0)


def test_reweighed_rows_make_group_and_class_independent():
    """600 women, 200 of them with yes; 300 men, 200 of them with yes: 4 of 9 say yes, and so do both groups then."""
    group = np.array(["w"] * 600 + ["m"] * 300)
    y = np.array([1] * 200 + [0] * 400 + [1] * 200 + [0] * 100)
    rows = np.arange(900) + 5
    drawn = reweighed(rows, group, y)
    assert len(drawn) == 900 and set(drawn) <= set(rows)
    g, c = group[drawn - 5], y[drawn - 5]
    counts = {(a, b): int(((g == a) & (c == b)).sum()) for a in "wm" for b in (0, 1)}
    for (a, b), expected in {("w", 1): 800 / 3, ("w", 0): 1000 / 3, ("m", 1): 400 / 3, ("m", 0): 500 / 3}.items():
        assert abs(counts[a, b] - expected) <= 1
    repeats = np.bincount(drawn - 5)[:200]  # women with yes count 4 / 3 each, spread evenly over them
    assert set(repeats) == {1, 2} and abs(repeats[:100].sum() - repeats[100:].sum()) <= 1


def test_reweighing_leaves_independent_rows_as_they_are():
    group, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert sorted(reweighed(np.arange(4), group, y)) == [0, 1, 2, 3]


def test_pieces_are_the_rows_in_order():
    assert [piece.tolist() for piece in pieces(ROWS, 4)] == [[100, 101, 102, 103], [104, 105, 106, 107], [108, 109]]
    assert list(pieces(ROWS[:0])) == []
