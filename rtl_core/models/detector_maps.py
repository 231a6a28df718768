"""The maps that a detector gives: what the network that makes them and the task that reads them both go by."""

from __future__ import annotations

STRIDE = 4  # pixels a side of a cell
GEOMETRY = 4  # maps beside the heat of each class: log width, log height, offset in x, offset in y


def maps_shape(classes: int, height: int, width: int) -> tuple[int, int, int]:
    """(maps, rows of cells, columns of cells) for pictures of so many pixels."""
    return classes + GEOMETRY, -(-height // STRIDE), -(-width // STRIDE)
