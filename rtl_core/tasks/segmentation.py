"""The task of tickets that say for every pixel what it shows.

`Dataset.y` is then uint8 (n, h, w): for each pixel the index of its class in `Dataset.classes`, or `IGNORED` where
nobody says. All figures come from one confusion matrix a picture, which is what is kept of an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rtl_core.data.dataset import IGNORED, Dataset
from rtl_core.errors import BadInput
from rtl_core.statistics.estimates import json_interval, json_number
from rtl_core.statistics.intervals import bootstrap_units
from rtl_core.tasks.task import Doubt, Figure, Loss, Statistic, Task

if TYPE_CHECKING:
    import torch

    from rtl_core.config import LossSettings

MIOU = Figure("miou", "mean IoU")
PICTURE_IOU = Figure("picture_miou", "mean IoU of a picture")
PIXEL_ACCURACY = Figure("pixel_accuracy", "pixel accuracy")
REPLICATES = 500  # of the intervals of single classes


def _output_shape(dataset: Dataset) -> tuple[int, ...]:
    if dataset.pixel_labels is None:
        raise BadInput(
            f"'{dataset.spec}' has no class for each pixel; task segmentation needs pictures with masks, such as "
            "masks:PATH or bundled:nuclei"
        )
    return (len(dataset.classes), *dataset.y.shape[1:])


def _loss_for(dataset: Dataset, settings: LossSettings) -> Loss:
    """Cross-entropy, each pixel with the weight of its class, over the sum of these weights in the batch."""
    weights = _class_weights(dataset) if settings.class_weights == "inverse_root" else None

    def loss(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return cross_entropy(outputs, truth, weights)

    return loss


def _class_weights(dataset: Dataset) -> np.ndarray:
    """float32 (classes,): 1 / sqrt of each class's share of the labelled train pixels, 1 on average over these pixels;
    1 for classes that train has not."""
    pixels = np.bincount(dataset.y[dataset.rows("train")].ravel(), minlength=IGNORED + 1)[: len(dataset.classes)]
    share = pixels / max(pixels.sum(), 1)
    weights = np.divide(1, np.sqrt(share), out=np.zeros(len(share)), where=share > 0)
    mean = float(share @ weights)
    return np.where(share > 0, weights / (mean or 1), 1.0).astype(np.float32)


def cross_entropy(outputs: torch.Tensor, truth: torch.Tensor, weights: np.ndarray | None = None) -> torch.Tensor:
    """Mean over the pixels that are not ignored; 0 where all are. outputs (n, classes, h, w), truth uint8 (n, h, w)."""
    import torch
    from torch.nn import functional

    target = truth.long()
    given = None if weights is None else torch.from_numpy(weights).to(outputs.device)
    # Summed here: PyTorch's own sum over pixels is not the same from run to run on a GPU, and 0 / 0 without pixels.
    losses = functional.cross_entropy(outputs, target, given, ignore_index=IGNORED, reduction="none")
    labelled = target != IGNORED
    total = labelled.sum() if given is None else given[target[labelled]].sum()
    return losses.sum() / total.clamp(min=torch.finfo(outputs.dtype).tiny)


def confusion(outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """int32 (n, classes, classes): in how many pixels of each picture class i is answered as class j.

    outputs (n, classes, h, w), truth uint8 (n, h, w); ignored pixels count nowhere.
    """
    n, classes = outputs.shape[:2]
    answered, counted = outputs.argmax(axis=1), truth != IGNORED
    picture = np.broadcast_to(np.arange(n)[:, None, None], truth.shape)[counted]
    cell = (picture * classes + truth[counted]) * classes + answered[counted]
    return np.bincount(cell, minlength=n * classes**2).reshape(n, classes, classes).astype(np.int32)


def ious(matrices: np.ndarray) -> np.ndarray:
    """(..., classes): intersection over union of each class, of confusion matrices (..., classes, classes); NaN for a
    class that no pixel has."""
    right, true, answered = _sums(matrices)
    return _ious(right, true, answered)


def _sums(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., classes) each: pixels of a class that are answered as it, pixels of it, pixels answered as it."""
    return np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1), matrices.sum(axis=-2)


