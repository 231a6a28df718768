"""Boxes around things: answered and true ones over their picture, and which are right, missed or false.

Outputs are a detector's maps and truth is float (most, 5), as in `rtl_core.tasks.boxes`. Answers with a score of `SURE`
or more count, as for the credit of a picture; one is right that COCO's rule gives a true box at an IoU of 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from app import colours
from app.answers.drawing import MISSED, RIGHT, WRONG, Answer, Region, called, grey
from rtl_core.models.detector_maps import GEOMETRY, STRIDE
from rtl_core.tasks.average_precision import matched
from rtl_core.tasks.boxes import decoded, overlaps
from rtl_core.tasks.detection import SURE

LEAST_IOU = 0.5
_ENLARGED = 640  # pixels of the longer side from which lines of two pixels are thin


def answered(outputs: np.ndarray) -> np.ndarray:
    """float (boxes, 6): class, score and corners of the sure boxes, the surest first."""
    (boxes,) = decoded(outputs[None], len(outputs) - GEOMETRY)
    return boxes[(boxes[:, 0] >= 0) & (boxes[:, 1] >= SURE)]


def _true(truth: np.ndarray) -> np.ndarray:
    return truth[truth[:, 0] >= 0]


def regions(outputs: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> list[Region]:
    """Missed things first, then false alarms, then what is right; the larger and the surer first."""
    boxes, true, words = answered(outputs), _true(truth), called(len(outputs) - GEOMETRY, names)
    taken, right = pairs(boxes, true)
    missed = [
        Region(tuple(map(float, box[1:])), "missed", {"true": words[int(box[0])], "IoU with an answer": float(best)})
        for box, best in zip(true, _best(true[:, 1:], boxes[:, 2:]), strict=True)
    ]
    missed = [region for i, region in enumerate(missed) if i not in taken]
    given = []
    for i, box in enumerate(boxes):
        of = right.get(i)
        iou = _best(box[None, 2:], true[:, 1:] if of is None else true[of : of + 1, 1:])[0]
        numbers = {"answered": words[int(box[0])], "score": float(box[1]), "IoU with the truth": float(iou)}
        given.append(Region(tuple(map(float, box[2:])), "false" if of is None else "right", numbers))
    return [*missed, *sorted(given, key=lambda region: region.outcome != "false")]


def pairs(boxes: np.ndarray, true: np.ndarray) -> tuple[set[int], dict[int, int]]:
    """({true boxes that are found}, {answered box: the true one that it finds}); the surest answer chooses first."""
    right = matched(boxes[None], true[None], np.array([LEAST_IOU])).right[0, 0] if len(true) else []
    iou, taken = overlaps(boxes[:, 2:], true[:, 1:]), {}
    for i in np.flatnonzero(right):
        free = [t for t in range(len(true)) if true[t, 0] == boxes[i, 0] and t not in taken.values()]
        taken[int(i)] = max(free, key=lambda t: iou[i, t])
    return set(taken.values()), taken


def _best(corners: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) the largest IoU of each with one of the others; 0 without others."""
    return overlaps(corners, others).max(axis=1, initial=0.0)


def _drawn(picture: np.ndarray | None, shape: tuple[int, int], lines: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """Outlines (corners, colour) over a picture that is enlarged so far that they hide little of it."""
    paper = picture if picture is not None and picture.shape[:2] == shape else np.rint(grey(None, shape)[0])
    times = enlarged(shape)
    image = Image.fromarray(paper.astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1))
    pen = ImageDraw.Draw(image)
    for corners, colour in lines:
        x0, y0, x1, y1 = (float(end) * times for end in corners)
        pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colours.rgb(colour), width=2)
    return np.asarray(image)


def enlarged(shape: tuple[int, int]) -> int:
    """How many pixels a side are drawn for one of the picture."""
    return max(1, round(_ENLARGED / max(shape)))


def _shape(outputs: np.ndarray) -> tuple[int, int]:
    return outputs.shape[1] * STRIDE, outputs.shape[2] * STRIDE


def _of_class(boxes: np.ndarray, corners: int) -> list[tuple[np.ndarray, str]]:
    palette = colours.of_labels(2 + int(boxes[:, 0].max(initial=0)))[1:]  # the first stands back, as backgrounds do
    return [(box[corners:], palette[int(box[0])]) for box in boxes]


def _answer(outputs: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    return _drawn(picture, _shape(outputs), _of_class(answered(outputs), 2))


def _truth(truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    true = _true(truth)
    shape = (
        picture.shape[:2] if picture is not None else tuple(np.ceil(true[:, [4, 3]].max(axis=0, initial=1)).astype(int))
    )
    return _drawn(picture, shape, _of_class(true, 1))


def _error(outputs: np.ndarray, truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    colour = {"right": RIGHT, "missed": MISSED, "false": WRONG}
    lines = [(np.array(region.box), colour[region.outcome]) for region in regions(outputs, truth, ())]
    return _drawn(picture, _shape(outputs), lines)


def _legend(outputs: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    classes = len(outputs) - GEOMETRY
    return list(zip(called(classes, names), colours.of_labels(classes + 1)[1:], strict=True))


BOXES = Answer(
    of_answer=_answer,
    of_truth=_truth,
    of_error=_error,
    reading="green: found, orange: missed, red: a false alarm",
    legend=_legend,
    regions=regions,
    enlarged=lambda outputs: enlarged(_shape(outputs)),
)
