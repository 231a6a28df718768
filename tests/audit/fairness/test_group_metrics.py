"""Cells against Fairlearn's MetricFrame, scikit-learn on boolean masks, and small tables counted on paper."""

from __future__ import annotations

from dataclasses import replace

import fairlearn.metrics as fair
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from scipy import stats

from rtl_core.audit.fairness.group_metrics import METRICS, Measure, Strata, measures, totals
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.predictions import Predictions, from_table
from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import mean_estimate, proportion, roc_auc
from rtl_core.statistics.intervals import newcombe, wilson

REFERENCE = {
    "selection_rate": lambda y, predicted, score: fair.selection_rate(y, predicted),
    "accuracy": lambda y, predicted, score: sk.accuracy_score(y, predicted),
    "tpr": lambda y, predicted, score: fair.true_positive_rate(y, predicted),
    "fpr": lambda y, predicted, score: fair.false_positive_rate(y, predicted),
    "fnr": lambda y, predicted, score: fair.false_negative_rate(y, predicted),
    "precision": lambda y, predicted, score: sk.precision_score(y, predicted),
    "balanced_accuracy": lambda y, predicted, score: sk.balanced_accuracy_score(y, predicted),
    "roc_auc": lambda y, predicted, score: sk.roc_auc_score(y, score),
    "calibration_error": lambda y, predicted, score: np.mean(score) - np.mean(y),
    "mean_score": lambda y, predicted, score: np.mean(score),
}
ROLES = {"y_true": "y", "y_pred": "said", "score": "score", "ticket": "ticket", "groups": ["race", "sex"]}


def random_table(n: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 2, n)
    score = np.round(np.clip(0.3 + 0.3 * y + generator.normal(0, 0.3, n), 0, 1), 2)
    columns = {"race": list("ABC"), "sex": ["F", "M"], "ticket": ["young", "old"]}
    choices = {name: generator.choice(values, n) for name, values in columns.items()}
    return pd.DataFrame({"y": y, "said": (score > 0.5).astype(int), "score": score, **choices})


def audited(frame: pd.DataFrame, **roles) -> tuple[Predictions, Strata, list[Grouping]]:
    predictions = from_table(frame, {**ROLES, **roles})
    columns = {**ROLES, **roles}["groups"]
    return predictions, Strata.of(predictions), groupings(predictions.groups, columns)


def toy(y: list[int], predicted: list[int], groups: list[str], **columns) -> list[Measure]:
    frame = pd.DataFrame({"y": y, "said": predicted, "g": groups, **columns})
    roles = {name: name for name in columns}
    predictions = from_table(frame, {"y_true": "y", "y_pred": "said", "groups": ["g"], **roles})
    return measures(predictions, Strata.of(predictions), groupings(predictions.groups, ["g"])[0])


def test_every_cell_is_the_metric_of_its_rows():
    frame = random_table(3000)
    predictions, strata, divided = audited(frame)
    assert strata.names == ("old", "young", None)
    for grouping in (*divided, totals(predictions)):
        for measure in measures(predictions, strata, grouping):
            for s, ticket in enumerate(strata.names):
                for g in range(len(grouping.names)):
                    rows = frame[(grouping.code == g) & ((frame.ticket == ticket) if ticket else True)]
                    expected = REFERENCE[measure.metric](rows.y, rows.said, rows.score)
                    assert measure.value[s, g] == pytest.approx(expected, abs=1e-12), (measure.metric, ticket)
                    assert measure.low[s, g] <= expected <= measure.high[s, g]


def test_cells_are_those_of_metricframe():
    frame = random_table(2000, seed=1)
    predictions, strata, divided = audited(frame)
    measured = measures(predictions, strata, divided[2])
    metrics = {name: REFERENCE[name] for name in METRICS if name not in ("roc_auc", "calibration_error", "mean_score")}
    theirs = fair.MetricFrame(
        metrics={name: (lambda y, predicted, of=of: of(y, predicted, None)) for name, of in metrics.items()},
        y_true=frame.y,
        y_pred=frame.said,
        sensitive_features=frame[["race", "sex"]],
        control_features=frame["ticket"],
    ).by_group
    for measure in measured[: len(metrics)]:
        for s, ticket in enumerate(("old", "young")):
            for g, name in enumerate(divided[2].names):
                race, sex = (piece.split("=")[1] for piece in name.split(","))
                assert measure.value[s, g] == pytest.approx(theirs[measure.metric][ticket, race, sex], abs=1e-12)


