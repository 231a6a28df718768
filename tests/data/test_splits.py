import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_core.config import DataSettings
from rtl_core.data.splits import absent_classes, check_rows, complete_split, limited_rows, stratified_order
from rtl_core.errors import BadInput

LABELS = np.repeat([0, 1, 2], [60, 30, 10])


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_every_beginning_of_a_stratified_order_holds_the_labels_in_proportion(counts, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    order = stratified_order(labels, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    for label, count in enumerate(counts):
        seen = np.cumsum(labels[order] == label)
        expected = np.arange(1, len(labels) + 1) * count / len(labels)
        assert np.abs(seen - expected).max() <= len(counts)
    assert set(labels[order[: len(counts)]]) == set(range(len(counts)))


def test_missing_parts_are_cut_in_the_shares_of_the_settings():
    split = complete_split(LABELS, None, DataSettings(test_share=0.2, val_share=0.25), seed=0)
    counts = {split_name: np.bincount(LABELS[split == split_name]).tolist() for split_name in ("train", "val", "test")}
    assert counts == {"train": [36, 18, 6], "val": [12, 6, 2], "test": [12, 6, 2]}


def test_parts_that_the_data_brings_stay():
    given_split = np.array(["train"] * 80 + ["test"] * 20)
    split = complete_split(LABELS, given_split, DataSettings(), seed=0)
    assert (np.flatnonzero(split == "test") == np.arange(80, 100)).all()
    assert (split == "val").sum() == 8


def test_the_split_depends_on_the_seed_and_on_nothing_else():
    first, again, other = (complete_split(LABELS, None, DataSettings(), seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_limit_thins_the_train_rows_in_proportion_and_leaves_the_others():
    split = np.where(np.arange(100) % 2 == 0, "train", "test")
    keep = limited_rows(LABELS, split, limit=10, seed=0)
    assert np.bincount(LABELS[keep][split[keep] == "train"]).tolist() == [6, 3, 1]
    assert (split[keep] == "test").sum() == 50
    assert (np.diff(keep) > 0).all()


def test_a_class_too_small_for_the_split_is_named():
    y = np.array([0] * 20 + [1] * 2)
    split = complete_split(y, None, DataSettings(), seed=0)
    with pytest.raises(BadInput, match=r"class 'rare' has 2 row.*at least 3"):
        check_rows(y, split, ("common", "rare"))


def test_classes_that_a_split_lacks_are_named():
    y, split = np.array([0, 1, 2, 0, 1, 2, 0, 1]), np.array(["train"] * 3 + ["val"] * 3 + ["test"] * 2)
    assert absent_classes(y, split, ("a", "b", "c")) == ("test has nothing of class 'c': its figures are without it",)
    assert absent_classes(y[:6], split[:6], ("a", "b", "c")) == ()
