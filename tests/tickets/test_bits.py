import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rtl_core.tickets import bits

few_masks = hnp.arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 200)))


def test_bit_order_and_filling_are_as_documented():
    mask = np.zeros((1, 10), dtype=bool)
    mask[0, [0, 3, 9]] = True
    assert bits.pack(mask).tolist() == [[0b00001001, 0b00000010]]


@given(few_masks)
def test_unpack_inverts_pack_whatever_the_length(masks):
    packed = bits.pack(masks)
    assert packed.shape == (len(masks), -(-masks.shape[1] // 8))
    unpacked = bits.unpack(packed, masks.shape[1])
    assert unpacked.dtype == bool
    assert np.array_equal(unpacked, masks)


@given(few_masks)
def test_counts_and_intersections_equal_those_of_sets(masks):
    kept = [set(np.flatnonzero(mask)) for mask in masks]
    packed = bits.pack(masks)
    assert bits.counts(packed).tolist() == [len(a) for a in kept]
    assert bits.intersections(packed).tolist() == [[len(a & b) for b in kept] for a in kept]


@given(few_masks, st.data())
def test_intersections_of_two_lists_keep_their_sides(masks, data):
    others = data.draw(hnp.arrays(bool, (data.draw(st.integers(1, 4)), masks.shape[1])))
    expected = [[int((a & b).sum()) for b in others] for a in masks]
    assert bits.intersections(bits.pack(masks), bits.pack(others)).tolist() == expected


@pytest.mark.parametrize("n", [64 * 4096 - 1, 64 * 4096 + 1, 3 * 64 * 4096 + 9])
def test_rows_longer_than_a_chunk_are_counted_to_the_end(n):
    masks = np.ones((3, n), dtype=bool)
    masks[1, ::2] = False
    masks[2, -1] = False
    expected = masks.astype(np.int64) @ masks.T.astype(np.int64)
    assert np.array_equal(bits.intersections(bits.pack(masks)), expected)
