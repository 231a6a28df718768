"""From arrays of pictures to a Dataset: split, limit, size and the statistics of the train pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import fingerprint
from rtl_core.data.repeated_pictures import repeated_notes
from rtl_core.data.splits import absent_classes, check_rows, complete_split, limited_rows
from rtl_core.errors import BadInput

SMALLEST_SIDE, LARGEST_SIDE = 8, 256  # pixels; the bounds of DataSettings.image_size
MAX_BYTES = 4 * 2**30  # of pictures in memory
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size with their labels, as a source has read them.

    x      uint8 (n, channels, height, width)
    y      integers (n,), index into `classes`; or boxes (n, most, 5), as in `Dataset`
    split  (n,) strings as in `Dataset`; None: the data bring none
    """

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    split: np.ndarray | None = None
    licence: str = ""
    notes: tuple[str, ...] = ()


def from_arrays(
    pictures: Pictures,
    settings: DataSettings,
    seed: int,
    split_seed: int | None = None,
    attributes: pd.DataFrame | None = None,
) -> Dataset:
    """Pictures that were only read as a Dataset: their split completed, limited and resized as the settings say.

    `split_seed` fixes the split whatever the run's seed is (bundled data); the limit is drawn by `seed`. `attributes`
    has a row for each picture.
    """
    y = pictures.y
    split = complete_split(y, pictures.split, settings, seed if split_seed is None else split_seed)
    keep = limited_rows(y, split, settings.limit, seed)
    x, y, split = resized(pictures.x[keep], settings.image_size), y[keep], split[keep]
    notes = (*pictures.notes, *repeated_notes(x, y, split, [f"row {row}" for row in keep]))
    kept = None if attributes is None else attributes.iloc[keep].reset_index(drop=True)
    return picture_dataset(settings.spec, replace(pictures, x=x, y=y, split=split, notes=notes), kept)


def picture_dataset(
    spec: str, pictures: Pictures, attributes: pd.DataFrame | None = None, unit: np.ndarray | None = None
) -> Dataset:
    """A Dataset of pictures that are all in a split; without `unit` every picture stands for itself."""
    x, y, classes, split = pictures.x, pictures.y, pictures.classes, pictures.split
    check_rows(y, split, classes)
    if attributes is None:
        attributes = pd.DataFrame(index=pd.RangeIndex(len(y)))
    mean, std = channel_statistics(x[split == "train"])
    return Dataset(
        spec=spec,
        kind="image",
        x=x,
        y=y.astype(np.int64),
        classes=classes,
        attributes=attributes,
        split=split,
        unit=np.arange(len(y)) if unit is None else unit,
        fingerprint=fingerprint(x, y.astype(np.int64), split, classes, attributes),
        mean=mean,
        std=std,
        licence=pictures.licence,
        notes=pictures.notes + absent_classes(y, split, classes),
    )


def channel_statistics(x: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 pictures scaled to [0, 1].

    Summed as integers, so that every machine gets the same bits, over a few pictures at a time. A channel without
    contrast gets one grey level as its deviation instead of 0.
    """
    sums, squares = np.zeros((2, x.shape[1]), np.int64)
    for first in range(0, len(x), _AT_ONCE):
        some = x[first : first + _AT_ONCE]
        sums += some.sum(axis=(0, 2, 3), dtype=np.int64)
        squares += np.square(some, dtype=np.uint16).sum(axis=(0, 2, 3), dtype=np.int64)
    pixels = x.size / x.shape[1]
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1.0))
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def resized(x: np.ndarray, side: int | None) -> np.ndarray:
    """uint8 pictures (n, c, h, w), c 1 or 3, as (n, c, side, side); as they are where side is None."""
    height, width = x.shape[2:]
    if side is None:
        if min(height, width) < SMALLEST_SIDE or max(height, width) > LARGEST_SIDE:
            raise BadInput(
                f"the pictures are {height} x {width} pixels; sides from {SMALLEST_SIDE} to {LARGEST_SIDE} work, "
                "or set data.image_size to resize them"
            )
        return x
    if (height, width) == (side, side):
        return x
    check_memory(len(x), x.shape[1], side)
    small = np.empty((len(x), x.shape[1], side, side), dtype=np.uint8)
    for row, picture in enumerate(x):
        for channel, plane in enumerate(picture):
            small[row, channel] = np.asarray(cover(Image.fromarray(plane), (side, side)))
    return small


def cover(picture: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """The picture scaled until it covers (height, width), then cut to that in its centre."""
    return ImageOps.fit(picture, shape[::-1], Image.Resampling.BILINEAR)


def check_memory(count: int, channels: int, side: int, width: int | None = None) -> None:
    """BadInput where so many pictures, square ones unless a width is given, take more memory than is allowed."""
    width = side if width is None else width
    needed = count * channels * side * width
    if needed > MAX_BYTES:
        raise BadInput(
            f"{count:,} pictures of {side} x {width} pixels need {needed / 2**30:.1f} GiB, more than "
            f"{MAX_BYTES / 2**30:.0f}; set data.limit or a smaller data.image_size"
        )