def _ious(right: np.ndarray, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    return np.divide(right, true + answered - right, out=np.full(np.shape(right), np.nan), where=true > 0)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    """(..., classes) -> (...): the mean of those that are not NaN; NaN where all are."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    total = np.where(present, values, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _credit(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The mean IoU of each picture over the classes that it shows; 0 for one whose pixels are all ignored."""
    return np.nan_to_num(_mean_of_present(ious(answers)))


def _weighted(answers: np.ndarray) -> Statistic:
    """Row weights (b, n) -> (b, 1 + classes): share of the pixels that are right, then each class's IoU."""
    sums = np.stack(_sums(answers), axis=1).astype(np.float64)  # n, 3, classes
    flat = sums.reshape(len(sums), -1)

    def statistic(weights: np.ndarray) -> np.ndarray:
        right, true, answered = (weights @ flat).reshape(len(weights), *sums.shape[1:]).transpose(1, 0, 2)
        total = true.sum(axis=1)
        accuracy = np.divide(right.sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)
        return np.concatenate([accuracy[:, None], _ious(right, true, answered)], axis=1)

    return statistic


def _measure(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    """Mean IoU over the classes that occur, pixel accuracy: of the pixels of all weighted pictures together."""
    each = _weighted(answers)

    def statistic(weights: np.ndarray) -> np.ndarray:
        values = each(weights)
        return np.stack([_mean_of_present(values[:, 1:]), values[:, 0]], axis=1)

    return statistic


def _details(answers: np.ndarray, truth: np.ndarray, units: np.ndarray, dataset: Dataset) -> dict[str, Any]:
    """Under `by_class` of each class its IoU with an interval (null where no picture has it), its pixels, and the
    pictures that have it."""
    each, true = _weighted(answers), answers.sum(axis=2)
    (values,) = each(np.ones((1, len(units))))
    low, high = bootstrap_units(each, units, seed=0, names=("classes",), replicates=REPLICATES)
    rows = [
        {
            "name": name,
            "iou": json_number(values[1 + c]),
            "pixels": int(true[:, c].sum()),
            "n": int((true[:, c] > 0).sum()),
            "ci": {"iou": json_interval(low[1 + c], high[1 + c])},
        }
        for c, name in enumerate(dataset.classes)
    ]
    return {"by_class": rows}


def _pixel_entropy(outputs: torch.Tensor) -> torch.Tensor:
    log_p = outputs.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1).mean(dim=(1, 2))


def _class_logits(outputs: torch.Tensor) -> torch.Tensor:
    """(n, classes): a class in a picture: its mean logit over the pixels, each with the probability that it is answered
    as this class for its weight.

    Weights instead of the answered pixels alone: the number is defined where no pixel is answered so, and it has no
    jumps, so that maps can be held against the change that they should sum to.
    """
    weights = outputs.log_softmax(dim=1).flatten(2).softmax(dim=2)
    return (weights * outputs.flatten(2)).sum(dim=2)


SEGMENTATION = Task(
    name="segmentation",
    title="tickets that label pixels",
    figures=(MIOU, PIXEL_ACCURACY),
    output_shape=_output_shape,
    pools=lambda own, rest: (own,),
    truth=lambda dataset, rows, own: dataset.y[rows],
    judged=lambda own: own,
    loss=cross_entropy,
    loss_for=_loss_for,
    answer=confusion,
    credit=_credit,
    credited=PICTURE_IOU,
    measure=_measure,
    details=_details,
    drawn_as="label map",
    doubt=Doubt("min_entropy", _pixel_entropy),
    explains=lambda dataset, subset: dataset.classes,
    explained=_class_logits,
    explained_as="mean logit",
    network="unet",
)
