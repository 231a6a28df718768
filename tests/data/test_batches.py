"""Batches are a pure function of the step and run through all rows."""

import numpy as np
import pytest

from rtl_core.data.batches import balanced, cyclic
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
