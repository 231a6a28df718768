"""What parts an input has: cells of a grid over a picture, the original columns of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtl_core.data.dataset import Dataset
from rtl_core.data.kinds import KINDS
from rtl_core.errors import BadInput

CELLS = 4  # a side, of the grid over a picture


@dataclass(frozen=True)
class Regions:
    """Every number of an input belongs to one region.

    of     int64, the input's shape: the region's place in `names`
    names  "row 1, column 1", ... of a grid; names of columns for a table
    """

    of: np.ndarray
    names: tuple[str, ...]

    def sums(self, maps: np.ndarray) -> np.ndarray:
        """(n, *shape) -> (n, regions): one-hot features add up to their column, pixels to their cell."""
        order = np.argsort(self.of, axis=None, kind="stable")
        starts = np.searchsorted(self.of.ravel()[order], np.arange(len(self.names)))
        return np.add.reduceat(maps.reshape(len(maps), -1)[:, order], starts, axis=1, dtype=np.float64)


def regions_of(dataset: Dataset, cells: int = CELLS) -> Regions:
    """A grid of cells x cells over all channels, or the columns that a table's features came from; BadInput for other
    kinds of input."""
    if dataset.kind not in REGIONS:
        noun, known = KINDS[dataset.kind].noun[1], ", ".join(REGIONS)
        raise BadInput(f"maps of {noun} have no regions; the kinds of input that have: {known}")
    return REGIONS[dataset.kind](dataset, cells)


def smallest_regions(dataset: Dataset) -> Regions:
    """Pixels, all channels of one together, or columns."""
    return regions_of(dataset, max(dataset.input_shape))


def columns(sources: tuple[str, ...]) -> Regions:
    """One region a column; `sources` names the column of each feature."""
    names = tuple(dict.fromkeys(sources))
    index = {name: i for i, name in enumerate(names)}
    return Regions(np.array([index[source] for source in sources], np.int64), names)


def grid(shape: tuple[int, ...], cells: int = CELLS) -> Regions:
    """(channels, height, width) in at most cells x cells parts of equal size, or one pixel more."""
    _, height, width = shape
    down, across = min(cells, height), min(cells, width)
    row, column = np.arange(height) * down // height, np.arange(width) * across // width
    of = np.broadcast_to(row[:, None] * across + column, shape).astype(np.int64)
    names = tuple(f"row {r + 1}, column {c + 1}" for r in range(down) for c in range(across))
    return Regions(of, names)


REGIONS: dict[str, Callable[[Dataset, int], Regions]] = {
    "image": lambda dataset, cells: grid(dataset.input_shape, cells),
    "table": lambda dataset, cells: columns(dataset.sources or dataset.features),
}