def test_intervals_are_the_known_ones():
    frame = random_table(800, seed=2)
    predictions, strata, divided = audited(frame)
    measured = {measure.metric: measure for measure in measures(predictions, strata, divided[1])}
    rows = frame[frame.sex == "M"]
    positive = rows.y == 1

    def interval(metric: str) -> tuple[float, float]:
        return measured[metric].low[2, 1], measured[metric].high[2, 1]

    assert interval("tpr") == pytest.approx(wilson(rows.said[positive].sum(), positive.sum()))
    area = roc_auc(positive.to_numpy(), rows.score.to_numpy(), Units.rows(len(rows)))
    assert interval("roc_auc") == pytest.approx((area.low, area.high))
    student = stats.ttest_1samp(rows.score - rows.y, 0).confidence_interval(0.95)
    assert interval("calibration_error") == pytest.approx(tuple(student))
    # Balanced accuracy is half of (tpr - fpr + 1), so its interval is half of Newcombe's.
    hits = rows.said[positive].sum(), positive.sum(), rows.said[~positive].sum(), (~positive).sum()
    assert interval("balanced_accuracy") == pytest.approx(tuple((1 + np.array(newcombe(*hits))) / 2))


def test_small_denominators_are_shown_and_smaller_ones_refused():
    # Group a: 40 rows, 12 positives. Group b: 9 rows. Group c: 30 rows, no positive.
    y = [1] * 12 + [0] * 28 + [1] * 5 + [0] * 4 + [0] * 30
    rows = {m.metric: m for m in toy(y, [1, 0] * 39 + [1], ["a"] * 40 + ["b"] * 9 + ["c"] * 30)}
    assert rows["accuracy"].status[0].tolist() == ["ok", "refused", "ok"]
    assert rows["tpr"].status[0].tolist() == ["small", "refused", "refused"]
    assert rows["tpr"].reason[0].tolist() == [
        "fewer than 30 positives (12): not ranked",
        "fewer than 10 positives (5)",
        "no positives",
    ]
    assert rows["tpr"].value[0, 0] == 0.5
    for metric in ("tpr", "fnr", "balanced_accuracy"):
        figures = rows[metric].value, rows[metric].low, rows[metric].high
        assert np.isnan([values[0, 1:] for values in figures]).all()
    assert rows["fpr"].status[0].tolist() == ["small", "refused", "ok"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_group_of_one_or_two_has_no_figures(n):
    result = toy([0, 1] * 20 + [1] * n, [0, 1] * 20 + [1] * n, ["a"] * 40 + ["b"] * n)
    assert all(measure.status[0, 1] == "refused" and np.isnan(measure.value[0, 1]) for measure in result)


def test_without_predicted_positives_there_is_no_precision():
    rows = {m.metric: m for m in toy([0, 1] * 20, [0] * 40, ["a"] * 40)}
    assert rows["precision"].reason[0, 0] == "no predicted positives"
    assert rows["selection_rate"].value[0, 0] == 0
    assert rows["selection_rate"].high[0, 0] > 0.05


def test_metrics_of_scores_want_scores_and_calibration_wants_probabilities():
    rows = {m.metric: m for m in toy([0, 1] * 20, [0, 1] * 20, ["a"] * 40)}
    assert rows["roc_auc"].reason[0, 0] == "there are no scores"
    rows = {m.metric: m for m in toy([0, 1] * 20, [0, 1] * 20, ["a"] * 40, score=[-2.0, 3.0] * 20)}
    assert rows["calibration_error"].status[0, 0] == "refused"
    assert rows["mean_score"].value[0, 0] == 0.5
    score = [0.2, 0.7] * 20
    score[0] = np.nan
    rows = {m.metric: m for m in toy([0, 1] * 20, [0, 1] * 20, ["a"] * 40, score=score)}
    assert rows["mean_score"].denominator[0, 0] == 39
    assert rows["calibration_error"].value[0, 0] == pytest.approx((19 * 0.2 - 20 * 0.3) / 39)


def test_a_score_that_never_varies_has_no_interval():
    rows = {m.metric: m for m in toy([0, 1] * 20, [1] * 40, ["a"] * 40, score=[0.7] * 40)}
    assert rows["mean_score"].value[0, 0] == pytest.approx(0.7)
    assert np.isnan([rows["mean_score"].low[0, 0], rows["mean_score"].high[0, 0]]).all()


def test_rows_of_one_unit_count_as_estimates_count_them():
    generator = np.random.default_rng(3)
    frame = random_table(600, seed=3).assign(person=generator.integers(0, 250, 600))
    predictions, strata, divided = audited(frame, unit="person")
    assert strata.repeated.all()
    measured = {measure.metric: measure for measure in measures(predictions, strata, divided[1])}
    for g, sex in enumerate(("F", "M")):
        rows = frame[frame.sex == sex]
        y, predicted = rows.y.to_numpy(bool), rows.said.to_numpy(bool)
        units = Units.from_ids(rows.person)
        tpr = proportion(predicted, y, units)
        assert (measured["tpr"].low[2, g], measured["tpr"].high[2, g]) == pytest.approx((tpr.low, tpr.high), abs=1e-12)
        assert measured["tpr"].denominator[2, g] == units.count(y)


def test_copies_of_rows_add_no_certainty():
    frame = random_table(300, seed=4).assign(person=np.arange(300), ticket="only")
    once = audited(frame, unit="person")
    thrice = audited(pd.concat([frame] * 3), unit="person")
    for a, b in zip(measures(*once[:2], once[2][0]), measures(*thrice[:2], thrice[2][0]), strict=True):
        for name in ("value", "low", "high", "denominator"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), nan_ok=True, abs=1e-9), a.metric


