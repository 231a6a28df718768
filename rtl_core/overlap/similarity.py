"""Measures of how much tickets share, against chance.

Layers end at different densities, so even independent masks overlap more than d / (2 - d). With n_l weights in layer l,
densities d_il and the counts of `overlap`:

    IoU          sum_l shared_lij / sum_l (kept_li + kept_lj - shared_lij)
    chance       sum_l n_l d_il d_jl / sum_l n_l (d_il + d_jl - d_il d_jl)
    excess       (IoU - chance) / (1 - chance)
    coefficient  sum_l shared_lij / min(sum_l kept_li, sum_l kept_lj): 1 where one ticket lies within the other
    hamming      sum_l (kept_li + kept_lj - 2 shared_lij) / sum_l n_l: share of weights on which they disagree

A value that is not defined is NaN: IoU and chance where the union is empty, excess there and where chance is 1, the
coefficient where a ticket is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rtl_core.overlap.overlap import Overlap

TOTAL = "all layers"  # what `pair` calls its last row


@dataclass(frozen=True)
class Similarity:
    """The overlaps of K tickets over the layers of some counts.

    names                 one per ticket
    density               the level's density over all layers
    iou, chance, excess, coefficient, hamming
                          float (K, K); see the module. A ticket with itself: IoU 1, excess 1 (NaN where undefined)
    intersection          int64 (K, K): weights that both keep
    size                  int64 (K,): weights that each keeps
    n                     prunable weights looked at
    """

    names: tuple[str, ...]
    density: float
    iou: np.ndarray
    chance: np.ndarray
    excess: np.ndarray
    coefficient: np.ndarray
    hamming: np.ndarray
    intersection: np.ndarray
    size: np.ndarray
    n: int


def similarity(counts: Overlap) -> Similarity:
    """All pairs of tickets, over all layers of the counts together."""
    iou, chance, excess = against_chance(counts)
    intersection = counts.shared.sum(axis=0, dtype=np.int64)
    size = np.diagonal(intersection).copy()
    total = int(counts.n.sum())
    both_sizes = size[:, None] + size[None, :]
    return Similarity(
        names=counts.names,
        density=counts.density,
        iou=iou,
        chance=chance,
        excess=excess,
        coefficient=ratio(intersection, np.minimum(size[:, None], size[None, :])),
        hamming=(both_sizes - 2 * intersection) / total,
        intersection=intersection,
        size=size,
        n=total,
    )


def layer_profile(counts: Overlap) -> pd.DataFrame:
    """One row per layer, in the network's order; means over the K (K - 1) / 2 pairs.

    Columns: layer, n, kept_min, kept_mean, kept_max (weights per ticket), density_mean, iou_mean, chance_mean,
    excess_mean (NaN where no pair defines it), excess_sd (over the pairs), empty_tickets (how many tickets keep nothing
    here) and status: "ok", "empty layer" (no ticket keeps anything) or "full layer" (every ticket keeps everything).
    """
    kept, n = counts.kept, counts.n
    per_layer = [against_chance(counts.only([layer])) for layer in counts.layers]
    means = np.array([[_over_pairs(matrix, np.mean) for matrix in matrices] for matrices in per_layer])
    return pd.DataFrame(
        {
            "layer": counts.layers,
            "n": n,
            "kept_min": kept.min(axis=1),
            "kept_mean": kept.mean(axis=1),
            "kept_max": kept.max(axis=1),
            "density_mean": kept.mean(axis=1) / n,
            "iou_mean": means[:, 0],
            "chance_mean": means[:, 1],
            "excess_mean": means[:, 2],
            "excess_sd": [_over_pairs(excess, np.std) for _, _, excess in per_layer],
            "empty_tickets": (kept == 0).sum(axis=1),
            "status": np.select(
                [~kept.any(axis=1), (kept == n[:, None]).all(axis=1)], ["empty layer", "full layer"], "ok"
            ),
        }
    )


def pair(counts: Overlap, a: str, b: str) -> pd.DataFrame:
    """Two tickets, by name: one row per layer and a last row `TOTAL`. BadInput: no such ticket.

    Columns: layer, n, shared, only_a, only_b, neither (weights), iou, chance, excess.
    """
    two = counts.between([counts.index(a), counts.index(b)])
    places = [two.only([layer]) for layer in two.layers] + [two]
    measures = np.array([[matrix[0, 1] for matrix in against_chance(place)] for place in places])
    both, n = _with_total(two.shared[:, 0, 1]), _with_total(two.n)
    kept_a, kept_b = (_with_total(column) for column in two.kept.T)
    return pd.DataFrame(
        {
            "layer": [*two.layers, TOTAL],
            "n": n,
            "shared": both,
            "only_a": kept_a - both,
            "only_b": kept_b - both,
            "neither": n - (kept_a + kept_b - both),
            "iou": measures[:, 0],
            "chance": measures[:, 1],
            "excess": measures[:, 2],
        }
    )


def as_json(counts: Overlap, layer: str | None = None, compact: bool = False) -> dict[str, Any]:
    """`similarity` as the command line prints it, over all layers or in one; None where a value is not defined.

    compact  each pair once instead of matrices, to five decimals: in the order (0, 1), (0, 2), ..., (1, 2), ...
    """
    counts = counts.only(None if layer is None else [layer])
    measures = similarity(counts)
    columns = ["layer", "n", "density_mean", "iou_mean", "chance_mean", "excess_mean", "status"]
    layers = layer_profile(counts)[columns].rename(columns={"layer": "name"})
    matrices = ("iou", "chance", "excess", "coefficient", "hamming")
    return {
        "names": list(measures.names),
        "density": measures.density,
        "layer": layer,
        "n": measures.n,
        "kept": measures.size.tolist(),
        **(
            {"pairs": {name: as_matrix(getattr(measures, name), compact) for name in matrices}}
            if compact
            else {name: as_matrix(getattr(measures, name)) for name in matrices}
        ),
        "layers": layers.astype(object).where(layers.notna(), None).to_dict("records"),
    }


def against_chance(counts: Overlap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, chance and excess, each float (K, K), over all layers of the counts together."""
    intersection = counts.shared.sum(axis=0, dtype=np.int64)
    expected = expected_intersection(counts)
    size = np.diagonal(intersection)
    both_sizes = size[:, None] + size[None, :]
    iou = ratio(intersection, both_sizes - intersection)
    chance = ratio(expected, both_sizes - expected)
    return iou, chance, ratio(iou - chance, 1 - chance)


def expected_intersection(counts: Overlap) -> np.ndarray:
    """float (K, K): what independent masks with the same counts per layer share, sum_l kept_li kept_lj / n_l."""
    return sum(np.outer(kept, kept) / n for kept, n in zip(counts.kept, counts.n, strict=True))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)


def _over_pairs(matrix: np.ndarray, statistic: Any) -> float:
    """A statistic of the pairs where the value is defined; NaN where there is none."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    defined = pairs[~np.isnan(pairs)]
    return float(statistic(defined)) if defined.size else float("nan")


def _with_total(column: np.ndarray) -> np.ndarray:
    return np.append(column, column.sum(dtype=np.int64)).astype(np.int64)


def as_matrix(matrix: np.ndarray, compact: bool = False) -> list[Any]:
    """Float (K, K) as JSON has it, None for NaN; `compact`: each pair once, to five decimals."""
    values = matrix[np.triu_indices(len(matrix), 1)].round(5) if compact else matrix
    return np.where(np.isnan(values), None, values).tolist()
