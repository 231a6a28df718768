"""Average precision against pycocotools, and what weights of pictures mean."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rtl_core.statistics.intervals import bootstrap_units
from rtl_core.tasks import average_precision
from rtl_core.tasks.average_precision import (
    EVERY_SIZE,
    RECALLS,
    THRESHOLDS,
    class_statistic,
    matched,
    precision_at_recalls,
)
from rtl_core.tasks.boxes import MOST
from rtl_core.tasks.detection import DETECTION

SIZES = (EVERY_SIZE, (0.0, 200.0), (200.0, 900.0), (900.0, np.inf))


def scene(seed: int, n: int, classes: int, most: int = 9, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(answers, true boxes) of n pictures: some found well, some badly, some not, and some invented; `levels`: of how
    many different scores, so that there are ties."""
    draw = np.random.default_rng(seed)
    truth = np.zeros((n, most, 5))
    truth[:, :, 0] = -1
    answers = np.zeros((n, MOST, 6))
    answers[:, :, 0] = -1
    for row in range(n):
        own, given = draw.integers(most + 1), []
        for place in range(own):
            corner, size = draw.integers(0, 60, 2), draw.integers(4, 50, 2)
            truth[row, place] = [draw.integers(classes), *corner, *(corner + size)]
            for _ in range(draw.integers(3)):
                moved = truth[row, place, 1:] + draw.normal(0, draw.choice([0, 1, 4]), 4)
                given.append([draw.choice([truth[row, place, 0], draw.integers(classes)]), draw.random(), *moved])
        for _ in range(draw.integers(4)):
            corner = draw.integers(0, 60, 2)
            given.append([draw.integers(classes), draw.random(), *corner, *(corner + draw.integers(4, 50, 2))])
        given = np.array(given).reshape(-1, 6)
        if levels:
            given[:, 1] = np.ceil(given[:, 1] * levels) / levels
        given[:, 4:] = np.maximum(given[:, 4:], given[:, 2:4])
        answers[row, : len(given)] = given[np.argsort(-given[:, 1], kind="stable")]
    return answers, truth


