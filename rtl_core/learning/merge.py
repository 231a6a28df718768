"""Several tickets as one: which weights it keeps, and what it computes with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.learning.grow import against_rest, first_part
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import Part
from rtl_core.models.network import Network
from rtl_core.tickets.ticket_set import TicketSet, nested

# bool (tickets, N) -> bool (N,); each keeps nested masks nested
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "union": lambda masks: masks.any(axis=0),
    "intersection": lambda masks: masks.all(axis=0),
    "majority": lambda masks: 2 * masks.sum(axis=0) > len(masks),
}


@dataclass(frozen=True)
class Merged:
    """Several tickets as one: `part` as it computes, `pruned_at` uint8 (N,) over the run's rungs."""

    part: Part
    pruned_at: np.ndarray


@dataclass(frozen=True)
class Merger:
    """What tickets are merged over.

    parts    the tickets as they compute
    batches  training batches on which the norm statistics of a merged ticket are re-estimated; seed: of their draw
    """

    network: Network
    parts: Sequence[Part]
    tickets: TicketSet
    dataset: Dataset
    partition: Partition
    task: str
    batches: int
    seed: int

    def merge(self, chosen: Sequence[int], how: str) -> Merged:
        """The tickets `chosen` as one. What each had to itself becomes their mean, untrained; norm statistics are
        re-estimated on the rows of all their subsets. BadInput: no such way, too few tickets."""
        _check(chosen, how)
        pruned_at = merged_rungs(self.tickets, chosen, how)
        parts, name = [self.parts[k] for k in chosen], " + ".join(self.tickets.names[k] for k in chosen)
        start = first_part(self.network, parts, name)
        own = {tensor: start.private[tensor] for tensor in parts[0].private}
        part = replace(start, mask=WAYS[how](self.tickets.masks()[list(chosen)]), private=own)
        subset, _ = against_rest(self.dataset, self.assignment(chosen), name, self.task)
        layout, inputs = self.tickets.layout, self.dataset.inputs
        return Merged(recalibrate(self.network, part, subset, layout, inputs, self.batches, self.seed), pruned_at)

    def assignment(self, chosen: Sequence[int]) -> np.ndarray:
        """int64 (n,): 0 for rows of the subsets `chosen`, 1 for those of others, -1 for those of none."""
        belongs = self.partition.assignment
        return np.where(np.isin(belongs, chosen), 0, np.where(belongs >= 0, 1, -1))


def merged_rungs(tickets: TicketSet, chosen: Sequence[int], how: str) -> np.ndarray:
    """`pruned_at` uint8 (N,) of the tickets `chosen` merged at every rung."""
    return nested(tickets.rungs, tickets.n, lambda rung: WAYS[how](tickets.masks(rung)[list(chosen)]))


def _check(chosen: Sequence[int], how: str) -> None:
    if how not in WAYS:
        raise BadInput(f"tickets are merged by {', '.join(WAYS)}, not by '{how}'")
    if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
        raise BadInput("a merge takes two or more tickets, each named once")
    if how == "majority" and len(chosen) == 2:
        raise BadInput("the majority of two tickets is their intersection; name three or more, or say intersection")
