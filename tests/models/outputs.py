"""What a network of the catalogue is asked for in tests: a row of numbers, or maps where it gives maps."""

from __future__ import annotations


def outputs_of(name: str, shape: tuple[int, ...], count: int) -> int | tuple[int, ...]:
    """`count` outputs for inputs of a shape, of each pixel or of each cell of four where the network gives such."""
    cells = {"unet": 1, "centernet": 4}
    return (count, *(-(-side // cells[name]) for side in shape[1:])) if name in cells else count
