"""Thresholds of one's own: what they are on paper, and what they may be trusted with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.groups import groupings, tidy_groups
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.thresholds import TICKET, ThresholdRule, tradeoff, what_if
from rtl_core.documents import plain
from rtl_core.errors import BadInput


def written(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function gives, as its document."""
    return plain(function(*arguments, **options))


def scored(score: np.ndarray, sex: np.ndarray, y: np.ndarray) -> Predictions:
    groups = tidy_groups(pd.DataFrame({"sex": sex}))[0]
    predicted, n = (score > 0.5).astype(int), len(score)
    return Predictions(y, predicted, score, (sex == "M").astype(int), groups, np.arange(n), ("no", "yes"), ("f", "m"))


def evenly() -> Predictions:
    """Women score .005, .015, ... to .495, men .505 to .995: all men and no woman are selected."""
    score = np.r_[np.arange(50) / 100 + 0.005, np.arange(50) / 100 + 0.505]
    return scored(score, np.repeat(["F", "M"], 50), np.tile([0, 1], 50))


def drawn(n: int = 2000, seed: int = 0) -> Predictions:
    generator = np.random.default_rng(seed)
    sex = generator.choice(["F", "M"], n)
    chance = np.clip(generator.beta(2, 2, n) - 0.2 * (sex == "F"), 0.01, 0.99)
    return scored(chance, sex, (generator.random(n) < chance).astype(int))


def units_and_groups(predictions: Predictions):
    grouping = groupings(predictions.groups, ["sex"])[0]
    return grouping, grouping.names.index("sex=M")


@pytest.mark.parametrize("by", [TICKET, "sex"])
def test_equal_selection_rates_are_met_halfway_between_two_scores(by):
    outcome = written(what_if, evenly(), evenly(), ThresholdRule(by, "selection_rate"), *units_and_groups(evenly()))
    # 50 of 100 were selected, so 25 of each 50 are.
    assert [row["threshold"] for row in outcome["thresholds"]] == pytest.approx([0.25, 0.75])
    after = {row["group"]: row["after"] for row in outcome["changes"] if row["metric"] == "selection_rate"}
    assert after == {"sex=F": 0.5, "sex=M": 0.5}
    warned = any("law" in note for note in outcome["notes"])
    assert warned == (by == "sex")


def test_equal_tpr_is_about_positives():
    rows = drawn(4000)
    outcome = written(what_if, rows, rows, ThresholdRule("sex", "tpr"), *units_and_groups(rows))
    after = [row["after"] for row in outcome["changes"] if row["metric"] == "tpr"]
    wanted = rows.y_pred[rows.y_true == 1].mean()
    assert after == pytest.approx([wanted, wanted], abs=0.002)


def test_equal_tpr_needs_positives_to_choose_on():
    outcome = written(what_if, evenly(), evenly(), ThresholdRule("sex", "tpr"), *units_and_groups(evenly()))
    assert [row["threshold"] for row in outcome["thresholds"]] == [None, None]
    assert "fewer than 30 validation rows" in outcome["thresholds"][0]["reason"]
    assert all(row["change"] == 0 for row in outcome["changes"])


def test_a_fixed_threshold_is_everybodys():
    outcome = written(what_if, evenly(), evenly(), ThresholdRule(TICKET, "fixed", 0.9), *units_and_groups(evenly()))
    assert {row["threshold"] for row in outcome["thresholds"]} == {0.9} and outcome["tradeoff"] == []
    after = {row["group"]: row["after"] for row in outcome["changes"] if row["metric"] == "selection_rate"}
    assert after == {"sex=F": 0.0, "sex=M": 0.2}


def test_thresholds_are_chosen_without_a_look_at_the_test_rows():
    validation, test = drawn(seed=0), drawn(seed=1)
    once = written(what_if, validation, test, ThresholdRule("sex", "selection_rate"), *units_and_groups(test))
    turned = replace(test, y_true=1 - test.y_true, score=1 - test.score)
    again = written(what_if, validation, turned, ThresholdRule("sex", "selection_rate"), *units_and_groups(test))
    assert once["thresholds"] == again["thresholds"]
    gaps = [row for row in once["changes"] if row["metric"] == "selection_rate" and row["group"] == "sex=F"]
    assert gaps[0]["gap_before"] < -0.2 and abs(gaps[0]["gap_after"]) < 0.1


def test_the_trade_off_keeps_its_tolerances_and_more_tolerance_costs_less():
    rows = drawn(4000)
    outcome = written(tradeoff, rows, rows, ThresholdRule("sex", "selection_rate"), *units_and_groups(rows))
    women = {row["tolerance"]: row for row in outcome if row["group"] == "sex=F" and row["metric"] == "selection_rate"}
    for tolerance, row in women.items():
        assert abs(row["gap_after"]) <= tolerance + 0.03  # lots are drawn, and the grid of rates is finite
    assert women[0.0]["accuracy"] < women[0.3]["accuracy"]


def test_what_has_no_scores_of_two_classes_is_refused():
    rows = evenly()
    for wrong, says in (
        (replace(rows, score=np.full(100, np.nan)), "no score"),
        (replace(rows, score=rows.score * 3), "between 0 and 1"),
        (replace(rows, classes=("a", "b", "c")), "two classes"),
    ):
        with pytest.raises(BadInput, match=says):
            written(what_if, wrong, wrong, ThresholdRule(TICKET, "selection_rate"), *units_and_groups(rows))
    with pytest.raises(BadInput, match="aim 'luck'"):
        written(what_if, rows, rows, ThresholdRule(TICKET, "luck"), *units_and_groups(rows))
    with pytest.raises(BadInput, match="no group column"):
        written(what_if, rows, rows, ThresholdRule("race", "selection_rate"), *units_and_groups(rows))
