"""Detection: a ticket says which things stand where in a picture, as boxes with a class and a score.

The detector has no anchors: it says of every cell how likely the centre of a thing of each class lies there, and how
large that is (CenterNet, "Objects as Points", Zhou, Wang and Kraehenbuehl 2019, arXiv 1904.07850). Deviations: sizes
are learned as logarithms, so that small things count as much as large ones, and answers go through a non-maximum
suppression.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.models.detector_maps import GEOMETRY, maps_shape
from rtl_core.statistics.estimates import json_interval, json_number
from rtl_core.statistics.intervals import bootstrap_units
from rtl_core.tasks.average_precision import Matches, class_statistic, matched, precision_at_recalls
from rtl_core.tasks.boxes import decoded, encoded
from rtl_core.tasks.task import Doubt, Figure, Statistic, Task

if TYPE_CHECKING:
    import torch

    from rtl_core.data.dataset import Dataset

REPLICATES = 500
# By the share of the picture that a box takes: COCO's bounds of 32 x 32 and 96 x 96 pixels, of its usual 640 x 480.
_SMALL, _MEDIUM = 32**2 / (640 * 480), 96**2 / (640 * 480)
SIZES = {"small": (0.0, _SMALL), "medium": (_SMALL, _MEDIUM), "large": (_MEDIUM, np.inf)}
SURE = 0.3  # the score from which an answer counts for the credit of a picture
SIZE_WEIGHT, OFFSET_WEIGHT = 1.0, 1.0  # of the losses of geometry, the heat's being 1
AP = Figure("ap", "AP")
AP50 = Figure("ap50", "AP at IoU 0.5")
PICTURE_F1 = Figure("picture_f1", "F1 of a picture at IoU 0.5")


def _output_shape(dataset: Dataset) -> tuple[int, int, int]:
    if dataset.kind != "image" or dataset.y.ndim != 3 or dataset.y.shape[2:] != (5,) or not dataset.classes:
        raise BadInput(
            f"'{dataset.spec}' has no boxes; task detection needs pictures with boxes, such as bundled:cells, "
            "coco:PATH, voc:PATH or yolo:PATH"
        )
    _, height, width = dataset.input_shape
    return maps_shape(len(dataset.classes), height, width)


def detection_loss(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Focal loss of the heat and L1 of sizes and offsets at the centres, each over the number of boxes of the batch."""
    classes = outputs.shape[1] - GEOMETRY
    heat, cell, geometry = encoded(truth, classes, outputs.shape[2:])
    there = (truth[:, :, 0] >= 0).float()
    boxes = there.sum().clamp_min(1)
    at = cell[:, None].expand(-1, GEOMETRY, -1)
    off = (outputs[:, classes:].flatten(2).gather(2, at).transpose(1, 2) - geometry).abs() * there[..., None]
    size, offset = off[..., :2].sum(), off[..., 2:].sum()
    return (focal_loss(outputs[:, :classes], heat) + SIZE_WEIGHT * size + OFFSET_WEIGHT * offset) / boxes


def focal_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """The sum over all cells: (1 - p)^2 log p at centres, (1 - heat)^4 p^2 log(1 - p) elsewhere, both negative."""
    from torch.nn import functional

    p = logits.sigmoid()
    at_centres = (1 - p).square() * functional.logsigmoid(logits)
    elsewhere = (1 - heat).pow(4) * p.square() * functional.logsigmoid(-logits)
    return -(at_centres * (heat == 1) + elsewhere * (heat < 1)).sum()


