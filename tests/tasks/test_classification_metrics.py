"""The figures against scikit-learn, against hand-made tables, and where they are undefined."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

from rtl_core.errors import BadInput
from rtl_core.statistics.estimates import json_number
from rtl_core.statistics.intervals import mover_mean, wilson
from rtl_core.tasks.classification_metrics import binary_metrics, multiclass_metrics

FIGURES = (
    "balanced_accuracy",
    "recall",
    "precision",
    "specificity",
    "roc_auc",
    "average_precision",
    "accuracy",
)


def logits_for(y: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(len(y), n_classes)) + 1.5 * np.eye(n_classes)[y]


def assert_json_ready(figures: dict) -> None:
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def assert_inside_intervals(figures: dict) -> None:
    for metric in FIGURES:
        low, high = figures["ci"][metric]
        assert 0 <= low <= figures[metric] <= high <= 1, metric


def test_binary_by_hand():
    # 4 positives, of which 3 are found; 6 negatives, of which 4 are rejected; 5 said positive.
    y = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    score = [5, 4, 2, -1, 3, 1, -2, -3, -4, -5]
    figures = binary_metrics(y, score)
    assert figures["recall"] == 3 / 4
    assert figures["specificity"] == pytest.approx(4 / 6)
    assert figures["precision"] == 3 / 5
    assert figures["accuracy"] == 7 / 10
    assert figures["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert figures["roc_auc"] == pytest.approx((6 + 6 + 5 + 4) / 24)
    assert figures["average_precision"] == pytest.approx((1 / 1 + 2 / 2 + 3 / 4 + 4 / 6) / 4)
    assert (figures["n"], figures["n_pos"], figures["n_neg"], figures["constant"]) == (10, 4, 6, False)
    for metric, (k, n) in {"recall": (3, 4), "specificity": (4, 6), "precision": (3, 5), "accuracy": (7, 10)}.items():
        assert figures["ci"][metric] == pytest.approx(wilson(k, n))
    lows, highs = wilson([3, 4], [4, 6])
    assert figures["ci"]["balanced_accuracy"] == pytest.approx(mover_mean([3 / 4, 4 / 6], lows, highs))
    assert_json_ready(figures)
    assert_inside_intervals(figures)


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.7])
def test_binary_is_scikit_learns(threshold):
    generator = np.random.default_rng(0)
    y = generator.random(300) < 0.3
    score = (generator.normal(size=300) + y).round(1)
    figures = binary_metrics(y, score, threshold)
    message = score > threshold
    assert figures["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, message))
    assert figures["recall"] == pytest.approx(sk.recall_score(y, message))
    assert figures["precision"] == pytest.approx(sk.precision_score(y, message))
    assert figures["specificity"] == pytest.approx(sk.recall_score(~y, ~message))
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(y, message))
    assert figures["roc_auc"] == pytest.approx(sk.roc_auc_score(y, score))
    assert figures["average_precision"] == pytest.approx(sk.average_precision_score(y, score))
    assert_inside_intervals(figures)


def test_a_score_at_the_threshold_is_a_no():
    assert binary_metrics([1, 0], [0.0, 0.0])["recall"] == 0


def test_binary_with_one_class_leaves_undefined_what_needs_both():
    figures = binary_metrics(np.ones(5, bool), np.arange(5) - 2.0)
    assert figures["recall"] == figures["accuracy"] == 2 / 5
    for metric in ("balanced_accuracy", "specificity", "roc_auc", "average_precision"):
        assert figures[metric] is None
        assert figures["ci"][metric] == [None, None]
    assert_json_ready(figures)


def test_binary_without_rows_is_undefined_throughout():
    figures = binary_metrics([], [])
    assert all(figures[metric] is None for metric in FIGURES)
    assert (figures["n"], figures["constant"]) == (0, False)
    assert_json_ready(figures)


def test_a_dead_ticket_is_flagged_and_its_precision_undefined():
    figures = binary_metrics([1, 0, 0, 1], [-0.3, -0.3, -0.3, -0.3 * (1 + 1e-8)])
    assert figures["constant"] is True
    assert figures["precision"] is None
    assert figures["balanced_accuracy"] == 0.5
    assert binary_metrics([1, 0, 0, 1], [-0.3, -0.3, -0.3, -0.301])["constant"] is False


def test_infinite_scores_rank_at_the_ends():
    figures = binary_metrics([1, 1, 0, 0], [np.inf, 1.0, -1.0, -np.inf])
    assert figures["roc_auc"] == figures["average_precision"] == 1


def test_all_correct_is_not_certain():
    figures = binary_metrics([1] * 10 + [0] * 10, [1.0] * 10 + [-1.0] * 10)
    assert all(figures[metric] == 1 for metric in FIGURES)
    assert all(0.5 < figures["ci"][metric][0] < 1 == figures["ci"][metric][1] for metric in FIGURES)


def test_copies_of_pictures_do_not_narrow_an_interval():
    generator = np.random.default_rng(1)
    y = generator.random(60) < 0.4
    score = generator.normal(size=60) + y
    once = binary_metrics(y, score)
    copies = binary_metrics(np.tile(y, 5), np.tile(score, 5), units=np.tile(np.arange(60), 5))
    naive = binary_metrics(np.tile(y, 5), np.tile(score, 5))
    for metric in FIGURES:
        assert copies["ci"][metric] == pytest.approx(once["ci"][metric]), metric
        assert np.ptp(naive["ci"][metric]) < 0.6 * np.ptp(once["ci"][metric]), metric


def test_multiclass_is_scikit_learns():
    y = np.random.default_rng(2).choice(4, size=400, p=[0.1, 0.2, 0.3, 0.4])
    logits = logits_for(y, 4, 3)
    probabilities = special.softmax(logits, axis=1)
    message = logits.argmax(axis=1)
    figures = multiclass_metrics(y, logits)
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(y, message))
    assert figures["balanced_accuracy"] == figures["recall"] == pytest.approx(sk.balanced_accuracy_score(y, message))
    assert figures["precision"] == pytest.approx(sk.precision_score(y, message, average="macro"))
    assert figures["roc_auc"] == pytest.approx(sk.roc_auc_score(y, probabilities, multi_class="ovr"))
    one_hot = np.eye(4)[y]
    assert figures["average_precision"] == pytest.approx(sk.average_precision_score(one_hot, probabilities))
    specificities = [sk.recall_score(y != c, message != c) for c in range(4)]
    assert figures["specificity"] == pytest.approx(np.mean(specificities))
    assert (figures["n"], figures["n_pos"], figures["n_neg"]) == (400, None, None)
    assert figures["absent"] == figures["never_predicted"] == []
    assert_json_ready(figures)
    assert_inside_intervals(figures)


def test_multiclass_intervals_of_accuracies_are_wilson_and_mover():
    y = np.repeat([0, 1, 2], [10, 20, 30])
    logits = logits_for(y, 3, 4)
    figures = multiclass_metrics(y, logits)
    hits = np.bincount(y[logits.argmax(axis=1) == y], minlength=3)
    lows, highs = wilson(hits, [10, 20, 30])
    assert figures["ci"]["accuracy"] == pytest.approx(wilson(hits.sum(), 60))
    assert figures["ci"]["balanced_accuracy"] == pytest.approx(mover_mean(hits / [10, 20, 30], lows, highs))


def test_logits_and_their_probabilities_give_the_same_figures():
    y = np.random.default_rng(5).integers(3, size=90)
    logits = logits_for(y, 3, 6)
    from_logits = multiclass_metrics(y, logits)
    from_probabilities = multiclass_metrics(y, special.softmax(logits, axis=1))
    assert from_probabilities["roc_auc"] == pytest.approx(from_logits["roc_auc"])
    assert from_probabilities["ci"]["average_precision"] == pytest.approx(from_logits["ci"]["average_precision"])


def test_absent_classes_are_named_and_left_out_of_the_means():
    y = np.random.default_rng(7).integers(3, size=120)
    logits = np.insert(logits_for(y, 3, 8), 1, -np.inf, axis=1)  # a fourth class that nothing belongs to
    four = multiclass_metrics(np.array([0, 2, 3])[y], logits, classes=("cat", "dog", "fox", "owl"))
    three = multiclass_metrics(y, logits_for(y, 3, 8))
    assert four["absent"] == ["dog"]
    for metric in FIGURES:
        assert four[metric] == pytest.approx(three[metric]), metric


def test_a_class_that_is_never_predicted_is_named_and_costs_precision():
    y = np.array([0, 0, 0, 1, 1, 2])
    figures = multiclass_metrics(y, np.tile([2.0, 1.0, 0.0], (6, 1)), classes=("a", "b", "c"))
    assert figures["never_predicted"] == ["b", "c"]
    assert figures["precision"] == pytest.approx((3 / 6 + 0 + 0) / 3)
    assert figures["balanced_accuracy"] == pytest.approx(1 / 3)
    assert figures["constant"] is True
    assert figures["roc_auc"] == 0.5


def test_multiclass_with_one_class_leaves_ranking_undefined():
    figures = multiclass_metrics([1, 1, 1], logits_for(np.array([1, 1, 1]), 3, 9))
    assert figures["roc_auc"] is figures["average_precision"] is figures["specificity"] is None
    assert figures["ci"]["roc_auc"] == [None, None]
    assert figures["recall"] is not None
    assert figures["absent"] == ["0", "2"]
    assert_json_ready(figures)


def test_multiclass_without_rows_is_undefined_throughout():
    figures = multiclass_metrics(np.zeros(0, int), np.zeros((0, 3)))
    assert all(figures[metric] is None for metric in FIGURES)
    assert figures["absent"] == ["0", "1", "2"]
    assert_json_ready(figures)


def test_macro_area_covers():
    """The one-vs-rest areas share their rows; the interval of their mean must know that."""
    generator = np.random.default_rng(10)

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = generator.permutation(np.arange(n) % 3)
        return y, generator.normal(size=(n, 3)) + np.eye(3)[y]

    truth = multiclass_metrics(*sample(200_000))["roc_auc"]
    intervals = [multiclass_metrics(*sample(90))["ci"]["roc_auc"] for _ in range(300)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert abs(covered - 0.95) < 3.5 * np.sqrt(0.95 * 0.05 / 300)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binary_metrics([0, 2], [0.1, 0.2]), "0/1"),
        (lambda: binary_metrics([0, 1], [0.1]), "shape"),
        (lambda: binary_metrics([0, 1], [0.1, np.nan]), "NaN"),
        (lambda: binary_metrics([0, 1], [0.1, 0.2], units=[1]), "unit id"),
        (lambda: multiclass_metrics([0, 1], [0.1, 0.2]), "rows x classes"),
        (lambda: multiclass_metrics([0, 3], np.zeros((2, 3))), "0 to 2"),
        (lambda: multiclass_metrics([0.5, 1.0], np.zeros((2, 3))), "whole numbers"),
        (lambda: multiclass_metrics([0, 1], [[0.0, np.inf], [1.0, 0.0]]), "infinite"),
        (lambda: multiclass_metrics([0, 1], np.zeros((2, 3)), classes=("a", "b")), "3 columns"),
        (lambda: multiclass_metrics([0], np.zeros((2, 3))), "shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_json_number():
    assert json_number(np.float64(0.25)) == 0.25
    assert json_number(np.nan) is json_number(np.inf) is None
