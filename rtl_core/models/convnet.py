"""The small network of the demonstrations: three convolutions, trained in seconds on a laptop."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from rtl_core.models.layers import conv_norm, global_average, scaled


class ConvNet(nn.Module):
    """Three 3x3 convolutions (24, 48, 64 channels; strides 2, 2, 1), average pool, linear head.

    At width 1 and one input channel the convolutions hold 38,232 weights. Every activation is a module
    of its own and none works in place: attribution methods hook them.
    """

    STRIDE = 4  # in all: a smaller picture would end as less than a pixel
    may_overwrite: ClassVar = ("relu1", "relu2", "relu3")

    def __init__(self, channels: int, outputs: int, width: float = 1.0):
        super().__init__()
        first, second, third = (scaled(count, width) for count in (24, 48, 64))
        self.block1 = conv_norm(channels, first, kernel=3, stride=2)
        self.relu1 = nn.ReLU()
        self.block2 = conv_norm(first, second, kernel=3, stride=2)
        self.relu2 = nn.ReLU()
        self.block3 = conv_norm(second, third, kernel=3)
        self.relu3 = nn.ReLU()
        self.pool = global_average()
        self.head = nn.Linear(third, outputs)

    @property
    def prunable(self) -> tuple[str, ...]:
        """The three convolutions; norms and head stay dense."""
        return "block1.conv.weight", "block2.conv.weight", "block3.conv.weight"

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, 64 * width)."""
        x = self.relu1(self.block1(x))
        x = self.relu2(self.block2(x))
        x = self.relu3(self.block3(x))
        return self.pool(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> logits (b, outputs)."""
        return self.head(self.features(x))
