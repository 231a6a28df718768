"""Where each prunable weight stands in a mask: names, shapes and logical indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Layout:
    """The N prunable weights in one row: tensor after tensor, each in logical (row-major) order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor], names: tuple[str, ...]) -> Layout:
        """The layout of some of a network's tensors, in the order of `names`."""
        return cls(tuple(names), tuple(tuple(tensors[name].shape) for name in names))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(prod(shape) for shape in self.shapes)

    @property
    def n(self) -> int:
        return sum(self.sizes)

    def slices(self) -> dict[str, slice]:
        """Name -> its stretch of the row."""
        ends = np.cumsum((0, *self.sizes))
        return {name: slice(int(a), int(b)) for name, a, b in zip(self.names, ends[:-1], ends[1:], strict=True)}

    def flatten(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(N,) values in logical order, whatever the tensors' memory format."""
        import torch

        return torch.cat([tensors[name].detach().contiguous().reshape(-1) for name in self.names])

    def unflatten(self, row: torch.Tensor) -> dict[str, torch.Tensor]:
        """Name -> tensor of its shape; the inverse of `flatten`."""
        return {
            name: row[span].reshape(shape)
            for (name, span), shape in zip(self.slices().items(), self.shapes, strict=True)
        }
