"""How many weights every pair of tickets keeps together, layer by layer: the counts that all of overlap is made of.

The masks are read once for these counts; every measure (`similarity`), every test (`chance`) and every table is
arithmetic on them. With K tickets and L layers they take 4 L K^2 bytes, however many weights the network has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.tickets import bits
from rtl_core.tickets.ticket_set import Level, TicketSet


@dataclass(frozen=True)
class Overlap:
    """The counts of K tickets at one level over L layers.

    names    one per ticket
    density  the level's density over all of the network's layers
    layers   names, in the network's order; n (L,) int64: the weights of each
    shared   int32 (L, K, K): weights of a layer that both of a pair keep; the diagonal is what each ticket keeps
    """

    names: tuple[str, ...]
    density: float
    layers: tuple[str, ...]
    n: np.ndarray
    shared: np.ndarray

    @property
    def k(self) -> int:
        return len(self.names)

    @property
    def kept(self) -> np.ndarray:
        """int64 (L, K): weights of each layer that each ticket keeps."""
        return np.diagonal(self.shared, axis1=1, axis2=2).astype(np.int64)

    def only(self, layers: Collection[str] | None) -> Overlap:
        """The same counts in some of the layers (None: in all). BadInput for a layer that is not there."""
        if layers is None:
            return self
        for layer in layers:
            if layer not in self.layers:
                raise BadInput(f"there is no layer '{layer}'; the prunable layers are: {', '.join(self.layers)}")
        rows = [row for row, layer in enumerate(self.layers) if layer in layers]
        return Overlap(
            self.names, self.density, tuple(self.layers[row] for row in rows), self.n[rows], self.shared[rows]
        )

    def between(self, tickets: Sequence[int]) -> Overlap:
        """The same counts among some of the tickets, by index and in the order given."""
        chosen = list(tickets)
        names = tuple(self.names[k] for k in chosen)
        return Overlap(names, self.density, self.layers, self.n, self.shared[:, chosen][:, :, chosen])

    def index(self, name: str) -> int:
        """The place of a ticket. BadInput: no such ticket."""
        if name not in self.names:
            raise BadInput(f"there is no ticket '{name}'; there are: {', '.join(self.names)}")
        return self.names.index(name)


def overlap(
    tickets: TicketSet, level: Level | None = None, progress: Callable[[int, int], None] | None = None
) -> Overlap:
    """Counts all pairs of tickets at a level (the target unless said); calls `progress(layers done, of)`."""
    level = level or tickets.target
    shared = np.empty((len(tickets.layout.names), tickets.k, tickets.k), np.int32)
    for row, span in enumerate(tickets.layout.slices().values()):
        shared[row] = bits.intersections(bits.pack(tickets.masks(level, span)))
        if progress is not None:
            progress(row + 1, len(shared))
    return Overlap(tickets.names, level.density, tickets.layout.names, np.array(tickets.layout.sizes), shared)


def depth_groups(layers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Layers by depth: the network's own stages (`layer1`, `blocks.3`, ...) where their names tell them, else thirds.

    Stages are the shortest name prefixes that make 3 to 12 groups. Networks of fewer than four layers have no groups.
    """
    if len(layers) < 4:
        return {}
    for depth in range(1, 1 + max(name.count(".") for name in layers)):
        stages: dict[str, list[str]] = {}
        for name in layers:
            stages.setdefault(".".join(name.split(".")[:depth]), []).append(name)
        if 3 <= len(stages) <= 12 and len(stages) < len(layers):
            return {stage: tuple(names) for stage, names in stages.items()}
    cuts = np.linspace(0, len(layers), 4).round().astype(int)
    thirds = zip(("shallow third", "middle third", "deep third"), cuts[:-1], cuts[1:], strict=True)
    return {name: tuple(layers[a:b]) for name, a, b in thirds}
