"""What a gate sees: cheap statistics of an input, their cost, and how they are standardised.

Costs are in multiply-adds, as those of networks are: an addition, a logarithm or a histogram's increment that stands
alone counts as one too. docs/routing.md has the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, pad

from rtl_core.data.batches import pieces
from rtl_core.errors import BadInput
from rtl_core.events import Tensors
from rtl_core.learning.experiment import Inputs
from rtl_core.models.copies import structure
from rtl_core.models.cost import forward_cost
from rtl_core.models.network import Network

CELLS = 7  # a side of the grid
BINS = 16  # of the histogram
CLIP = 8.0  # standard deviations: an input far from the training data cannot outweigh all other features
FLOOR = 1e-2  # under the logarithms, in units of the inputs' variance: flat cells differ by rounding alone


@dataclass(frozen=True)
class Features:
    """Features of inputs, standardised on the train rows and clipped at `CLIP`.

    measure    inputs (b, *input_shape) -> raw features (b, dims)
    mean, std  (dims,) of the train rows
    macs       multiply-adds of one input
    """

    name: str
    measure: Callable[[torch.Tensor], torch.Tensor]
    mean: torch.Tensor
    std: torch.Tensor
    macs: int

    @property
    def dims(self) -> int:
        return len(self.mean)

    @torch.no_grad()
    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """(b, *input_shape) -> (b, dims)."""
        return ((self.measure(inputs) - self.mean) / self.std).clamp_(-CLIP, CLIP)

    def of_rows(self, inputs: Inputs, rows: np.ndarray) -> torch.Tensor:
        """(rows, dims), a batch at a time."""
        return torch.cat([self(inputs(some)) for some in pieces(rows)])

    def on(self, device: str) -> Features:
        """The same for inputs that lie on a device; a dense network that they come from is copied there."""
        measure = deepcopy(self.measure).to(device) if isinstance(self.measure, nn.Module) else self.measure
        return replace(self, measure=measure, mean=self.mean.to(device), std=self.std.to(device))

    def as_tensors(self) -> Tensors:
        """What `remade` needs beside the name."""
        return {"mean": self.mean, "std": self.std}


def fitted(
    name: str,
    inputs: Inputs,
    train: np.ndarray,
    input_shape: tuple[int, ...],
    dense: Network | None = None,
) -> Features:
    """The features `name`, standardised on the rows `train`.

    dense  the trained dense network whose pooled features are meant; for "pooled" alone
    A table's rows are its features already: every name but "pooled" means the inputs themselves.
    """
    measure, macs = _measure(name, input_shape, dense)
    with torch.no_grad():
        raw = torch.cat([measure(inputs(some)) for some in pieces(train)])
    std, mean = torch.std_mean(raw, dim=0, correction=0)
    std = torch.where(std > 1e-6, std, 1.0)  # a constant says nothing, and stays 0
    return Features(name, measure, mean, std, macs + len(mean))


def remade(name: str, tensors: Tensors, input_shape: tuple[int, ...], dense: Network | None = None) -> Features:
    """The inverse of `as_tensors`; BadInput where the tensors belong to other features."""
    measure, macs = _measure(name, input_shape, dense)
    with torch.no_grad():
        dims = measure(torch.zeros(1, *input_shape)).shape[1]
    for key in ("mean", "std"):
        shape = tuple(tensors[key].shape) if key in tensors else None
        if shape != (dims,):
            raise BadInput(f"the features '{name}' need a tensor '{key}' of shape ({dims},), not {shape}")
    return Features(name, measure, tensors["mean"], tensors["std"], macs + dims)


def _measure(
    name: str, input_shape: tuple[int, ...], dense: Network | None
) -> tuple[Callable[[torch.Tensor], torch.Tensor], int]:
    """(raw features, their multiply-adds)."""
    if name == "pooled":
        if dense is None:
            raise BadInput("the features 'pooled' come from a trained dense network, and this run has none")
        return _pooled(dense)
    if name not in MEASURES:
        raise BadInput(f"there are no features '{name}'; there are: {', '.join((*MEASURES, 'pooled'))}")
    measure, operations = MEASURES["pixels" if len(input_shape) == 1 else name]
    return measure, operations(*input_shape)


def grid_small(x: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b, 98 c): mean and log variance in each of 7 x 7 cells."""
    mean, variance = _moments(x)
    return torch.cat([mean, _log(variance)], dim=1).flatten(1)


