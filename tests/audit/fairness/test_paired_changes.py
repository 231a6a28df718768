"""The same rows decided twice, against textbook paired intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rtl_core.audit.fairness.groups import groupings, tidy_groups
from rtl_core.audit.fairness.paired_changes import changes, mean_of
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.documents import plain
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.intervals import newcombe, wilson


def written(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function gives, as its document."""
    return plain(function(*arguments, **options))


def decided(y: np.ndarray, predicted: np.ndarray, sex: np.ndarray, unit: np.ndarray | None = None) -> Predictions:
    n = len(y)
    unit = np.arange(n) if unit is None else unit
    groups = tidy_groups(pd.DataFrame({"sex": sex}))[0]
    return Predictions(y, predicted, np.full(n, np.nan), np.zeros(n, int), groups, unit, ("no", "yes"), ("all",))


def twice(n: int = 400, seed: int = 0) -> tuple[Predictions, Predictions]:
    generator = np.random.default_rng(seed)
    y, sex = generator.integers(0, 2, n), generator.choice(["F", "M"], n)
    predicted = np.where(generator.random(n) < 0.8, y, 1 - y)
    again = np.where((sex == "F") & (generator.random(n) < 0.2), 0, predicted)
    before = decided(y, predicted, sex)
    return before, replace(before, y_pred=again)


def by_place(before: Predictions, after: Predictions) -> dict[tuple[str, str], dict]:
    grouping = groupings(before.groups, ["sex"])[0]
    records = written(changes, before, after, grouping, grouping.names.index("sex=M"))
    return {(record["metric"], record["group"]): record for record in records}


def test_a_change_is_the_paired_difference_with_students_interval():
    before, after = twice()
    women = (before.groups["sex"] == "F").to_numpy() & (before.y_true == 1)
    moved = after.y_pred[women] - before.y_pred[women]
    result = by_place(before, after)["tpr", "sex=F"]
    assert result["n"] == women.sum()
    assert result["before"] == pytest.approx(before.y_pred[women].mean(), abs=1e-12)
    assert result["change"] == pytest.approx(moved.mean(), abs=1e-12)
    assert result["ci"]["change"] == pytest.approx(list(stats.ttest_1samp(moved, 0).confidence_interval(0.95)))
    assert result["ci"]["before"] == pytest.approx(wilson(before.y_pred[women].sum(), women.sum()))


def test_gaps_have_newcombes_intervals_and_their_change_is_that_of_the_group():
    before, after = twice()
    result = by_place(before, after)["selection_rate", "sex=F"]
    women = (before.groups["sex"] == "F").to_numpy()
    counts = after.y_pred[women].sum(), women.sum(), after.y_pred[~women].sum(), (~women).sum()
    assert result["gap_after"] == pytest.approx(after.y_pred[women].mean() - after.y_pred[~women].mean())
    assert result["ci"]["gap_after"] == pytest.approx(newcombe(*counts))
    assert result["gap_change"] == pytest.approx(result["change"])  # no man's decision changed
    assert result["gap_after"] - result["gap_before"] == pytest.approx(result["gap_change"])
    reference = by_place(before, after)["selection_rate", "sex=M"]
    assert reference["change"] == 0 and reference["ci"]["change"] == [None, None]
    assert "gap_change" not in reference


def test_copies_of_a_row_add_no_certainty():
    before, after = twice()
    grown = [
        replace(
            one,
            **{name: np.tile(getattr(one, name), 3) for name in ("y_true", "y_pred", "score", "ticket", "unit")},
            groups=pd.concat([one.groups] * 3, ignore_index=True),
        )
        for one in (before, after)
    ]
    once, thrice = by_place(before, after), by_place(*grown)
    for place in once:
        for name, ends in once[place]["ci"].items():
            assert thrice[place]["ci"][name] == (ends if None in ends else pytest.approx(ends))


def test_few_rows_are_small_and_fewer_refused():
    sex = np.array(["F"] * 9 + ["X"] * 12 + ["M"] * 40)
    y = np.tile([0, 1], 31)[: len(sex)]
    before = decided(y, y, sex)
    result = by_place(before, replace(before, y_pred=1 - y))
    assert result["accuracy", "sex=F"]["status"] == "refused" and result["accuracy", "sex=F"]["change"] is None
    assert result["accuracy", "sex=X"]["status"] == result["accuracy", "sex=X"]["gap_status"] == "small"
    assert result["accuracy", "sex=M"]["change"] == -1


def test_equal_values_have_no_interval():
    assert np.isnan(mean_of(np.full(7, 0.1), np.ones(7, bool), Units.rows(7)).interval()).all()
