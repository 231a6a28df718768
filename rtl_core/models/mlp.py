"""The network for tables, and for pictures taken as a row of pixels."""

from __future__ import annotations

from math import prod
from typing import ClassVar

import torch
from torch import nn

from rtl_core.models.layers import scaled


class MLP(nn.Module):
    """Two hidden layers (128, 64 units) with batch norm, linear head.

    Batch norm keeps a hidden unit's scale whatever share of its inputs a mask leaves, so sparse tickets
    train at the learning rate of dense ones; and its statistics can be re-estimated per ticket, as in the
    networks for pictures. The norms make biases redundant.
    """

    norm_after: ClassVar = {"fc1": "norm1", "fc2": "norm2"}
    may_overwrite: ClassVar = ("relu1", "relu2")

    def __init__(self, inputs: int, output_shape: tuple[int, ...], width: float = 1.0):
        super().__init__()
        first, second = scaled(128, width), scaled(64, width)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(inputs, first, bias=False)
        self.norm1 = nn.BatchNorm1d(first)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(first, second, bias=False)
        self.norm2 = nn.BatchNorm1d(second)
        self.relu2 = nn.ReLU()
        self.head = nn.Linear(second, prod(output_shape))
        self.output_shape = output_shape

    @property
    def prunable(self) -> tuple[str, ...]:
        """Both hidden layers; norms and head stay dense."""
        return "fc1.weight", "fc2.weight"

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, features) or (b, channels, h, w) -> (b, 64 * width)."""
        x = self.relu1(self.norm1(self.fc1(self.flatten(x))))
        return self.relu2(self.norm2(self.fc2(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, features) or (b, channels, h, w) -> outputs (b, *output_shape)."""
        return self.head(self.features(x)).unflatten(1, self.output_shape)
