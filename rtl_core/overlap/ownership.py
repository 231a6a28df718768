"""Who owns the weights: how many tickets keep each one, which sets of tickets keep the same ones, and dead filters."""

from __future__ import annotations

from collections.abc import Collection
from itertools import compress
from math import prod

import numpy as np
import pandas as pd

from rtl_core.errors import BadInput
from rtl_core.overlap.similarity import ratio
from rtl_core.tickets import bits
from rtl_core.tickets.ticket_set import Level, TicketSet

_FILTERS = [
    "layer",
    "ticket",
    "outputs",
    "dead_outputs",
    "expected_outputs",
    "inputs",
    "dead_inputs",
    "expected_inputs",
]
_CHUNK = 2**22  # bits that are turned at a time from rows of tickets into rows of weights


def ownership(tickets: TicketSet, level: Level | None = None) -> pd.DataFrame:
    """How many weights of each layer 0, 1, ... K tickets keep, and how many it would be by chance.

    Columns: layer, owners, weights, expected. A weight's number of owners is, for independent masks, Poisson-binomial
    with the tickets' densities in its layer; both counts add up over layers.
    """
    from scipy.stats import poisson_binom

    tables, owners = [], np.arange(tickets.k + 1)
    for name, span in tickets.layout.slices().items():
        own = tickets.masks(level, span)
        tables.append(
            pd.DataFrame(
                {
                    "layer": name,
                    "owners": owners,
                    "weights": np.bincount(own.sum(axis=0), minlength=tickets.k + 1),
                    "expected": own.shape[1] * poisson_binom.pmf(owners, own.mean(axis=1)),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def intersections(
    tickets: TicketSet, level: Level | None = None, layers: Collection[str] | None = None, largest: int = 20
) -> pd.DataFrame:
    """The sets of tickets that own most weights together: exactly they keep them, and no other ticket does.

    Columns: tickets (tuple of names), owners (how many), weights, expected (for independent masks with the tickets'
    densities in every layer) and ratio (weights / expected). At most `largest` rows, most weights first; weights that
    no ticket keeps are not listed. `layers`: only of these (None: of all). Takes about a byte per weight for every
    eight tickets, and twice that while sorting. BadInput: no such layer.
    """
    spans = tickets.layout.slices()
    for layer in layers or ():
        if layer not in spans:
            raise BadInput(f"there is no layer '{layer}'; the prunable layers are: {', '.join(spans)}")
    owners, densities, sizes = [], [], []
    for layer, span in spans.items():
        if layers is None or layer in layers:
            own = tickets.masks(level, span)
            owners.append(_owners(own))
            densities.append(own.mean(axis=1))
            sizes.append(own.shape[1])
    sets, weights = np.unique(np.concatenate(owners), return_counts=True)
    first = np.argsort(-weights, kind="stable")[: largest + 1]
    members = bits.unpack(sets[first].view(np.uint8).reshape(len(first), -1), tickets.k)
    owned = members.any(axis=1)
    members, weights = members[owned][:largest], weights[first][owned][:largest]
    expected = sum(n * np.where(members, d, 1 - d).prod(axis=1) for n, d in zip(sizes, densities, strict=True))
    return pd.DataFrame(
        {
            "tickets": [tuple(compress(tickets.names, row)) for row in members],
            "owners": members.sum(axis=1),
            "weights": weights,
            "expected": expected,
            "ratio": ratio(weights, expected),
        }
    )


def dead_filters(tickets: TicketSet, level: Level | None = None) -> pd.DataFrame:
    """Outputs and inputs of which a ticket keeps no weight, for every layer and ticket.

    Columns: layer, ticket; outputs, dead_outputs and expected_outputs (dead by chance, had the ticket kept as many
    weights of the layer at random); inputs, dead_inputs, expected_inputs. Outputs are a tensor's dimension 0 and
    inputs its dimension 1, as in torch's linear layers and convolutions; a grouped convolution's inputs are those
    within a group. Tensors of one dimension have no filters and are left out.
    """
    tables = []
    for (layer, span), shape in zip(tickets.layout.slices().items(), tickets.layout.shapes, strict=True):
        if len(shape) < 2:
            continue
        own = tickets.masks(level, span).reshape(tickets.k, shape[0], shape[1], -1)
        outputs, inputs = own.any(axis=(2, 3)), own.any(axis=(1, 3))
        kept, n = own.sum(axis=(1, 2, 3)), prod(shape)
        tables.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "ticket": tickets.names,
                    "outputs": shape[0],
                    "dead_outputs": (~outputs).sum(axis=1),
                    "expected_outputs": shape[0] * _all_pruned(n // shape[0], kept, n),
                    "inputs": shape[1],
                    "dead_inputs": (~inputs).sum(axis=1),
                    "expected_inputs": shape[1] * _all_pruned(n // shape[1], kept, n),
                }
            )
        )
    return pd.concat(tables or [pd.DataFrame(columns=_FILTERS)], ignore_index=True)


def _owners(own: np.ndarray) -> np.ndarray:
    """(N,) the tickets that keep each weight, of bool (K, N), as bits of one number (of raw bytes for K over 64)."""
    k, n = own.shape
    size = 1 << (-(-k // 8) - 1).bit_length()
    owners = np.zeros((n, size), dtype=np.uint8)
    step = max(1, _CHUNK // k)
    for start in range(0, n, step):
        piece = slice(start, start + step)
        owners[piece, : -(-k // 8)] = bits.pack(np.ascontiguousarray(own[:, piece].T))
    return owners.view(f"u{size}" if size <= 8 else f"V{size}")[:, 0]


def _all_pruned(some: int, kept: np.ndarray, n: int) -> np.ndarray:
    """Probability that none of `some` weights is among the `kept` of n that a random mask keeps."""
    from scipy.stats import hypergeom

    return hypergeom.pmf(0, n, kept, some)
