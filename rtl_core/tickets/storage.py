"""What a ticket set stores: weights, and bits of masks and weights together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from rtl_core.errors import BadInput
from rtl_core.storage_budget import Budget
from rtl_core.tickets.layout import Layout

WEIGHT_BITS = 32
BITS_PER_KB = 8_000  # a kilobyte is 1,000 bytes


@dataclass(frozen=True)
class Stored:
    """How many weights, and these at 32 bits each together with the masks, each different one counted once.

    bits        masks packed: one bit per prunable weight for each
    bits_union  the union of the masks packed, and within it one bit per weight for each mask; of one mask the same
    bits_bound  masks at their entropy bound: log2 of the number of masks with the same counts per layer
    """

    weights: int
    bits: int
    bits_union: int
    bits_bound: float

    @property
    def kilobytes(self) -> float:
        """As the smaller of the two packings."""
        return min(self.bits, self.bits_union) / BITS_PER_KB


def stored(masks: Sequence[np.ndarray], layout: Layout, separate: bool = False) -> Stored:
    """What masks bool (N,) over the same weights store, or over weights of their own each (`separate`).

    A weight that several masks keep counts once, and so does a mask that stands twice.
    """
    weights = int(sum(mask.sum() for mask in masks) if separate else np.logical_or.reduce(masks).sum())
    different = masks if separate else list({mask.tobytes(): mask for mask in masks}.values())
    slices = layout.slices().values()
    bound = sum(_log2_choices(mask[span].size, int(mask[span].sum())) for mask in different for span in slices)
    values, packed = WEIGHT_BITS * weights, len(different) * layout.n
    in_union = packed if separate or len(different) == 1 else layout.n + len(different) * weights
    return Stored(weights, values + packed, values + in_union, values + bound)


def stored_dense(weights: int) -> Stored:
    """What so many weights without a mask store."""
    bits = WEIGHT_BITS * weights
    return Stored(weights, bits, bits, float(bits))


def check_budget(limit: Budget, kept: int, n: int) -> None:
    """BadInput where not even one mask for all tickets, of `kept` among n weights, fits the budget."""
    least = stored([np.arange(n) < kept], Layout(("all",), ((n,),)))
    if not limit.holds(least.weights, least.kilobytes):
        raise BadInput(
            f"setting 'storage': {limit} cannot hold tickets of this density, which store {least.weights:,} weights or "
            f"{least.kilobytes:,.1f} KB even if all of them keep the same; raise it or lower the density"
        )


def _log2_choices(n: int, k: int) -> float:
    return float((gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) / np.log(2))
