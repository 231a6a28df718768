"""Groups by mean credit: figures that are known on paper, and the test of their differences."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.credit import figure_of, in_points, permutation_p
from rtl_core.audit.fairness.predictions import GroupedRows, Predictions
from rtl_core.errors import BadInput
from rtl_core.tasks.segmentation import PICTURE_IOU


def answers(credit: np.ndarray, group: np.ndarray, unit: np.ndarray | None = None) -> Predictions:
    rows = GroupedRows(
        pd.DataFrame({"town": pd.Categorical(group)}), np.arange(len(credit)) if unit is None else unit, ()
    )
    return Predictions.of_credit(credit, PICTURE_IOU, np.zeros(len(credit), int), ("all",), rows)


def test_p_is_the_share_of_all_ways_to_deal_out_the_labels():
    values, size = np.array([0.1, 0.4, 0.5, 0.9, 0.95, 1.0]), 3
    observed = abs(values[:3].mean() - values[3:].mean())
    ways = [set(rows) for rows in combinations(range(6), size)]
    ranges = [abs(values[list(rows)].mean() - values[list(set(range(6)) - rows)].mean()) for rows in ways]
    expected = np.mean(np.array(ranges) >= observed - 1e-12)
    drawn = permutation_p([values[:3], values[3:]], 20_000, np.random.default_rng(0))
    assert drawn == pytest.approx(expected, abs=0.01)
    assert permutation_p([values, values], 500, np.random.default_rng(0)) == 1


def test_means_with_their_intervals_gaps_and_refusals():
    draw = np.random.default_rng(0)
    group = np.repeat(["big", "low", "few"], [200, 100, 5])
    credit = np.concatenate([draw.normal(0.7, 0.1, 200), draw.normal(0.5, 0.1, 100), np.full(5, 0.6)])
    report = fairness(answers(credit, group), ["town"], AuditSettings(permutations=2_000))
    cells = {cell.group: cell for cell in report.cells}
    for name in ("big", "low"):
        mean, of = cells[f"town={name}"], credit[group == name]
        assert mean.place.metric == "picture_miou" and mean.value == pytest.approx(of.mean())
        half = 1.97 * of.std(ddof=1) / np.sqrt(len(of))
        assert (mean.low, mean.high) == pytest.approx((of.mean() - half, of.mean() + half), abs=2e-3)
    assert cells["town=few"].status == "refused" and cells["town=few"].value is None
    (gap,) = [gap for gap in report.gaps if gap.group == "town=low"]
    assert gap.gap == pytest.approx(credit[group == "low"].mean() - credit[group == "big"].mean())
    assert gap.p < 0.01 and report.references == {"town": "town=big"}


def test_rows_of_one_unit_count_once_and_are_not_tested():
    draw = np.random.default_rng(1)
    group, credit = np.repeat(["a", "b"], 80), draw.random(160)
    report = fairness(answers(credit, group, np.repeat(np.arange(16), 10)), ["town"])
    assert {cell.denominator for cell in report.cells} == {8} and {cell.status for cell in report.cells} == {"refused"}
    assert report.tests == 0


def test_there_are_no_rates():
    with pytest.raises(BadInput, match="no metric 'tpr'; choose among: picture_miou"):
        fairness(answers(np.zeros(20), np.repeat(["a", "b"], 10)), ["town"], AuditSettings(metrics=("tpr",)))
    assert figure_of("tpr") is None and figure_of("picture_miou") is PICTURE_IOU
    assert in_points("picture_miou") and in_points("tpr") and not in_points("roc_auc")