def _credit(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,): F1 at IoU 0.5 of the answers with a score of `SURE` or more; 1 where nothing is there and nothing said."""
    sure = np.where(answers[:, :, 1:2] >= SURE, answers, -1.0)
    hits = matched(sure, truth, np.array([0.5])).right[0].sum(axis=1)
    both = (sure[:, :, 0] >= 0).sum(axis=1) + (truth[:, :, 0] >= 0).sum(axis=1)
    return np.divide(2.0 * hits, both, out=np.ones(len(truth)), where=both > 0)


def _measure(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    """AP over IoU 0.5 to 0.95, and at 0.5; means over the classes that occur."""
    return _mean_of_classes(answers, truth, matched(answers, truth))


def _mean_of_classes(answers: np.ndarray, truth: np.ndarray, matches: Matches) -> Statistic:
    """Weights (b, n) -> (b, 2): AP and AP at the first threshold, means over the classes with a true box."""
    classes = np.unique(truth[:, :, 0][matches.true]).astype(int)
    of_class = [class_statistic(answers, truth, matches, c) for c in classes]

    def statistic(weights: np.ndarray) -> np.ndarray:
        if not of_class:
            return np.full((len(weights), 2), np.nan)
        each = np.stack([of(weights) for of in of_class])  # (classes, b, thresholds)
        there = ~np.isnan(each)
        sums, count = np.where(there, each, 0).sum(axis=0), there.sum(axis=0)
        mean = np.divide(sums, count, out=np.full_like(sums, np.nan), where=count > 0)
        return _over_thresholds(mean)

    return statistic


def _over_thresholds(values: np.ndarray) -> np.ndarray:
    """(b, thresholds) -> (b, 2): the mean, and that of the first."""
    return np.stack([values.mean(axis=1), values[:, 0]], axis=1)


def _details(answers: np.ndarray, truth: np.ndarray, units: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    """Under `boxes`: a row for each class, with its precision at every recall, and one for each size."""
    matches = matched(answers, truth)
    rows = []
    for c, name in enumerate(dataset.classes):
        own = matches.true & (truth[:, :, 0] == c)
        row = _box_row("class", name, _mean_of_classes(answers, truth, replace(matches, true=own)), own, units)
        curve = precision_at_recalls(answers, truth, c) if own.any() else None
        rows.append(row | ({} if curve is None else {"precision": np.round(curve, 4).tolist()}))
    pixels = dataset.input_shape[1] * dataset.input_shape[2]
    for name, (least, largest) in SIZES.items():
        of_size = matched(answers, truth, size=(least * pixels, largest * pixels))
        rows.append(_box_row("size", name, _mean_of_classes(answers, truth, of_size), of_size.true, units))
    return {"boxes": rows}


def _box_row(of: str, name: str, statistic: Statistic, true: np.ndarray, units: np.ndarray) -> dict[str, Any]:
    (values,) = statistic(np.ones((1, len(units))))
    low, high = bootstrap_units(statistic, units, seed=0, names=("boxes", name), replicates=REPLICATES)
    names = [figure.name for figure in (AP, AP50)]
    return {
        "of": of,
        "name": name,
        **dict(zip(names, map(json_number, values), strict=True)),
        "boxes": int(true.sum()),
        "n": int(true.any(axis=1).sum()),
        "ci": {each: json_interval(*bounds) for each, *bounds in zip(names, low, high, strict=True)},
    }


def _answer(outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return decoded(outputs, outputs.shape[1] - GEOMETRY)


def _heat_entropy(outputs: torch.Tensor) -> torch.Tensor:
    """(n,): how undecided the heat is, the mean over cells and classes of the entropy of centre or not, in nats.

    Tickets that see pictures unlike their own are warm all over. It leans to tickets that see little, though: between
    tickets that find nearly the same it says nothing (docs/detection.md).
    """
    from torch.nn import functional

    logits = outputs[:, :-GEOMETRY]
    p = logits.sigmoid()
    return (p * functional.softplus(-logits) + (1 - p) * functional.softplus(logits)).mean(dim=(1, 2, 3))


DETECTION = Task(
    name="detection",
    title="tickets that find things",
    figures=(AP, AP50),
    output_shape=_output_shape,
    pools=lambda own, rest: (own,),
    truth=lambda dataset, rows, own: dataset.y[rows],
    judged=lambda own: own,
    loss=detection_loss,
    answer=_answer,
    drawn_as="boxes",
    credit=_credit,
    credited=PICTURE_F1,
    measure=_measure,
    details=_details,
    doubt=Doubt("min_entropy", _heat_entropy),
    explains=lambda dataset, subset: dataset.classes,
    explained=lambda outputs: outputs[:, :-GEOMETRY].amax(dim=(2, 3)),
    explained_as="largest logit",
    network="centernet",
)