def test_a_unit_seen_once_by_every_ticket_is_repeated_only_where_tickets_are_taken_together():
    frame = random_table(200).assign(person=np.tile(np.arange(100), 2), ticket=["old"] * 100 + ["young"] * 100)
    assert audited(frame, unit="person")[1].repeated.tolist() == [False, False, True]


def test_more_classes_are_taken_one_against_the_rest_and_as_means():
    generator = np.random.default_rng(5)
    y = generator.choice(["cat", "dog", "emu"], 900)
    predicted = np.where(generator.random(900) < 0.6, y, generator.choice(["cat", "dog", "emu"], 900))
    groups = generator.choice(["a", "b"], 900)
    rows = {(m.metric, m.class_name): m for m in toy(list(y), list(predicted), list(groups))}
    for g, name in enumerate("ab"):
        truth, answer = y[groups == name], predicted[groups == name]
        assert rows["tpr", "dog"].value[0, g] == pytest.approx(np.mean(answer[truth == "dog"] == "dog"))
        assert rows["fpr", "dog"].value[0, g] == pytest.approx(np.mean(answer[truth != "dog"] == "dog"))
        assert rows["accuracy", None].value[0, g] == pytest.approx(np.mean(truth == answer))
        macro = sk.recall_score(truth, answer, average="macro")
        assert rows["tpr", None].value[0, g] == pytest.approx(macro, abs=1e-12)
        assert rows["balanced_accuracy", None].value[0, g] == pytest.approx(macro, abs=1e-12)
        assert rows["fnr", None].value[0, g] == pytest.approx(1 - macro, abs=1e-12)
        expected = sk.precision_score(truth, answer, average="macro")
        assert rows["precision", None].value[0, g] == pytest.approx(expected, abs=1e-12)
        units = Units.rows(len(truth))
        mean = mean_estimate([proportion(answer == c, truth == c, units) for c in ("cat", "dog", "emu")])
        tpr = rows["tpr", None]
        assert (tpr.low[0, g], tpr.high[0, g]) == pytest.approx((mean.low, mean.high), abs=1e-12)
    assert ("selection_rate", None) not in rows


def test_scores_of_more_classes_rank_each_against_the_rest():
    generator = np.random.default_rng(6)
    y, score = generator.integers(0, 3, 200), generator.random((200, 3))
    frame = pd.DataFrame({"y": y, "said": score.argmax(axis=1), "g": "a"})
    plain = from_table(frame, {"y_true": "y", "y_pred": "said", "groups": ["g"]})
    predictions = replace(plain, score=score)
    measured = measures(predictions, Strata.of(predictions), totals(predictions), ["roc_auc"])
    for c, measure in enumerate(measured):
        assert measure.class_name == str(c)
        assert measure.value[0, 0] == pytest.approx(sk.roc_auc_score(y == c, score[:, c]), abs=1e-12)


def test_unknown_metrics_are_refused():
    predictions, strata, divided = audited(random_table(50))
    with pytest.raises(BadInput, match="no metric 'recall'; choose among: selection_rate"):
        measures(predictions, strata, divided[0], ["recall"])
