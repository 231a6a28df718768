"""What the rest of the house knows of a model: a plain module and the names of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Network:
    """A plain `nn.Module` with the names that the method needs; nothing is inferred from layer types.

    module       maps inputs (b, *input_shape) to outputs (b, *output_shape). The catalogue's modules also have
                 `features(x) -> (b, f)`, what the head sees ((b, f, h, w) where it sees
                 every pixel). Threads share it, so it is only read (copies.py)
    prunable     names of the tensors that masks cover, in the order of the masks' bits
    head         names of the classifier's tensors (weight, bias)
    norm_affine  names of the norms' scale and shift
    input_shape  (channels, height, width) or (features,)
    description  JSON-able: what `models.build` needs to remake the module; {"name": "custom"} for own modules
    """

    module: nn.Module
    prunable: tuple[str, ...]
    head: tuple[str, ...]
    norm_affine: tuple[str, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    description: dict[str, Any] = field(default_factory=lambda: {"name": "custom"})
