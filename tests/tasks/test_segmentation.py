"""Figures and loss of tickets that label pixels, against plain loops over pixels."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from rtl_core.audit.evaluate import figures
from rtl_core.config import LossSettings, parse
from rtl_core.data.dataset import IGNORED, Dataset
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.tasks.catalogue import TASKS, task_of
from rtl_core.tasks.segmentation import SEGMENTATION, confusion, cross_entropy, ious

CLASSES = ("sky", "road", "tree")


def pictures(n: int = 9, side: tuple[int, int] = (6, 5), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(outputs, truth) of which a fifth is ignored, the last picture wholly, and no pixel of the first is a tree."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(3, size=(n, *side)).astype(np.uint8)
    truth[0] = np.minimum(truth[0], 1)
    outputs = draw.normal(size=(n, 3, *side)).astype(np.float32)
    outputs += 1.5 * np.eye(3, dtype=np.float32)[truth].transpose(0, 3, 1, 2)
    truth[draw.random(truth.shape) < 0.2] = IGNORED
    truth[-1] = IGNORED
    return outputs, truth


def by_hand(outputs: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, float | list[float]]:
    """Mean IoU, pixel accuracy and each class's IoU, a pixel at a time, picture i counted weights[i] times."""
    both, either, of_class = [0.0] * 3, [0.0] * 3, [0.0] * 3
    right = total = 0.0
    for picture, labels, weight in zip(outputs, truth, weights, strict=True):
        for row in range(labels.shape[0]):
            for column in range(labels.shape[1]):
                true = int(labels[row, column])
                if true == IGNORED:
                    continue
                answered = max(range(3), key=lambda c: picture[c, row, column])
                right, total = right + weight * (answered == true), total + weight
                for c in range(3):
                    both[c] += weight * (answered == c and true == c)
                    either[c] += weight * (answered == c or true == c)
                    of_class[c] += weight * (true == c)
    iou = [both[c] / either[c] if of_class[c] else math.nan for c in range(3)]
    known = [value for value in iou if not math.isnan(value)]
    return {
        "miou": sum(known) / len(known) if known else math.nan,
        "pixel_accuracy": right / total if total else math.nan,
        "iou": iou,
    }


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_a_loop_over_pixels(seed):
    outputs, truth = pictures(seed=seed)
    answers = SEGMENTATION.answer(outputs, truth)
    statistic = SEGMENTATION.measure(answers, truth)
    weights = np.random.default_rng(seed).integers(4, size=(5, len(truth))).astype(float)
    weights[0] = 1
    weights[1] = np.arange(len(truth)) == 0  # a picture without trees alone
    weights[2] = np.arange(len(truth)) == len(truth) - 1  # the one that is ignored alone
    for of_weights, (miou, accuracy) in zip(weights, statistic(weights), strict=True):
        expected = by_hand(outputs, truth, of_weights)
        assert miou == pytest.approx(expected["miou"], nan_ok=True)
        assert accuracy == pytest.approx(expected["pixel_accuracy"], nan_ok=True)
    assert np.isnan(statistic(weights)[2]).all() and np.isfinite(statistic(weights)[1]).all()


def test_every_class_has_its_iou_with_an_interval():
    outputs, truth = pictures()
    answers, units = SEGMENTATION.answer(outputs, truth), np.arange(len(truth))
    row = figures(SEGMENTATION, answers, truth, units, CLASSES)
    row |= SEGMENTATION.details(answers, truth, units, SimpleNamespace(classes=CLASSES))
    expected = by_hand(outputs, truth, np.ones(len(truth)))
    assert row["figures"] == pytest.approx({name: expected[name] for name in ("miou", "pixel_accuracy")})
    assert [entry["name"] for entry in row["by_class"]] == list(CLASSES)
    assert [entry["iou"] for entry in row["by_class"]] == pytest.approx(expected["iou"])
    assert [entry["pixels"] for entry in row["by_class"]] == [int((truth == c).sum()) for c in range(3)]
    assert [entry["n"] for entry in row["by_class"]] == [8, 8, 7]
    for entry in row["by_class"]:
        low, high = entry["ci"]["iou"]
        assert low < entry["iou"] < high
    assert json.loads(json.dumps(plain(row), allow_nan=False)) == row


