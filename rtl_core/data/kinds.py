"""What an input is: an entry for each kind, with all that the rest of the house must know of it.

What is asked of an input is another question, answered by `rtl_core.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from rtl_core.data.dataset import Dataset


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    noun        of one input and of several
    called      what a whole data set of them is
    normalise   (stored rows, their data) -> the network's inputs, float32
    vectors     stored rows -> float32 (n, numbers) on one scale, to find clusters among
    standalone  whether a stored row says all about its input, so that rows of two data sets can be compared; rows of
                a table are stored standardised by the statistics of their own table
    """

    noun: tuple[str, str]
    called: str
    normalise: Callable[[torch.Tensor, Dataset], torch.Tensor]
    vectors: Callable[[np.ndarray], np.ndarray]
    standalone: bool


def _pictures(batch: torch.Tensor, dataset: Dataset) -> torch.Tensor:
    """uint8 (b, c, h, w) -> standardised per channel, channels_last."""
    import torch

    batch = batch.to(memory_format=torch.channels_last).float()
    mean = torch.tensor(dataset.mean, device=batch.device).view(1, -1, 1, 1) * 255
    std = torch.tensor(dataset.std, device=batch.device).view(1, -1, 1, 1) * 255
    return batch.sub_(mean).div_(std)


def _as_stored(batch: torch.Tensor, dataset: Dataset) -> torch.Tensor:
    return batch.float()


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1).astype(np.float32)


KINDS: dict[str, Kind] = {
    "image": Kind(("picture", "pictures"), "pictures", _pictures, lambda rows: _flat(rows) / 255, True),
    "table": Kind(("row", "rows"), "a table", _as_stored, _flat, False),
    "signal": Kind(("recording", "recordings"), "recordings", _as_stored, _flat, True),
    "coordinates": Kind(("point", "points"), "points of a signal or picture", _as_stored, _flat, True),
}
