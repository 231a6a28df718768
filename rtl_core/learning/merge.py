"""Several tickets as one: which weights it keeps, and what it computes with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.learning.grow import first_part
from rtl_core.learning.parts import Part
from rtl_core.models.network import Network
from rtl_core.tickets.ticket_set import KEPT, TicketSet

# bool (tickets, N) -> bool (N,); each keeps nested masks nested
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "union": lambda masks: masks.any(axis=0),
    "intersection": lambda masks: masks.all(axis=0),
    "majority": lambda masks: 2 * masks.sum(axis=0) > len(masks),
}


def merged_masks(tickets: TicketSet, chosen: Sequence[int], how: str) -> np.ndarray:
    """`pruned_at` uint8 (N,) of the tickets `chosen` as one, rung by rung. BadInput: no such way, too few tickets."""
    if how not in WAYS:
        raise BadInput(f"tickets are merged by {', '.join(WAYS)}, not by '{how}'")
    if len(set(chosen)) < 2:
        raise BadInput("a merge takes two different tickets or more")
    if how == "majority" and len(chosen) == 2:
        raise BadInput("the majority of two tickets is their intersection; name three or more, or say intersection")
    pruned_at = np.full(tickets.n, KEPT, np.uint8)
    for rung in reversed(tickets.rungs):  # lightest first: a weight is removed at the densest rung that does not keep it
        pruned_at[~WAYS[how](tickets.masks(rung)[list(chosen)])] = rung.index
    return pruned_at


def merged_part(network: Network, parts: Sequence[Part], mask: np.ndarray, name: str) -> Part:
    """The tickets `parts` as one under `mask`: what each had to itself becomes their mean, untrained; norm statistics
    are yet to be estimated."""
    start = first_part(network, parts, name)
    return replace(start, mask=mask, private={tensor: start.private[tensor] for tensor in parts[0].private})