def test_by_hand():
    truth = np.array([[[0, 0, 1, 1], [0, IGNORED, 1, 2]]], np.uint8)
    answer = np.array([[[0, 1, 1, 1], [0, 0, 0, 1]]])
    outputs = np.eye(3)[answer].transpose(0, 3, 1, 2)
    (matrix,) = confusion(outputs, truth)
    assert matrix.tolist() == [[2, 1, 0], [1, 2, 0], [0, 1, 0]]
    assert ious(matrix).tolist() == [2 / 4, 2 / 5, 0.0]
    statistic = SEGMENTATION.measure(matrix[None], truth)
    assert statistic(np.ones((1, 1)))[0] == pytest.approx([(2 / 4 + 2 / 5 + 0) / 3, 4 / 7])
    assert SEGMENTATION.credit(matrix[None], truth) == pytest.approx([(2 / 4 + 2 / 5 + 0) / 3])


def test_a_class_that_no_pixel_has_is_left_out_and_one_that_is_never_answered_counts_as_0():
    truth = np.zeros((1, 2, 2), np.uint8)
    truth[0, 0, 0] = 1
    outputs = np.zeros((1, 3, 2, 2))
    outputs[0, 0] = 1  # everything is called sky
    outputs[0, 2, 1, 1] = 2  # but for one tree that is none
    (iou,) = ious(confusion(outputs, truth))
    assert iou[:2].tolist() == [2 / 4, 0.0] and np.isnan(iou[2])


def test_a_picture_that_is_ignored_earns_nothing_and_changes_nothing():
    outputs, truth = pictures()
    answers = SEGMENTATION.answer(outputs, truth)
    assert not answers[-1].any() and SEGMENTATION.credit(answers, truth)[-1] == 0
    whole = SEGMENTATION.measure(answers, truth)(np.ones((1, 9)))
    assert np.array_equal(whole, SEGMENTATION.measure(answers[:-1], truth[:-1])(np.ones((1, 8))))


def test_no_rows_have_answers_of_the_same_shape():
    assert SEGMENTATION.answer(np.zeros((0, 3, 4, 4)), np.zeros((0, 4, 4), np.uint8)).shape == (0, 3, 3)


def test_the_interval_resamples_units():
    """Copies of a picture narrow nothing, and the interval covers what it is of."""
    outputs, truth = pictures(40, seed=3)
    outputs, truth = outputs[:-1], truth[:-1]
    answers = SEGMENTATION.answer(outputs, truth)
    once = figures(SEGMENTATION, answers, truth, np.arange(39), CLASSES)["ci"]
    copies = [np.tile(each, (3, 1, 1)) for each in (answers, truth)]
    grouped = figures(SEGMENTATION, *copies, np.tile(np.arange(39), 3), CLASSES)["ci"]
    naive = figures(SEGMENTATION, *copies, np.arange(117), CLASSES)["ci"]
    for name in ("miou", "pixel_accuracy"):
        assert grouped[name] == pytest.approx(once[name])
        assert np.ptp(naive[name]) < 0.75 * np.ptp(once[name])


