"""ResNet-18 and ResNet-50, with a stem for small or for large pictures.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stride of a bottleneck block sits
in its 3x3 convolution, as in torchvision ("v1.5").
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import nn

from rtl_core.models.layers import conv_norm, global_average, scaled

STAGES = (64, 128, 256, 512)  # channels of the 3x3 convolutions


class Basic(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    EXPANSION = 1
    may_overwrite: ClassVar = ("relu1", "relu_out")

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.block1 = conv_norm(channels_in, channels, kernel=3, stride=stride)
        self.relu1 = nn.ReLU()
        self.block2 = conv_norm(channels, channels, kernel=3)
        self.shortcut = shortcut(channels_in, channels, stride)
        self.relu_out = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu_out(self.block2(self.relu1(self.block1(x))) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolution, the last one four times as wide, beside a shortcut."""

    EXPANSION = 4
    may_overwrite: ClassVar = ("relu1", "relu2", "relu_out")

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        channels_out = channels * self.EXPANSION
        self.block1 = conv_norm(channels_in, channels, kernel=1)
        self.relu1 = nn.ReLU()
        self.block2 = conv_norm(channels, channels, kernel=3, stride=stride)
        self.relu2 = nn.ReLU()
        self.block3 = conv_norm(channels, channels_out, kernel=1)
        self.shortcut = shortcut(channels_in, channels_out, stride)
        self.relu_out = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.relu2(self.block2(self.relu1(self.block1(x))))
        return self.relu_out(self.block3(inner) + self.shortcut(x))


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The input itself where shapes agree, else a 1x1 convolution of it."""
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return conv_norm(channels_in, channels_out, kernel=1, stride=stride)


class ResNet(nn.Module):
    """Stem, four stages of blocks (strides 1, 2, 2, 2), average pool, linear head.

    stem  "cifar": 3x3 convolution; "imagenet": 7x7 convolution of stride 2 and max pooling of stride 2
    """

    STRIDE: ClassVar = {"cifar": 8, "imagenet": 32}  # in all: a smaller picture would end as less than a pixel
    may_overwrite: ClassVar = ("stem_relu",)

    def __init__(
        self,
        block: type[Basic | Bottleneck],
        depths: tuple[int, int, int, int],
        stem: Literal["cifar", "imagenet"],
        channels: int,
        outputs: int,
        width: float = 1.0,
    ):
        super().__init__()
        count = scaled(STAGES[0], width)
        large = stem == "imagenet"
        self.stem = conv_norm(channels, count, kernel=7, stride=2) if large else conv_norm(channels, count, kernel=3)
        self.stem_relu = nn.ReLU()
        self.stem_pool = nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity()
        stages = []
        for index, (base, depth) in enumerate(zip(STAGES, depths, strict=True)):
            blocks = []
            for position in range(depth):
                stride = 2 if index > 0 and position == 0 else 1
                blocks.append(block(count, scaled(base, width), stride))
                count = scaled(base, width) * block.EXPANSION
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.pool = global_average()
        self.head = nn.Linear(count, outputs)

    @property
    def prunable(self) -> tuple[str, ...]:
        """All convolutions, those of the shortcuts too; norms and head stay dense."""
        return tuple(f"{name}.weight" for name, _ in self.named_modules() if name.endswith(".conv"))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> (b, 512 * width * the block's expansion)."""
        x = self.stem_pool(self.stem_relu(self.stem(x)))
        return self.pool(self.stages(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, h, w) -> logits (b, outputs)."""
        return self.head(self.features(x))
