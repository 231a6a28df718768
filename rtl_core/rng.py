"""One seed, many named generators.

Everything random in the project is a pure function of (seed, names): no global generator is read or
set, so the order in which things run cannot change what they draw, and a resumed run needs no saved
generator state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_for(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream called `names`; equal arguments give equal seeds everywhere."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed_for(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(seed_for(seed, *names))
