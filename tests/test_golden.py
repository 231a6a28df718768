"""The golden outputs: what counts as a difference, and what is taken out because it changes by itself."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np

from benchmarks.golden.__main__ import chosen, differences, kind_of
from benchmarks.golden.items import Item, items
from benchmarks.golden.outputs import clean

PAGE, VERB = Item("pages/domains masks", "page", ()), Item("verbs/domains show", "verb", ())


def test_values_differ_exactly_or_beyond_a_tolerance():
    old, new = {"a": [1.0, float("nan"), True], "b": 2}, {"a": [1.0 + 1e-12, float("nan"), 1], "b": 2.0}
    assert [place for place, *_ in differences(old, new)] == ["/a/0", "/a/2"]
    assert [place for place, *_ in differences(old, new, 1e-9)] == ["/a/2"]


def test_an_element_more_is_one_difference():
    old = [{"body": "one"}, {"body": "two"}, {"body": "three"}]
    new = [old[0], {"body": "new"}, *old[1:]]
    assert list(differences(old, new)) == [("/1", "(nothing)", {"body": "new"})]
    assert list(differences(new, old)) == [("/1", {"body": "new"}, "(nothing)")]


def test_only_a_page_with_the_same_numbers_differs_in_words():
    assert kind_of(PAGE, "5 of 10 rungs", "5 of 10 levels") == "text"
    assert kind_of(PAGE, "5 of 10 rungs", "6 of 10 levels") == "value"
    assert kind_of(PAGE, 1.0, 2.0) == "value"
    assert kind_of(VERB, "safe", "unsafe") == "value"


def test_what_changes_by_itself_is_taken_out():
    figure = {"x": {"dtype": "f8", "bdata": base64.b64encode(np.arange(4.0).tobytes()).decode(), "shape": "2, 2"}}
    others = {"seconds": 3.2, "text": "about 12 s, made 2030-01-02 03:04", "where": "/a/work/out"}
    assert clean({**figure, **others}, Path("/a/work")) == {
        "x": [[0.0, 1.0], [2.0, 3.0]],
        "text": "about TIME, made TIME",
        "where": "WORK/out",
    }


def test_items_come_after_what_they_need():
    listed = items()
    names = [item.name for item in listed]
    assert len(set(names)) == len(names)
    assert all(need in names[:place] for place, item in enumerate(listed) for need in item.needs)
    assert [item.name for item in chosen(listed, ["runs/grown-domains"])] == [
        "runs/removed-domains",
        "runs/grown-domains",
    ]