def grid(x: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b, 212 c): of 7 x 7 cells mean, log variance and the log energy of horizontal and vertical
    differences; and the share of pixels in each of 16 bins."""
    mean, variance = _moments(x)
    across = _pooled_to_cells(pad(x[..., 1:] - x[..., :-1], (0, 1)).square())
    down = _pooled_to_cells(pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1)).square())
    cells = torch.cat([mean, _log(variance), _log(across), _log(down)], dim=1)
    return torch.cat([cells.flatten(1), _histogram(x)], dim=1)


def _moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = _pooled_to_cells(x)
    return mean, (_pooled_to_cells(x.square()) - mean.square()).clamp_min(0)


def _pooled_to_cells(x: torch.Tensor) -> torch.Tensor:
    side = _cells(x.shape[-2]), _cells(x.shape[-1])
    maps = adaptive_avg_pool2d(x.flatten(0, 1), side)  # as single maps: three times as fast as channels_last
    return maps.unflatten(0, x.shape[:2])


def _cells(side: int) -> int:
    return min(CELLS, side)


def _log(energy: torch.Tensor) -> torch.Tensor:
    return torch.log(energy + FLOOR)


def _histogram(x: torch.Tensor) -> torch.Tensor:
    """(b, c, h, w) -> (b, 16 c); inputs are standardised, so bins of a quarter from -2 on, the outer ones open."""
    b, c, h, w = x.shape
    at = x.add(2).mul_(BINS / 4).clamp_(0, BINS - 1).long().reshape(b, c, h * w)
    one = torch.ones((), device=x.device).expand(b, c, h * w)
    counts = torch.zeros(b, c, BINS, device=x.device).scatter_add_(2, at, one)
    return counts.flatten(1) / (h * w)


def _grid_small_operations(channels: int, height: int, width: int) -> int:
    """Per pixel of a cell: its sum, its sum of squares; per cell: two divisions, variance, floor, logarithm."""
    return channels * (2 * _covered(height) * _covered(width) + 5 * _cells(height) * _cells(width))


def _grid_operations(channels: int, height: int, width: int) -> int:
    """Beside the small grid, per pixel: two differences, its bin, an increment; per pixel of a cell: two sums of
    squares; per cell: twice division, floor, logarithm; per bin: a division."""
    pixels, cells = height * width, _cells(height) * _cells(width)
    more = 4 * pixels + 2 * _covered(height) * _covered(width) + 6 * cells + BINS
    return _grid_small_operations(channels, height, width) + channels * more


def _covered(side: int) -> int:
    """Pixels of a side as the cells count them: cells overlap where they do not divide it."""
    cells = _cells(side)
    return sum(-(-(i + 1) * side // cells) - i * side // cells for i in range(cells))


class _Pooled(nn.Module):
    """What the head of a network sees, on average over the pixels where it sees each."""

    def __init__(self, dense: nn.Module):
        super().__init__()
        self.dense = dense.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.dense.features(x)
        return seen if seen.dim() == 2 else seen.flatten(2).mean(dim=2)


def _pooled(dense: Network) -> tuple[Callable[[torch.Tensor], torch.Tensor], int]:
    """All of a dense pass but the head."""
    module = _Pooled(structure(dense.module))
    head = sum(dense.module.get_parameter(name).numel() for name in dense.head if name.endswith("weight"))
    return module, forward_cost(dense).macs_dense - head * prod(dense.output_shape[1:])


MEASURES = {
    "grid": (grid, _grid_operations),
    "grid_small": (grid_small, _grid_small_operations),
    "pixels": (nn.Flatten(), lambda *shape: 0),
}
