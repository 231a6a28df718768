"""What masks store: weights, and bits in three packings, by hand."""

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.storage_budget import budget
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.storage import check_budget, stored, stored_dense

LAYOUT = Layout(("a", "b"), ((4,), (2, 2)))
FIRST = np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)
SECOND = np.array([1, 0, 0, 1, 0, 0, 0, 0], bool)


def test_two_masks_by_hand():
    """Weights 0, 1, 3, 4 are kept; C(4, 2) C(4, 1) and C(4, 2) C(4, 0) masks have these counts."""
    both = stored([FIRST, SECOND], LAYOUT)
    assert (both.weights, both.bits, both.bits_union) == (4, 4 * 32 + 2 * 8, 4 * 32 + 8 + 2 * 4)
    assert both.bits_bound == pytest.approx(4 * 32 + np.log2(6 * 4) + np.log2(6))
    assert both.kilobytes == min(both.bits, both.bits_union) / 8000


def test_the_same_mask_twice_is_stored_once():
    assert stored([FIRST, FIRST.copy()], LAYOUT) == stored([FIRST], LAYOUT)
    one = stored([FIRST], LAYOUT)
    assert one.bits == one.bits_union == 3 * 32 + 8


def test_weights_of_their_own_are_all_stored():
    apart = stored([FIRST, SECOND], LAYOUT, separate=True)
    assert (apart.weights, apart.bits, apart.bits_union) == (5, 5 * 32 + 16, 5 * 32 + 16)
    assert stored_dense(7).bits == stored_dense(7).bits_union == stored_dense(7).bits_bound == 7 * 32


def test_the_union_is_the_smaller_packing_where_many_masks_keep_few_weights():
    masks = np.random.default_rng(0).random((10, 1000)) < 0.02
    what = stored(list(masks), Layout(("w",), ((1000,),)))
    assert what.bits_bound < what.bits_union < what.bits


@pytest.mark.parametrize(
    ("text", "weights", "kilobytes"),
    [("8000", 8000, None), (" 40KB ", None, 40.0), ("12.5 kb", None, 12.5), ("1", 1, None)],
)
def test_budgets_as_people_write_them(text, weights, kilobytes):
    assert (budget(text).weights, budget(text).kilobytes) == (weights, kilobytes)


@pytest.mark.parametrize("text", ["", "0", "0KB", "-4", "1.5", "40MB", "KB", "four", "1e4", "40KB each"])
def test_other_budgets_are_refused_with_an_example(text):
    with pytest.raises(BadInput, match="as 8000 or 40KB"):
        budget(text)


def test_a_budget_below_one_mask_is_refused_with_the_least():
    check_budget(budget("100"), 100, 1000)
    check_budget(budget("0.525KB"), 100, 1000)  # 100 weights of 4 bytes and 1,000 bits
    for text in ("99", "0.524KB"):
        with pytest.raises(BadInput, match=r"store 100 weights or 0.5 KB even if all of them keep the same"):
            check_budget(budget(text), 100, 1000)
