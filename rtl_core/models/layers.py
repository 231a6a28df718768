"""What several of the catalogue's networks are made of."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import nn


def scaled(channels: int, width: float) -> int:
    """`channels * width` as a multiple of 4, at least 4, never more than 10 % below the product.

    The rounding rule of MobileNet and GhostNet ("make divisible", with divisor 4).
    """
    wanted = channels * width
    nearest = max(4, int(wanted + 2) // 4 * 4)
    return nearest if nearest >= 0.9 * wanted else nearest + 4


class ConvNorm(nn.Sequential):
    """A convolution, `conv`, and the batch norm of its outputs, `norm`."""

    norm_after: ClassVar = {"conv": "norm"}


def conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> ConvNorm:
    """A convolution that keeps height and width up to its stride, and its batch norm (which makes a bias redundant)."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return ConvNorm(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels_out)))


def global_average() -> nn.Sequential:
    """(b, c, h, w) -> (b, c)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