def slow_loss(outputs: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    total = norm = 0.0
    for picture, labels in zip(outputs.astype(float), truth, strict=True):
        for row in range(labels.shape[0]):
            for column in range(labels.shape[1]):
                label = int(labels[row, column])
                if label != IGNORED:
                    logits = picture[:, row, column]
                    total += weights[label] * (math.log(sum(map(math.exp, logits))) - logits[label])
                    norm += weights[label]
    return total / norm if norm else 0.0


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 4.0], np.float32)])
def test_the_loss_is_that_of_a_loop_over_pixels(weights):
    outputs, truth = pictures()
    loss = cross_entropy(torch.from_numpy(outputs), torch.from_numpy(truth), weights)
    assert float(loss) == pytest.approx(slow_loss(outputs, truth, np.ones(3) if weights is None else weights), rel=1e-5)
    given = None if weights is None else torch.from_numpy(weights)
    target = torch.from_numpy(truth).long()
    usual = functional.cross_entropy(torch.from_numpy(outputs), target, given, ignore_index=IGNORED)
    assert float(loss) == pytest.approx(float(usual), rel=1e-6)


def test_a_batch_without_labels_moves_nothing():
    outputs = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = cross_entropy(outputs, torch.full((2, 4, 4), IGNORED, dtype=torch.uint8))
    loss.backward()
    assert float(loss.detach()) == 0 and not outputs.grad.any()


def dataset(y: np.ndarray, classes: tuple[str, ...] = CLASSES) -> Dataset:
    n = len(y)
    split = np.array(["train"] * (n - 2) + ["val", "test"])
    x = np.zeros((n, 1, *y.shape[1:]), np.uint8)
    return Dataset("toy:pixels", "image", x, y, classes, pd.DataFrame(index=range(n)), split, np.arange(n), "0")


def test_weights_are_one_over_the_root_of_each_class_s_share_of_train_pixels():
    y = np.full((4, 5, 5), IGNORED, np.uint8)
    y[0, :4, :4] = 0
    y[0, 4] = [1, 1, 1, 1, IGNORED]
    y[2:] = 2  # in val and test alone
    data = dataset(y)
    outputs, truth = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1)), torch.from_numpy(y[:2])
    weighted = SEGMENTATION.on(data, LossSettings(class_weights="inverse_root"))
    expected = slow_loss(outputs.numpy(), y[:2], np.array([1 / math.sqrt(0.8), 1 / math.sqrt(0.2), 1]))
    assert float(weighted.loss(outputs, truth)) == pytest.approx(expected, rel=1e-5)
    plain_loss = SEGMENTATION.on(data, LossSettings())
    assert float(plain_loss.loss(outputs, truth)) == pytest.approx(slow_loss(outputs.numpy(), y[:2], np.ones(3)))


def test_doubt_is_the_mean_entropy_of_the_pixels():
    outputs = torch.zeros(2, 3, 4, 4)
    outputs[1, 0] = 50
    assert SEGMENTATION.doubt.of(outputs).tolist() == pytest.approx([math.log(3), 0], abs=1e-6)


def test_what_a_map_explains_is_the_logit_where_the_class_is_likely():
    outputs = torch.full((1, 3, 4, 4), -20.0)
    outputs[:, 0] = 0.0
    outputs[0, 1, :2], outputs[0, 0, :2] = 7.0, -13.0
    sky, road, _ = SEGMENTATION.explained(outputs)[0].tolist()
    assert road == pytest.approx(7, abs=1e-4) and sky == pytest.approx(0, abs=1e-4)
    assert SEGMENTATION.explains(dataset(np.zeros((4, 2, 2), np.uint8)), "any") == CLASSES


def test_data_without_masks_are_refused():
    flat = dataset(np.zeros((4, 2, 2), np.uint8), classes=())
    with pytest.raises(BadInput, match="has no class for each pixel; task segmentation needs pictures with masks"):
        SEGMENTATION.output_shape(flat)
    with pytest.raises(BadInput, match="no class for each row"):
        TASKS["multiclass"].output_shape(dataset(np.zeros((4, 2, 2), np.uint8)))


def test_other_tasks_weigh_no_classes():
    with pytest.raises(BadInput, match=r"loss.class_weights: task 'multiclass' weighs no classes"):
        task_of(parse({"loss": {"class_weights": "inverse_root"}}))
    assert task_of(parse({"task": "segmentation", "loss": {"class_weights": "inverse_root"}})) is SEGMENTATION
