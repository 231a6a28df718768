"""The detector's targets, losses and answers against plain slow ones, and the task as a run uses it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rtl_core.models.detector_maps import GEOMETRY, STRIDE, maps_shape
from rtl_core.tasks.boxes import LEAST_SCORE, MOST, OVERLAP_OF_ANSWERS, decoded, encoded, overlaps, peak_radius
from rtl_core.tasks.detection import DETECTION, detection_loss, focal_loss

CLASSES, HEIGHT, WIDTH = 3, 48, 64
SHAPE = maps_shape(CLASSES, HEIGHT, WIDTH)


def boxes_of(*pictures: list[tuple]) -> np.ndarray:
    y = np.zeros((len(pictures), max(1, *map(len, pictures)), 5), np.float32)
    y[:, :, 0] = -1
    for row, boxes in enumerate(pictures):
        y[row, : len(boxes)] = np.array(boxes, np.float32).reshape(-1, 5)
    return y


TRUTH = boxes_of(
    [(0, 3, 5, 20, 21), (2, 30, 10, 37, 40), (0, 44, 30, 63, 47), (1, 31, 12, 36, 38)],
    [],
    [(1, 0, 0, 64, 48)],
)


def plain_heat(boxes: np.ndarray) -> np.ndarray:
    """(classes, h, w) of one picture, a cell at a time."""
    heat = np.zeros((CLASSES, *SHAPE[1:]))
    for class_, x0, y0, x1, y1 in boxes:
        if class_ < 0:
            continue
        w, h = (x1 - x0) / STRIDE, (y1 - y0) / STRIDE
        # The distance by which both corners may move together until the IoU is 0.7, found by halving.
        low, high = 0.0, min(w, h)
        for _ in range(60):
            r = (low + high) / 2
            common = (w - r) * (h - r)
            low, high = (r, high) if common / (2 * w * h - common) > 0.7 else (low, r)
        sigma = (2 * low + 1) / 6
        column, row = math.floor((x0 + x1) / 2 / STRIDE), math.floor((y0 + y1) / 2 / STRIDE)
        for i in range(SHAPE[1]):
            for j in range(SHAPE[2]):
                value = math.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * sigma**2))
                heat[int(class_), i, j] = max(heat[int(class_), i, j], value)
    return heat


def test_the_heat_is_the_plain_one():
    heat, cell, geometry = encoded(torch.from_numpy(TRUTH), CLASSES, SHAPE[1:])
    for row, boxes in enumerate(TRUTH):
        np.testing.assert_allclose(heat[row].numpy(), plain_heat(boxes), atol=2e-5)
    assert (heat == 1).sum() == 5  # a centre each
    assert cell[0, 0] == 13 // STRIDE * SHAPE[2] + 11 // STRIDE
    np.testing.assert_allclose(geometry[0, 0], [math.log(17 / 4), math.log(4), 11.5 / 4 - 2, 13 / 4 - 3], atol=1e-5)


def test_a_radius_leaves_the_overlap_that_it_promises():
    w, h = torch.tensor([4.0, 20.0, 1.0]), torch.tensor([6.0, 3.0, 1.0])
    r = peak_radius(w, h)
    common = (w - r) * (h - r)
    np.testing.assert_allclose(common / (2 * w * h - common), 0.7, atol=1e-5)


def test_the_loss_is_the_plain_one():
    outputs = torch.from_numpy(np.random.default_rng(0).normal(0, 1.5, (3, *SHAPE)).astype(np.float32))
    total, boxes = 0.0, 0
    for maps, truth in zip(outputs.double().numpy(), TRUTH, strict=True):
        heat = plain_heat(truth)
        for where, y in np.ndenumerate(heat):
            p = 1 / (1 + math.exp(-maps[where]))
            total -= (1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p)
        for class_, x0, y0, x1, y1 in truth:
            if class_ >= 0:
                x, y = (x0 + x1) / 2 / STRIDE, (y0 + y1) / 2 / STRIDE
                wanted = (math.log((x1 - x0) / 4), math.log((y1 - y0) / 4), x - math.floor(x), y - math.floor(y))
                total += np.abs(maps[CLASSES:, math.floor(y), math.floor(x)] - wanted).sum()
                boxes += 1
    assert detection_loss(outputs, torch.from_numpy(TRUTH)).item() == pytest.approx(total / boxes, rel=1e-4)


def test_the_loss_stays_finite_where_the_outputs_are_sure():
    for value in (-200.0, 200.0):
        outputs = torch.full((1, *SHAPE), value, requires_grad=True)
        loss = detection_loss(outputs, torch.from_numpy(TRUTH[:1]))
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(outputs.grad).all()
    assert focal_loss(torch.full((1, 1, 2, 2), -50.0), torch.zeros(1, 1, 2, 2)) == 0


def test_pictures_without_boxes_have_a_loss_too():
    outputs = torch.zeros(2, *SHAPE)
    assert 0 < detection_loss(outputs, torch.from_numpy(boxes_of([], []))) < math.inf


def perfect_outputs(truth: np.ndarray) -> np.ndarray:
    """The maps that a detector would give which knows the boxes."""
    heat, cell, geometry = encoded(torch.from_numpy(truth), CLASSES, SHAPE[1:])
    maps = torch.zeros(len(truth), GEOMETRY, SHAPE[1] * SHAPE[2])
    for row in range(len(truth)):
        for place in np.flatnonzero(truth[row, :, 0] >= 0):
            maps[row, :, cell[row, place]] = geometry[row, place]
    logits = torch.logit(heat.clamp(1e-6, 1 - 1e-3))
    return torch.cat([logits, maps.unflatten(2, SHAPE[1:])], dim=1).numpy()


def test_decoding_what_was_encoded_gives_the_boxes():
    truth = boxes_of([*TRUTH[0, :3], (1, 11, 32, 26, 38)], [], TRUTH[2, :1])  # a centre a cell: one size fits there
    answers = decoded(perfect_outputs(truth), CLASSES)
    assert answers.shape == (3, MOST, 6) and answers.dtype == np.float32
    for given, true in zip(answers, truth, strict=True):
        sure, true = given[given[:, 1] > 0.9][:, [0, 2, 3, 4, 5]], true[true[:, 0] >= 0]
        order = np.lexsort(sure.T[::-1]), np.lexsort(true.T[::-1])
        np.testing.assert_allclose(sure[order[0]], true[order[1]], atol=1e-3)
    assert DETECTION.measure(answers, truth)(np.ones((1, 3)))[0] == pytest.approx([1.0, 1.0])


def plain_answers(maps: np.ndarray) -> list[tuple]:
    """Local maxima and non-maximum suppression, a box at a time."""
    h, w = SHAPE[1:]
    given = []
    for c in range(CLASSES):
        for i in range(h):
            for j in range(w):
                around = maps[c, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
                if maps[c, i, j] == around.max():
                    width, height, dx, dy = maps[CLASSES:, i, j].astype(float)
                    x, y, half_w, half_h = (j + dx) * 4, (i + dy) * 4, math.exp(width) * 2, math.exp(height) * 2
                    corners = np.clip([x - half_w, y - half_h, x + half_w, y + half_h], 0, [w * 4, h * 4] * 2)
                    given.append((c, 1 / (1 + math.exp(-float(maps[c, i, j]))), *corners))
    given = [box for box in sorted(given, key=lambda box: -box[1])[:MOST] if box[1] >= LEAST_SCORE]
    kept: list[tuple] = []
    for box in given:
        others = [other for other in kept if other[0] == box[0]]
        close = overlaps(np.array([box[2:]]), np.array([other[2:] for other in others]).reshape(-1, 4))
        if not (close > OVERLAP_OF_ANSWERS).any():
            kept.append(box)
    return kept


@pytest.mark.parametrize("shift", [-3.0, 0.0, 2.0])
def test_answers_are_the_plain_ones(shift):
    draw = np.random.default_rng(3)
    outputs = draw.normal(0, 1, (4, *SHAPE)).astype(np.float32)
    outputs[:, :CLASSES] += shift
    outputs[:, CLASSES : CLASSES + 2] += 1.5  # large boxes, which overlap
    for maps, given in zip(outputs, decoded(outputs, CLASSES), strict=True):
        expected = np.array(plain_answers(maps)).reshape(-1, 6)
        np.testing.assert_allclose(given[: len(expected)], expected, atol=1e-4)
        assert (given[len(expected) :] == (-1, 0, 0, 0, 0, 0)).all()


def test_suppression_drops_a_box_of_the_same_class_alone():
    outputs = np.full((1, *SHAPE), -9.0, np.float32)
    outputs[:, CLASSES:] = math.log(5)
    outputs[:, CLASSES + 2 :] = 0
    for class_, column, heat in ((0, 5, 3.0), (0, 7, 2.0), (1, 7, 1.0)):
        outputs[0, class_, 6, column] = heat
    apart = decoded(outputs, CLASSES)[0, :, 0]
    assert apart[apart >= 0].tolist() == [0, 0, 1]  # two cells apart and five wide: an IoU of 3 / 7
    outputs[:, CLASSES] = math.log(10)
    close = decoded(outputs, CLASSES)[0, :, 0]
    assert close[close >= 0].tolist() == [0, 1]  # 8 / 12


def test_an_answer_does_not_depend_on_the_pictures_next_to_it():
    outputs = np.random.default_rng(4).normal(0, 1, (5, *SHAPE)).astype(np.float32)
    alone = np.concatenate([decoded(one[None], CLASSES) for one in outputs])
    np.testing.assert_array_equal(decoded(outputs, CLASSES), alone)


def test_the_credit_of_a_picture_is_its_f1():
    truth = boxes_of([(0, 0, 0, 10, 10), (1, 20, 20, 30, 30)], [], [], [(0, 0, 0, 10, 10)])
    answers = np.zeros((4, MOST, 6))
    answers[:, :, 0] = -1
    answers[0, :3] = [(0, 0.9, 0, 0, 10, 10), (0, 0.8, 40, 40, 50, 50), (1, 0.2, 20, 20, 30, 30)]  # the last is unsure
    answers[2, 0] = (0, 0.9, 0, 0, 10, 10)
    np.testing.assert_allclose(DETECTION.credit(answers, truth), [2 * 1 / (2 + 2), 1.0, 0.0, 0.0])


def test_a_map_explains_the_strongest_centre_of_a_class():
    outputs = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0), requires_grad=True)
    heat = DETECTION.explained(outputs)
    assert heat.shape == (2, CLASSES)
    np.testing.assert_array_equal(heat.detach(), outputs[:, :CLASSES].detach().numpy().max(axis=(2, 3)))
    heat[0, 1].backward()
    assert (outputs.grad != 0).sum() == 1


def test_doubt_is_the_entropy_of_the_heat_alone():
    outputs = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    p = 1 / (1 + np.exp(-outputs[:, :CLASSES].double().numpy()))
    expected = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(DETECTION.doubt.of(outputs), expected, rtol=1e-5)
    assert DETECTION.doubt.of(torch.full((1, *SHAPE), -200.0)) == 0


def test_no_pictures_are_answered_too():
    truth, outputs = TRUTH[:0], np.zeros((0, *SHAPE), np.float32)
    answers = DETECTION.answer(outputs, truth)
    assert answers.shape == (0, MOST, 6) and DETECTION.credit(answers, truth).shape == (0,)
    assert np.isnan(DETECTION.measure(answers, truth)(np.ones((2, 0)))).all()
