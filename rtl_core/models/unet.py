"""The network that answers for every pixel: a small U-Net (Ronneberger, Fischer and Brox, MICCAI 2015)."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from rtl_core.models.layers import conv_norm, scaled

CHANNELS = (16, 32, 64, 96)  # of the levels, each of half the height and width of the one before


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each with its norm and ReLU."""

    may_overwrite: ClassVar = ("relu1", "relu2")

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.block1 = conv_norm(channels_in, channels_out, kernel=3, stride=stride)
        self.relu1 = nn.ReLU()
        self.block2 = conv_norm(channels_out, channels_out, kernel=3)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu2(self.block2(self.relu1(self.block1(x))))


class Up(nn.Module):
    """Coarse maps at twice their size beside the finer ones of the same level, then one 3x3 convolution of both."""

    may_overwrite: ClassVar = ("relu",)

    def __init__(self, coarse: int, fine: int):
        super().__init__()
        self.block = conv_norm(coarse + fine, fine, kernel=3)
        self.relu = nn.ReLU()

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        larger = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return self.relu(self.block(torch.cat((larger, fine), dim=1)))


class UNet(nn.Module):
    """Four levels of two convolutions on the way down (strides instead of pooling), one each on the way up, and a 1x1
    convolution as the head.

    Any height and width: pictures are padded below and on the right with zeros, the mean colour, and outputs cut back.
    """

    STRIDE = 8  # of the coarsest level

    def __init__(self, channels: int, outputs: int, width: float = 1.0):
        super().__init__()
        counts = [scaled(count, width) for count in CHANNELS]
        ends = list(itertools.pairwise(counts))
        self.first = DoubleConv(channels, counts[0])
        self.down = nn.ModuleList(DoubleConv(fine, coarse, stride=2) for fine, coarse in ends)
        self.up = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(ends))
        self.head = nn.Conv2d(counts[0], outputs, kernel_size=1)

    @property
    def prunable(self) -> tuple[str, ...]:
        """The 3x3 convolutions; norms and head stay dense."""
        return tuple(f"{name}.weight" for name, _ in self.named_modules() if name.endswith(".conv"))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, 16 * width, h, w): what the head sees of each pixel."""
        height, width = x.shape[2:]
        x = functional.pad(x, (0, -width % self.STRIDE, 0, -height % self.STRIDE))
        levels = [self.first(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        return x[:, :, :height, :width]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> logits (b, outputs, h, w)."""
        return self.head(self.features(x))
