"""The paper's network for pictures: GhostNet, cut after nine bottlenecks.

GhostNet: Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020, table 1. The cut and what
is prunable: "Routing the Lottery", arXiv 2601.22141, set-up of table 1. The paper does not say how its cut
network ends. GhostNet ends in a 1x1 convolution; with 480 channels in it (the width that the tenth bottleneck
would have expanded to) 125,960 weights are prunable on three input channels, and the parameter counts of the
paper's table 1, cut to thousands, allow 125,867 to 125,999. Without it there are 87,560.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from rtl_core.models.layers import conv_norm, global_average, scaled

STEM = 16
# kernel, expanded channels, channels out, squeeze-excite, stride
BOTTLENECKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
)
CLOSING = 480


class Ghost(nn.Module):
    """Half of the channels from a 1x1 convolution, the other half from those by a 3x3 depthwise one."""

    may_overwrite: ClassVar = ("primary_relu", "cheap_relu")

    def __init__(self, channels_in: int, channels_out: int, relu: bool):
        super().__init__()
        half = channels_out // 2
        self.primary = conv_norm(channels_in, half, kernel=1)
        self.primary_relu = nn.ReLU() if relu else nn.Identity()
        self.cheap = conv_norm(half, half, kernel=3, groups=half)
        self.cheap_relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        primary = self.primary_relu(self.primary(x))
        return torch.cat((primary, self.cheap_relu(self.cheap(primary))), dim=1)


class SqueezeExcite(nn.Module):
    """Scales every channel by a number in [0, 1] that depends on all channels' means."""

    may_overwrite: ClassVar = ("relu",)

    def __init__(self, channels: int):
        super().__init__()
        squeezed = scaled(channels, 0.25)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.relu = nn.ReLU()
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.excite(self.relu(self.squeeze(self.pool(x)))))


class Bottleneck(nn.Module):
    """Expand, (downsample), (squeeze-excite), project; beside it a shortcut."""

    def __init__(self, channels_in: int, expanded: int, channels_out: int, kernel: int, stride: int, excite: bool):
        super().__init__()
        self.expand = Ghost(channels_in, expanded, relu=True)
        self.down = conv_norm(expanded, expanded, kernel, stride, groups=expanded) if stride > 1 else nn.Identity()
        self.excite = SqueezeExcite(expanded) if excite else nn.Identity()
        self.project = Ghost(expanded, channels_out, relu=False)
        if stride == 1 and channels_in == channels_out:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                conv_norm(channels_in, channels_in, kernel, stride, groups=channels_in),
                conv_norm(channels_in, channels_out, kernel=1),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.project(self.excite(self.down(self.expand(x)))) + self.shortcut(x)


class GhostNet(nn.Module):
    """Stem (stride 1: the pictures are small), nine bottlenecks, 1x1 convolution, average pool, linear head."""

    STRIDE = 8  # in all: a smaller picture would end as less than a pixel
    may_overwrite: ClassVar = ("stem_relu", "closing_relu")

    def __init__(self, channels: int, outputs: int, width: float = 1.0):
        super().__init__()
        count = scaled(STEM, width)
        self.stem = conv_norm(channels, count, kernel=3)
        self.stem_relu = nn.ReLU()
        blocks = []
        for kernel, expanded, channels_out, excite, stride in BOTTLENECKS:
            before, count = count, scaled(channels_out, width)
            blocks.append(Bottleneck(before, scaled(expanded, width), count, kernel, stride, excite))
        self.blocks = nn.Sequential(*blocks)
        self.closing = conv_norm(count, scaled(CLOSING, width), kernel=1)
        self.closing_relu = nn.ReLU()
        self.pool = global_average()
        self.head = nn.Linear(scaled(CLOSING, width), outputs)

    @property
    def prunable(self) -> tuple[str, ...]:
        """The convolutions outside squeeze-excite; norms, squeeze-excite and head stay dense (the paper)."""
        return tuple(f"{name}.weight" for name, _ in self.named_modules() if name.endswith(".conv"))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, 480 * width)."""
        x = self.blocks(self.stem_relu(self.stem(x)))
        return self.pool(self.closing_relu(self.closing(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> logits (b, outputs)."""
        return self.head(self.features(x))
