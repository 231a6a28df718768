"""Weights taken away by who owns them; a network of which it is known which weight serves whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.groups import groupings, tidy_groups
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.weight_ablation import ablations, only, ownership_classes
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.tickets.layout import Layout


def written(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function gives, as its document."""
    return plain(function(*arguments, **options))


# Two weights that all keep, three that two keep, and one of each ticket's own.
MASKS = np.array([[1, 1, 1, 1, 0, 1, 0, 0], [1, 1, 1, 0, 1, 0, 1, 0], [1, 1, 0, 1, 1, 0, 0, 1]], bool)
LAYOUT = Layout(("one", "two"), ((5,), (3,)))
N = 40  # rows of each ticket and group


def subnetworks() -> list[Subnetwork]:
    return [Subnetwork(name, mask, {}, {}, {}) for name, mask in zip("abc", MASKS, strict=True)]


def decide(given) -> Predictions:
    """All are positive. Men are right while weight 0 is there; women while the ticket has its private weight."""
    k, n = len(given), 2 * N
    sex = np.tile(np.repeat(["F", "M"], N), k)
    private = ownership_classes(MASKS)["private"]
    alive = [{"F": (subnetwork.mask & private[i]).any(), "M": subnetwork.mask[0]} for i, subnetwork in enumerate(given)]
    ticket = np.repeat(np.arange(k), n)
    predicted = np.array([alive[t][s] for t, s in zip(ticket, sex, strict=True)]).astype(int)
    groups = tidy_groups(pd.DataFrame({"sex": sex}))[0]
    return Predictions(
        np.ones(k * n, int),
        predicted,
        np.full(k * n, np.nan),
        ticket,
        groups,
        np.arange(k * n),
        ("no", "yes"),
        tuple("abc"),
    )


def result() -> dict:
    grouping = groupings(decide(subnetworks()).groups, ["sex"])[0]
    divided = [(grouping, grouping.names.index("sex=M"))]
    return written(ablations, subnetworks(), LAYOUT, decide, lambda subnetwork, k: subnetwork, divided)


def test_every_kept_weight_is_of_one_class():
    classes = ownership_classes(MASKS)
    assert classes["all"].sum(axis=1).tolist() == [2, 2, 2]
    assert classes["some"].sum(axis=1).tolist() == [2, 2, 2]
    assert classes["private"].sum(axis=1).tolist() == [1, 1, 1]
    assert np.array_equal(sum(mask.astype(int) for mask in classes.values()), MASKS)


def test_it_is_seen_whose_weights_they_are():
    moved = {
        (record["class"], record["ticket"], record["group"]): record
        for record in result()["changes"]
        if record["metric"] == "tpr"
    }
    for ticket in ("a", "b", "c", None):
        assert moved["all", ticket, "sex=M"]["change"] == -1 and moved["all", ticket, "sex=F"]["change"] == 0
        assert moved["private", ticket, "sex=F"]["change"] == -1 and moved["private", ticket, "sex=M"]["change"] == 0
        assert moved["some", ticket, "sex=F"]["change"] == moved["some", ticket, "sex=M"]["change"] == 0
        assert moved["all", ticket, "sex=F"]["gap_change"] == 1
    assert moved["all", None, "sex=M"]["n"] == 3 * N


def test_the_excess_is_over_the_mean_of_the_random_ablations():
    for record in result()["changes"]:
        draws = record["random_changes"]
        if draws:
            assert record["excess"] == pytest.approx(record["change"] - np.mean(draws))
    # The private weight is the only one of layer two, so every random ablation of as many takes it as well.
    private = [r for r in result()["changes"] if (r["class"], r["metric"]) == ("private", "tpr")]
    assert all(r["excess"] == 0 and np.ptp(r["random_changes"]) == 0 for r in private if r["ticket"] is not None)


def test_weights_and_emptied_layers_are_listed():
    weights = {(record["class"], record["ticket"]): record for record in result()["weights"]}
    assert weights["private", "a"] == {"class": "private", "ticket": "a", "taken": 1, "kept": 5, "dead_layers": ["two"]}
    assert weights["some", "b"]["taken"] == 2 and weights["some", "b"]["dead_layers"] == []


def test_one_ticket_or_none_with_masks_is_refused():
    grouping = groupings(decide(subnetworks()).groups, ["sex"])[0]
    for given in (subnetworks()[:1], [Subnetwork("a", None, {}, {}, {})] * 2):
        with pytest.raises(BadInput, match="two tickets or more"):
            written(ablations, given, LAYOUT, decide, lambda subnetwork, k: subnetwork, [(grouping, 0)])


def test_some_of_the_decisions_keep_their_groups():
    some = only(decide(subnetworks()), np.array([0, N]))
    assert some.groups["sex"].tolist() == ["F", "M"] and len(some.y_pred) == 2