def by_pycocotools(answers: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(AP (sizes, classes, thresholds), precision at recalls (classes, 101) at IoU 0.5); NaN without true boxes."""

    def listed(boxes: np.ndarray, first: int) -> list[dict]:
        each = [(row, *box) for row, of_row in enumerate(boxes) for box in of_row if box[0] >= 0]
        return [
            {
                "id": number,
                "image_id": row + 1,
                "category_id": int(class_) + 1,
                "bbox": [*corners[:2], corners[2] - corners[0], corners[3] - corners[1]],
                "area": (corners[2] - corners[0]) * (corners[3] - corners[1]),
                "iscrowd": 0,
                **({"score": more[0]} if more else {}),
            }
            for number, (row, class_, *values) in enumerate(each, 1)
            for more, corners in ((values[:first], values[first:]),)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        true, given = COCO(), COCO()
        images = [{"id": i + 1} for i in range(len(truth))]
        categories = [{"id": c + 1, "name": str(c)} for c in range(classes)]
        true.dataset = {"images": images, "categories": categories, "annotations": listed(truth, 0)}
        given.dataset = {"images": images, "categories": categories, "annotations": listed(answers, 1)}
        true.createIndex()
        given.createIndex()
        judge = COCOeval(true, given, "bbox")
        judge.params.areaRng = [[low, min(high, 1e10)] for low, high in SIZES]
        judge.params.areaRngLbl = ["all", "small", "medium", "large"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][..., -1]  # thresholds, recalls, classes, sizes
    precision = np.where(precision < 0, np.nan, precision)
    return precision.mean(axis=1).transpose(2, 1, 0), precision[0, :, :, 0].T


@pytest.mark.parametrize(
    ("seed", "n", "classes", "levels"),
    [
        (0, 12, 3, None),
        (1, 30, 1, None),
        (2, 20, 3, 4),
        (3, 8, 12, None),
        (4, 25, 2, 1),
        (5, 1, 3, None),
        (6, 40, 5, 10),
    ],
)
def test_it_is_pycocotools_s_to_four_decimals(seed, n, classes, levels):
    answers, truth = scene(seed, n, classes, levels=levels)
    expected, curves = by_pycocotools(answers, truth, classes)
    once = np.ones((1, n))
    for size, of_size in zip(SIZES, expected, strict=True):
        matches = matched(answers, truth, size=size)
        ours = np.stack([class_statistic(answers, truth, matches, c)(once)[0] for c in range(classes)])
        np.testing.assert_allclose(ours, of_size, atol=5e-5)
    ours = np.stack([precision_at_recalls(answers, truth, c) for c in range(classes)])
    np.testing.assert_allclose(ours, curves, atol=5e-5)
    ap, ap50 = DETECTION.measure(answers, truth)(once)[0]
    np.testing.assert_allclose([ap, ap50], [np.nanmean(expected[0]), np.nanmean(expected[0, :, 0])], atol=5e-5)


def hand_made(answers: list[list[tuple]], truth: list[list[tuple]]) -> tuple[np.ndarray, np.ndarray]:
    given, true = np.zeros((len(answers), 4, 6)), np.zeros((len(truth), 4, 5))
    given[:, :, 0] = true[:, :, 0] = -1
    for row, (some, others) in enumerate(zip(answers, truth, strict=True)):
        given[row, : len(some)] = np.array(some).reshape(-1, 6)
        true[row, : len(others)] = np.array(others).reshape(-1, 5)
    return given, true


BOX, FAR = (0, 0, 0, 10, 10), (0, 30, 30, 40, 40)
HAND_MADE = {
    "nothing there, nothing said": ([[]], [[]], np.nan),
    "nothing there, something said": ([[(0, 0.9, 0, 0, 10, 10)]], [[]], np.nan),
    "something there, nothing said": ([[]], [[BOX]], 0.0),
    "exactly found": ([[(0, 0.9, 0, 0, 10, 10)]], [[BOX]], 1.0),
    "found twice: the second is wrong, after all is found": (
        [[(0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10, 10)]],
        [[BOX]],
        1.0,
    ),
    "a surer wrong one": ([[(0, 0.9, 30, 30, 40, 40), (0, 0.8, 0, 0, 10, 10)]], [[BOX]], 0.5),
    "one of two": ([[(0, 0.9, 0, 0, 10, 10)]], [[BOX, FAR]], 51 / 101),
    "another class": ([[(1, 0.9, 0, 0, 10, 10)]], [[BOX]], 0.0),
    "IoU of exactly a half counts at 0.5 alone": ([[(0, 0.9, 0, 0, 10, 5)]], [[BOX]], 0.1),
}


@pytest.mark.parametrize("case", HAND_MADE)
def test_it_is_what_it_is_by_hand(case):
    answers, truth, expected = HAND_MADE[case]
    answers, truth = hand_made(answers, truth)
    assert DETECTION.measure(answers, truth)(np.ones((1, 1)))[0, 0] == pytest.approx(expected, nan_ok=True)
    (first, _), *_ = by_pycocotools(answers, truth, 2)[0]
    assert first.mean() == pytest.approx(expected, nan_ok=True)


def test_a_picture_that_counts_twice_counts_as_two():
    answers, truth = scene(7, 15, 3)
    weights = np.random.default_rng(0).integers(0, 4, 15)
    twice = np.repeat(np.arange(15), weights)
    weighed = DETECTION.measure(answers, truth)(weights[None].astype(float))
    repeated = DETECTION.measure(answers[twice], truth[twice])(np.ones((1, len(twice))))
    np.testing.assert_allclose(weighed, repeated, atol=1e-12)


def test_many_weights_at_once_are_each_by_itself():
    answers, truth = scene(8, 10, 2)
    weights = np.random.default_rng(1).integers(0, 3, (6, 10)).astype(float)
    statistic = DETECTION.measure(answers, truth)
    np.testing.assert_array_equal(statistic(weights), np.concatenate([statistic(row[None]) for row in weights]))


def test_a_few_at_a_time_give_the_same(monkeypatch):
    answers, truth = scene(11, 20, 2)
    weights = np.random.default_rng(2).integers(0, 3, (7, 20)).astype(float)
    expected = DETECTION.measure(answers, truth)(weights)
    monkeypatch.setattr(average_precision, "PAIRS_AT_ONCE", 3 * answers.shape[1] * truth.shape[1])
    monkeypatch.setattr(average_precision, "NUMBERS_AT_ONCE", 1)
    np.testing.assert_array_equal(DETECTION.measure(answers, truth)(weights), expected)


def test_the_mean_of_the_curve_is_the_average_precision():
    answers, truth = scene(9, 20, 3)
    at_half = matched(answers, truth, THRESHOLDS[:1])
    for c in range(3):
        curve = precision_at_recalls(answers, truth, c)
        assert curve.shape == RECALLS.shape and (np.diff(curve) <= 0).all()
        assert curve.mean() == pytest.approx(class_statistic(answers, truth, at_half, c)(np.ones((1, 20)))[0, 0])


def test_the_house_s_bootstrap_gives_an_interval_around_it():
    answers, truth = scene(10, 60, 3)
    statistic = DETECTION.measure(answers, truth)
    (value,) = statistic(np.ones((1, 60)))
    low, high = bootstrap_units(statistic, np.arange(60), seed=0, names=("test",), replicates=300)
    assert (low < value).all() and (value < high).all()
    one_unit = bootstrap_units(statistic, np.arange(60) // 2, seed=0, names=("test",), replicates=300)
    assert not np.allclose(one_unit[0], low)
