"""Baselines: what an input is compared with. There is no neutral one, so every map names the one it used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rtl_core.audit.attribution.regions import columns
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator

AVERAGED = 1000  # train rows, evenly spaced
BLUR = 1 / 8  # standard deviation of the blur, as a share of the picture's side
ROW = "row:"


def baseline_of(name: str, dataset: Dataset, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """(1 or n, *shape) for inputs x (n, *shape), both as the network takes them.

    Pictures: black, mean (the train pictures' mean colour: zeros once normalised), blurred, noise, average.
    Tables: median, average. Both: "row:12", a row of the data. Raises BadInput for any other name.
    """
    if name.startswith(ROW):
        return _row(name.removeprefix(ROW), dataset)
    known = baselines_of(dataset)
    if name not in known:
        raise BadInput(f"there is no baseline '{name}' for a {dataset.kind}; there are: {', '.join(known)}, row:NUMBER")
    return known[name](dataset, x, seed)


def baselines_of(dataset: Dataset) -> dict[str, Maker]:
    """Those with a name that go with its kind of input; the first is the default."""
    return BASELINES.get(dataset.kind, {})


def default_baseline(dataset: Dataset) -> str:
    return next(iter(baselines_of(dataset)), f"{ROW}0")


def _pixels(dataset: Dataset, values: np.ndarray) -> torch.Tensor:
    """Grey levels (n, c, h, w) in [0, 255] -> normalised as `Dataset.inputs` does."""
    mean = np.array(dataset.mean)[:, None, None] * 255
    std = np.array(dataset.std)[:, None, None] * 255
    return torch.from_numpy(((values - mean) / std).astype(np.float32))


def _black(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    return _pixels(dataset, np.zeros((1, *dataset.input_shape)))


def _mean(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.zeros(1, *dataset.input_shape)


def _blurred(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    from scipy.ndimage import gaussian_filter

    _, height, width = dataset.input_shape
    sigma = (0, 0, BLUR * height, BLUR * width)
    return torch.from_numpy(gaussian_filter(x.detach().cpu().numpy(), sigma, mode="nearest"))


def _noise(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    """The same uniform grey levels for all inputs."""
    return _pixels(dataset, numpy_generator(seed, "baseline").uniform(0, 255, (1, *dataset.input_shape)))


def _average(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    return dataset.inputs(_some_train_rows(dataset)).contiguous().mean(dim=0, keepdim=True)


def _median(dataset: Dataset, x: torch.Tensor, seed: int) -> torch.Tensor:
    """Medians of numbers; of a one-hot column the most frequent category, so that the row could exist."""
    rows = dataset.x[dataset.rows("train")]
    typical = np.median(rows, axis=0)
    of = columns(dataset.sources or dataset.features).of
    for column in np.unique(of):
        block = np.flatnonzero((of == column) & np.isin(rows, (0, 1)).all(axis=0))
        if len(block) > 1:
            typical[block] = 0
            typical[block[rows[:, block].sum(axis=0).argmax()]] = 1
    return torch.from_numpy(typical.astype(np.float32))[None]


def _row(number: str, dataset: Dataset) -> torch.Tensor:
    if not number.isdigit() or int(number) >= len(dataset):
        raise BadInput(f"a baseline row is a number from 0 to {len(dataset) - 1}, such as row:12, not '{ROW}{number}'")
    return dataset.inputs(np.array([int(number)])).contiguous()


def _some_train_rows(dataset: Dataset) -> np.ndarray:
    rows = dataset.rows("train")
    return rows[np.linspace(0, len(rows) - 1, min(AVERAGED, len(rows))).astype(int)]


Maker = Callable[[Dataset, torch.Tensor, int], torch.Tensor]
BASELINES: dict[str, dict[str, Maker]] = {
    "image": {"black": _black, "mean": _mean, "blurred": _blurred, "noise": _noise, "average": _average},
    "table": {"median": _median, "average": _average},
}
