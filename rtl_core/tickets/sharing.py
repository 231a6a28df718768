"""Who owns the weights: how many tickets keep each one, which sets of tickets keep the same ones, and dead filters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rtl_core.tickets.ticket_set import Rung, TicketSet


def ownership(tickets: TicketSet, rung: Rung | None = None) -> pd.DataFrame:
    """How many weights of each layer 0, 1, ... K tickets keep, and how many it would be by chance.

    Columns: layer, owners, weights, expected. A weight's number of owners is, for independent masks, Poisson-binomial
    with the tickets' densities in its layer; both counts add up over layers.
    """
    tables = []
    for name, part in tickets.layout.slices().items():
        own = tickets.masks(rung, part)
        tables.append(
            pd.DataFrame(
                {
                    "layer": name,
                    "owners": np.arange(tickets.k + 1),
                    "weights": np.bincount(own.sum(axis=0), minlength=tickets.k + 1),
                    "expected": own.shape[1] * _poisson_binomial(own.mean(axis=1)),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _poisson_binomial(probabilities: np.ndarray) -> np.ndarray:
    """(K + 1,) distribution of the number of successes in K independent trials, by convolution."""
    distribution = np.ones(1)
    for p in probabilities:
        distribution = np.convolve(distribution, (1 - p, p))
    return distribution
