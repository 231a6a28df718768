"""The one in-memory type that every source of data returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from rtl_core.data.kinds import KINDS

if TYPE_CHECKING:
    import torch

Split = Literal["train", "val", "test"]
IGNORED = 255  # where `y` labels pixels: of one that counts nowhere


@dataclass(frozen=True)
class Dataset:
    """Rows to learn from, with their split and attributes.

    x            uint8 (n, channels, height, width) for pictures, float32 (n, features) for tables
                 (already standardised / one-hot with the statistics of the train rows)
    y            what each row is labelled with, (n, ...): for classes int64 (n,), index into `classes`; for classes of
                 pixels uint8 (n, height, width), index into `classes` or `IGNORED`; for boxes float32 (n, most, 5):
                 class, x0, y0, x1, y1 in pixels of x, class -1 where a row has fewer (boxes.py)
    attributes   n rows; columns that describe a row but are not its label (domain, sex, ...)
    split        (n,) strings: "train", "val" (settings are chosen on it), "test" (final figures); of data that a
                 run is measured on, "seen" marks rows that it has seen before, which count nowhere
    unit         int64 (n,): rows with the same unit come from the same picture or person, so
                 intervals resample units, not rows
    mean, std    per channel, of the train pictures scaled to [0, 1]; empty for tables
    features     tables: one name per column of x; `sources` names the original column of each
    fingerprint  hash of everything above: the same name for the same data
    """

    spec: str
    kind: Literal["image", "table", "signal", "coordinates"]
    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    attributes: pd.DataFrame
    split: np.ndarray
    unit: np.ndarray
    fingerprint: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    features: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    target: str = "class"
    licence: str = ""
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.y)

    @property
    def labels(self) -> np.ndarray | None:
        """int64 (n,), index into `classes`: the one class of each row; None where rows have no single class."""
        return self.y if self.y.ndim == 1 and self.classes else None

    @property
    def pixel_labels(self) -> np.ndarray | None:
        """uint8 (n, height, width), index into `classes` or `IGNORED`: the class of each pixel; None where there is
        none."""
        return self.y if self.y.ndim == 3 and self.y.dtype == np.uint8 and self.classes else None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of pictures, (features,) of tables."""
        return tuple(self.x.shape[1:])

    def rows(self, split: Split) -> np.ndarray:
        """The indices of a split's rows, ascending."""
        return np.flatnonzero(self.split == split)

    def inputs(self, rows: np.ndarray) -> torch.Tensor:
        """The network's float32 inputs for some rows: (b, c, h, w) channels_last, or (b, features)."""
        import torch

        return KINDS[self.kind].normalise(torch.from_numpy(self.x[rows]), self)

    def inputs_on(self, device: str) -> Callable[[np.ndarray], torch.Tensor]:
        """`inputs` with all rows kept on a device, as stored, and picked there: no batch travels."""
        import torch

        x = torch.tensor(self.x, device=device)
        return lambda rows: KINDS[self.kind].normalise(x[torch.from_numpy(rows).to(device)], self)
