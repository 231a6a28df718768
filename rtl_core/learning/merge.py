"""Several tickets as one: which weights it keeps, and what it computes with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.learning.batchnorm_recalibration import NormBatches, with_statistics
from rtl_core.learning.grow import against_rest, first_subnetwork
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.tickets.ticket_set import TicketSet, nested

# bool (tickets, N) -> bool (N,); each keeps nested masks nested
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "union": lambda masks: masks.any(axis=0),
    "intersection": lambda masks: masks.all(axis=0),
    "majority": lambda masks: 2 * masks.sum(axis=0) > len(masks),
}


@dataclass(frozen=True)
class Merged:
    """Several tickets as one: `subnetwork` as it computes, `pruned_at` uint8 (N,) over the run's levels."""

    subnetwork: Subnetwork
    pruned_at: np.ndarray


def merge(trained: TrainedTickets, chosen: Sequence[int], how: str) -> Merged:
    """The tickets `chosen` as one. What each had to itself becomes their mean, untrained; norm statistics are
    re-estimated on the rows of all their subsets. BadInput: no such way, too few tickets."""
    _check(chosen, how)
    tickets, dataset = trained.tickets, trained.dataset
    pruned_at = merged_levels(tickets, chosen, how)
    subnetworks, name = [trained.subnetworks[k] for k in chosen], " + ".join(tickets.names[k] for k in chosen)
    start = first_subnetwork(trained.network, subnetworks, name)
    own = {tensor: start.private[tensor] for tensor in subnetworks[0].private}
    subnetwork = replace(start, mask=WAYS[how](tickets.masks()[list(chosen)]), private=own)
    subset, _ = against_rest(dataset, merged_assignment(trained, chosen), name, trained.task)
    batches = NormBatches(subset, trained.batches, trained.seed)
    return Merged(with_statistics(trained.network, subnetwork, tickets.layout, dataset.inputs, batches), pruned_at)


def merged_assignment(trained: TrainedTickets, chosen: Sequence[int]) -> np.ndarray:
    """int64 (n,): 0 for rows of the subsets `chosen`, 1 for those of others, -1 for those of none."""
    belongs = trained.partition.assignment
    return np.where(np.isin(belongs, chosen), 0, np.where(belongs >= 0, 1, -1))


def merged_levels(tickets: TicketSet, chosen: Sequence[int], how: str) -> np.ndarray:
    """`pruned_at` uint8 (N,) of the tickets `chosen` merged at every level."""
    return nested(tickets.levels, tickets.n, lambda level: WAYS[how](tickets.masks(level)[list(chosen)]))


def _check(chosen: Sequence[int], how: str) -> None:
    if how not in WAYS:
        raise BadInput(f"tickets are merged by {', '.join(WAYS)}, not by '{how}'")
    if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
        raise BadInput("a merge takes two or more tickets, each named once")
    if how == "majority" and len(chosen) == 2:
        raise BadInput("the majority of two tickets is their intersection; name three or more, or say intersection")
