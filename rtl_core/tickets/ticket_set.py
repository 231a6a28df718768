"""A ticket set: K masks over the same N weights, and how they came about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtl_core.tickets.layout import Layout

Kind = Literal["denser", "target", "lighter"]
KEPT = 0  # in `pruned_at`: no level removed this weight


@dataclass(frozen=True)
class Level:
    """One density of the schedule by which weights are removed.

    kind     "denser": above the target, passed on the way down; "target": the tickets themselves;
             "lighter": below the target, nested subsets of the final masks
    """

    index: int  # 1, 2, ... from the densest down
    density: float
    kind: Kind


@dataclass(frozen=True)
class TicketSet:
    """K tickets over one network's N prunable weights.

    names      one per ticket
    subsets    the part of the data that each ticket was made for
    pruned_at  uint8 (K, N): index of the level that removed the weight, `KEPT` (0) where none did; the
               masks of all levels are therefore nested by construction
    levels     densest first; exactly one is the target
    """

    names: tuple[str, ...]
    subsets: tuple[str, ...]
    layout: Layout
    pruned_at: np.ndarray
    levels: tuple[Level, ...]

    @property
    def k(self) -> int:
        return len(self.names)

    @property
    def n(self) -> int:
        return self.layout.n

    @property
    def target(self) -> Level:
        return next(level for level in self.levels if level.kind == "target")

    def masks(self, level: Level | None = None, span: slice = slice(None)) -> np.ndarray:
        """bool (K, N): what each ticket keeps at a level (the target unless said); `span`: of a stretch of weights."""
        index = (level or self.target).index
        pruned_at = self.pruned_at[:, span]
        return (pruned_at == KEPT) | (pruned_at > index)

    def densities(self, level: Level | None = None) -> np.ndarray:
        """(K,) share of the N weights that each ticket keeps."""
        return self.masks(level).mean(axis=1)

    def layer_densities(self, level: Level | None = None) -> np.ndarray:
        """(K, layers) share of each tensor that each ticket keeps."""
        masks = self.masks(level)
        return np.stack([masks[:, span].mean(axis=1) for span in self.layout.slices().values()], axis=1)

    def level_at(self, density: float) -> Level:
        """The level whose density is nearest to `density`."""
        return min(self.levels, key=lambda level: abs(level.density - density))


def numbered(places: Iterable[tuple[float, Kind]]) -> tuple[Level, ...]:
    """Levels from 1 on; places: (density, kind), densest first."""
    return tuple(Level(index, density, kind) for index, (density, kind) in enumerate(places, start=1))


def around(target: float, denser: Iterable[float], lighter: Iterable[float]) -> list[tuple[float, Kind]]:
    """(density, kind) of a target and of the densities listed that lie on their side of it, densest first."""
    above = sorted((density for density in set(denser) if density > target), reverse=True)
    below = sorted((density for density in set(lighter) if density < target), reverse=True)
    return [
        *((density, "denser") for density in above),
        (target, "target"),
        *((density, "lighter") for density in below),
    ]


def nested(levels: Sequence[Level], shape: int | tuple[int, ...], kept: Callable[[Level], np.ndarray]) -> np.ndarray:
    """`pruned_at`, uint8, of masks that `kept` gives for each level, bool of that shape, each within the one before."""
    pruned_at = np.full(shape, KEPT, np.uint8)
    for level in reversed(levels):  # lightest first: a weight is removed at the densest level that does not keep it
        pruned_at[~kept(level)] = level.index
    return pruned_at
