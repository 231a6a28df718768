"""A small detector: a convolutional trunk that goes down to a sixteenth and comes up again to a quarter of the side.

In the manner of CenterNet (Zhou et al. 2019, arXiv 1904.07850) with the top-down path of feature pyramids (Lin et al.
2017): what is seen coarsely is enlarged and added to what is seen finely.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from rtl_core.models.layers import conv_norm, scaled

PRIOR = 0.1  # the heat that untrained maps have everywhere (Lin et al. 2017, focal loss): few cells are centres


class MapHead(nn.Conv2d):
    """The 1x1 convolution to the maps; those of the heat, which come first, begin at `PRIOR`."""

    def __init__(self, channels: int, outputs: int, heat: int):
        self.heat = heat
        super().__init__(channels, outputs, kernel_size=1)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        with torch.no_grad():
            self.bias[: self.heat].fill_(math.log(PRIOR / (1 - PRIOR)))


class CenterNet(nn.Module):
    """Six 3x3 convolutions down, two up with 1x1 ones between them, and a 1x1 convolution to the maps.

    At width 1 and three input channels the convolutions hold 195,300 weights. It gives `outputs` maps, of which the
    first `heat` say where centres are. Every activation is a module of its own and none works in place.
    """

    STRIDE = 16  # in all: a smaller picture would end as less than a pixel
    may_overwrite: ClassVar = (*(f"relu{i}" for i in range(1, 7)), "relu_8", "relu_4")

    def __init__(self, channels: int, outputs: int, heat: int, width: float = 1.0):
        super().__init__()
        half, quarter, eighth, sixteenth, up = (scaled(count, width) for count in (12, 24, 48, 96, 32))
        self.block1 = conv_norm(channels, half, kernel=3, stride=2)
        self.relu1 = nn.ReLU()
        self.block2 = conv_norm(half, quarter, kernel=3, stride=2)
        self.relu2 = nn.ReLU()
        self.block3 = conv_norm(quarter, eighth, kernel=3, stride=2)
        self.relu3 = nn.ReLU()
        self.block4 = conv_norm(eighth, eighth, kernel=3)
        self.relu4 = nn.ReLU()
        self.block5 = conv_norm(eighth, sixteenth, kernel=3, stride=2)
        self.relu5 = nn.ReLU()
        self.block6 = conv_norm(sixteenth, sixteenth, kernel=3)
        self.relu6 = nn.ReLU()
        self.down_16 = conv_norm(sixteenth, eighth, kernel=1)
        self.merge_8 = conv_norm(eighth, eighth, kernel=3)
        self.relu_8 = nn.ReLU()
        self.down_8 = conv_norm(eighth, up, kernel=1)
        self.lateral_4 = conv_norm(quarter, up, kernel=1)
        self.merge_4 = conv_norm(up, up, kernel=3)
        self.relu_4 = nn.ReLU()
        self.head = MapHead(up, outputs, heat)

    @property
    def prunable(self) -> tuple[str, ...]:
        """All convolutions but the head; norms and head stay dense."""
        return tuple(f"{name}.weight" for name, _ in self.named_modules() if name.endswith(".conv"))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, 32 * width, h / 4, w / 4): what the head sees."""
        fine = self.relu2(self.block2(self.relu1(self.block1(x))))
        middle = self.relu4(self.block4(self.relu3(self.block3(fine))))
        coarse = self.relu6(self.block6(self.relu5(self.block5(middle))))
        middle = self.relu_8(self.merge_8(middle + _enlarged(self.down_16(coarse), middle)))
        return self.relu_4(self.merge_4(self.lateral_4(fine) + _enlarged(self.down_8(middle), fine)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, outputs, h / 4, w / 4), sides rounded up."""
        return self.head(self.features(x))


def _enlarged(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    """The coarse maps at the fine ones' height and width, each value repeated."""
    return nn.functional.interpolate(coarse, size=fine.shape[2:], mode="nearest")
