"""Two tasks that the project does not have, as somebody would add them: a file, and a line in `TASKS`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from rtl_core.config import DataSettings
from rtl_core.data.boxes import dataset_of_boxes, padded
from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import Pictures
from rtl_core.tasks.task import Doubt, Figure, Statistic, Task, ratios

SIDE, LABELS = 8, 3  # pixels; background and two kinds of stripes
DOMAINS = ("plain", "inverted", "noisy")


def stripes(name: str, settings: DataSettings, seed: int) -> Dataset:
    """Pictures (1, 8, 8) with two crossing stripes, in three domains; y (n, 8, 8) says what each pixel is."""
    draw, n = np.random.default_rng(seed), 720
    y = np.zeros((n, SIDE, SIDE), np.int64)
    at = draw.integers(SIDE, size=(2, n))
    y[np.arange(n), at[0]] = 1
    y[np.arange(n), :, at[1]] = 2
    domain = np.arange(n) % 3
    x = np.choose(y, (20, 120, 220)).astype(float)
    x[domain == 1] = 255 - x[domain == 1]
    x += draw.normal(0, 40, x.shape) * np.array([0.7, 0.7, 1.0])[domain][:, None, None]
    x = np.clip(x, 0, 255).astype(np.uint8)[:, None]
    return Dataset(
        settings.spec,
        "image",
        x,
        y,
        (),
        pd.DataFrame({"domain": np.array(DOMAINS)[domain]}),
        np.repeat(["train", "val", "test"], [480, 120, 120]),
        np.arange(n),
        f"stripes {seed}",
        mean=(0.35,),
        std=(0.3,),
    )


def _pixel_counts(outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, 2, labels): per row and label the pixels in the intersection and in the union of answer and truth."""
    answer = outputs.argmax(axis=1)
    both = [((answer == c) & (truth == c)).sum(axis=(1, 2)) for c in range(LABELS)]
    either = [((answer == c) | (truth == c)).sum(axis=(1, 2)) for c in range(LABELS)]
    return np.stack([np.stack(both, axis=1), np.stack(either, axis=1)], axis=1)


def _mean_iou(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    both, either = answers.astype(float).transpose(1, 2, 0)
    return ratios(both, either, lambda values: np.nanmean(values, axis=1)[:, None])


def _pixel_entropy(outputs: torch.Tensor) -> torch.Tensor:
    log_p = outputs.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1).mean(dim=(1, 2))


STRIPE_LABELS = Task(
    name="stripe_labels",
    title="tickets that label pixels",
    figures=(Figure("miou", "mean IoU"),),
    output_shape=lambda dataset: (LABELS, *dataset.y.shape[1:]),
    pools=lambda own, rest: (own,),
    truth=lambda dataset, rows, own: dataset.y[rows],
    judged=lambda own: own,
    loss=functional.cross_entropy,
    answer=_pixel_counts,
    drawn_as="label map",
    credit=lambda answers, truth: answers[:, 0].sum(axis=1) / np.prod(truth.shape[1:]),
    measure=_mean_iou,
    doubt=Doubt("min_entropy", _pixel_entropy),
)


def _psnr(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    """Of all pixels: 10 log10 of the squared range over the mean squared error."""
    return ratios(answers.T, np.ones_like(answers.T), lambda error: -10 * np.log10(error))


RECONSTRUCTION = Task(
    name="reconstruction",
    title="tickets that give back the picture",
    figures=(Figure("psnr", "PSNR", unit="dB", fall=0.2),),
    output_shape=lambda dataset: dataset.input_shape,
    pools=lambda own, rest: (own,),
    truth=lambda dataset, rows, own: dataset.x[rows] / np.float32(255),
    judged=lambda own: own,
    loss=functional.mse_loss,
    answer=lambda outputs, truth: ((outputs - truth) ** 2).mean(axis=(1, 2, 3))[:, None],
    drawn_as="picture",
    credit=lambda answers, truth: -answers[:, 0],
    measure=_psnr,
)


def _column_of_stripe(dataset: Dataset, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    return (dataset.y[rows] == 2).any(axis=1).argmax(axis=1)[:, None].astype(np.float32)


REGRESSION = Task(
    name="regression",
    title="tickets that say where the upright stripe is",
    figures=(Figure("mae", "mean absolute error", unit="px", higher_is_better=False, fall=0.5),),
    output_shape=lambda dataset: (1,),
    pools=lambda own, rest: (own,),
    truth=_column_of_stripe,
    judged=lambda own: own,
    loss=functional.mse_loss,
    credit=lambda answers, truth: -np.abs(answers - truth)[:, 0],
    measure=lambda answers, truth: ratios(np.abs(answers - truth).T, np.ones((1, len(truth)))),
    explains=lambda dataset, subset: ("column",),
)


def squares(name: str, settings: DataSettings, seed: int) -> Dataset:
    """Pictures (1, 32, 32) with up to three squares, filled ones and frames, in three domains, with their boxes."""
    draw, n = np.random.default_rng(seed), 360
    x, boxes, domain = np.full((n, 32, 32), 30.0), [], np.arange(n) % 3
    for picture in x:
        own = []
        for corner in draw.permutation([(1, 1), (1, 17), (17, 1), (17, 17)])[: draw.integers(4)]:
            (top, left), side, filled = corner + draw.integers(4, size=2), draw.integers(7, 12), draw.integers(2)
            picture[top : top + side, left : left + side] = 220
            if not filled:
                picture[top + 2 : top + side - 2, left + 2 : left + side - 2] = 30
            own.append((filled, left, top, left + side, top + side))
        boxes.append(np.array(own, float).reshape(-1, 5))
    x[domain == 1] = 255 - x[domain == 1]
    x += draw.normal(0, np.array([5, 5, 40])[domain][:, None, None], x.shape)
    split = np.repeat(["train", "val", "test"], [240, 60, 60])
    pixels = np.clip(x, 0, 255).astype(np.uint8)[:, None]
    dataset = dataset_of_boxes(settings.spec, Pictures(pixels, padded(boxes), ("frame", "square"), split))
    return replace(dataset, attributes=pd.DataFrame({"domain": np.array(DOMAINS)[domain]}))
