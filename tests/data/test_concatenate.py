"""Two data sets as one: nothing twice, the first one's split, and the second itself where it holds the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rtl_core.config import DataSettings
from rtl_core.data import sources
from rtl_core.data.concatenate import joined, load_joined
from rtl_core.data.pictures import Pictures, picture_dataset
from rtl_core.errors import BadInput

CLASSES = ("a", "b", "c")


def pictures(values, y, split, classes=CLASSES, spec="toy"):
    """One flat grey picture per value."""
    x = np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 1, 8, 8)).copy()
    return picture_dataset(spec, Pictures(x, np.array(y), classes, np.array(split)))


FIRST = pictures([10, 20, 30, 40], [0, 1, 0, 1], ["train", "train", "val", "test"], ("a", "b"), "first")


def test_new_rows_follow_and_a_row_of_both_keeps_the_firsts_split():
    split = ["train", "train", "test", "val", "train"]
    second = pictures([40, 50, 60, 55, 10], [1, 0, 0, 0, 2], split, ("c", "b", "a"), "second")
    both = joined(FIRST, second)  # 40 is the first's test picture of class b
    assert both.x[:, 0, 0, 0].tolist() == [10, 20, 30, 40, 50, 60, 55]
    assert [both.classes[y] for y in both.y] == ["a", "b", "a", "b", "c", "c", "c"]
    assert both.split.tolist() == ["train", "train", "val", "test", "train", "test", "val"]
    assert len(set(both.unit)) == 7
    assert (both.mean, both.std, both.spec) == (FIRST.mean, FIRST.std, "first + second")
    assert both.fingerprint not in (FIRST.fingerprint, second.fingerprint)


def test_a_second_that_holds_the_first_is_taken_as_it_is():
    second = pictures([50, 40, 30, 20, 10], [2, 1, 0, 1, 0], ["train", "test", "val", "train", "train"])
    both = joined(FIRST, second)
    assert (both.fingerprint, both.spec) == (second.fingerprint, "toy")
    assert both.mean == FIRST.mean != second.mean
    assert joined(FIRST, FIRST) is FIRST


def test_another_split_is_not_taken_over():
    split = ["train", "train", "val", "train", "train", "test"]
    both = joined(FIRST, pictures([50, 40, 30, 20, 10, 60], [2, 1, 0, 1, 0, 2], split))
    assert both.split[3] == "test" and len(both) == 6


def test_the_same_values_under_another_class_are_not_tested_on_where_they_were_trained_on():
    """10 and 20 are train rows of the first; of a test row of it (40) nobody learns under another name."""
    split = ["test", "val", "train", "train", "train", "test"]
    both = joined(FIRST, pictures([10, 20, 40, 50, 70, 60], [0, 0, 1, 0, 1, 1], split, ("c", "d")))
    assert both.split[4:].tolist() == ["train", "train", "test", "train", "train", "test"]
    split = ["train", "train", "val", "test", "test", "train"]
    whole = pictures([10, 20, 30, 40, 10, 50], [0, 1, 0, 1, 2, 2], split)
    assert joined(FIRST, whole).split.tolist() == ["train", "train", "val", "test", "train", "train"]


def test_specs_with_a_plus_are_loaded_and_joined():
    settings = DataSettings(spec="bundled:digits + bundled:digits")
    assert load_joined(settings, 0).fingerprint == sources.load(DataSettings(spec="bundled:digits"), 0).fingerprint


def test_what_cannot_be_one():
    wide = replace(FIRST, spec="wide", x=np.zeros((4, 1, 8, 9), np.uint8), fingerprint="wide")
    with pytest.raises(BadInput, match=r"'wide' has inputs of shape \[1, 8, 9\]"):
        joined(FIRST, wide)
    with pytest.raises(BadInput, match="only the very same table"):
        joined(FIRST, replace(FIRST, kind="table", fingerprint="table"))
