"""What the weights that all tickets keep can do, and what a ticket is without those that it keeps alone.

own              m_k
core             the weights that every ticket keeps: what is left of m_k where all agree
without private  m_k without the weights that no other ticket keeps

Each ticket is judged on rows of its own subset, with its own head and norm statistics re-estimated under every mask.
Whether it matters WHICH weights stay, only the control can tell: as many of every layer of m_k, drawn at random.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rtl_core.audit.mask_exchange import under_masks
from rtl_core.data.dataset import Split
from rtl_core.errors import BadInput
from rtl_core.learning.trained_tickets import TrainedTickets

CORE, WITHOUT_PRIVATE = "core", "without private"
DRAWS = 5  # random masks a variant


def core_and_specialists(trained: TrainedTickets, draws: int = DRAWS, split: Split = "val") -> pd.DataFrame:
    """Three rows per ticket: `ticket`, and the columns of `mask_exchange.exchange`.

    BadInput: a single ticket, or no rows of a ticket in the split.
    """
    if trained.tickets.k == 1:
        raise BadInput("one ticket alone has neither a core that others keep too nor weights against theirs")
    frames = [
        under_masks(trained, name, variants(trained.tickets.masks(), k), ("core and specialists", name), draws, split)
        for k, name in enumerate(trained.tickets.names)
    ]
    return pd.concat(
        [frame.assign(ticket=name) for name, frame in zip(trained.tickets.names, frames, strict=True)],
        ignore_index=True,
    )


def variants(masks: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Variant -> bool (N,) of ticket k's mask, of all masks (K, N); as the module says."""
    owners = masks.sum(axis=0)
    return {"own": masks[k], CORE: owners == len(masks), WITHOUT_PRIVATE: masks[k] & (owners > 1)}
