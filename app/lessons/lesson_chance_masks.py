"""What the lesson on chance draws: two masks by lot, many more such pairs, and real tickets beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.overlap import Overlap
from rtl_core.overlap.similarity import against_chance
from rtl_core.rng import numpy_generator
from rtl_core.tickets.pruning import kept_count

SIDE = 24  # weights a side of the masks that are drawn
N = SIDE * SIDE
PAIRS = 1_000  # of masks behind the histogram


@dataclass(frozen=True)
class Drawn:
    """Two masks of N weights drawn independently of each other.

    a, b    bool (N,)
    counts  what each and both keep
    others  float (PAIRS,): the overlap (IoU) of further pairs that keep as many
    """

    a: np.ndarray
    b: np.ndarray
    counts: Overlap
    others: np.ndarray

    @property
    def iou(self) -> float:
        return float(against_chance(self.counts)[0][0, 1])

    @property
    def chance(self) -> float:
        return float(against_chance(self.counts)[1][0, 1])


def drawn(density_a: float, density_b: float, number: int) -> Drawn:
    """The pair number `number` at two densities in [0, 1]; the same arguments give the same pair."""
    kept = np.array([kept_count(density_a, N), kept_count(density_b, N)])
    generator = numpy_generator(number, "two random masks", *kept.tolist())
    a, b = (generator.permutation(N) < keep for keep in kept)
    both = int((a & b).sum())
    counts = Overlap(("A", "B"), density_a, ("weights",), np.array([N]), np.array([[[kept[0], both], [both, kept[1]]]]))
    shared = generator.hypergeometric(kept[0], N - kept[0], kept[1], PAIRS)
    return Drawn(a, b, counts, shared / (kept.sum() - shared))


def real_pairs(counts: Overlap) -> pd.DataFrame:
    """One row per layer and pair of tickets: layer, pair, iou, and low and high, where 95 % of random pairs lie."""
    i, j = np.triu_indices(counts.k, 1)
    rows = []
    for layer in counts.layers:
        one = counts.only([layer])
        iou, by_chance = against_chance(one)[0], chance_interval(one)
        rows.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "pair": [f"{counts.names[a]} and {counts.names[b]}" for a, b in zip(i, j, strict=True)],
                    "iou": iou[i, j],
                    "low": by_chance.low[i, j],
                    "high": by_chance.high[i, j],
                }
            )
        )
    return pd.concat(rows, ignore_index=True)
