"""How much tickets share, layer by layer, against chance.

Layers end at different densities, so even independent masks overlap more than d / (2 - d) overall. Everything here
is therefore computed from one array: `shared` (layers, K, K), the weights of each layer that tickets i and j both
keep; its diagonal holds what each ticket keeps. With n_l weights in layer l and densities d_il (PAPER.md, "Density
explains overlap"):

    IoU    = sum_l shared_lij / sum_l (kept_li + kept_lj - shared_lij)
    chance = sum_l n_l d_il d_jl / sum_l n_l (d_il + d_jl - d_il d_jl)
    excess = (IoU - chance) / (1 - chance)

A value that is not defined is NaN: IoU and chance where the union is empty, excess there and where chance is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rtl_core.errors import BadInput
from rtl_core.tickets import bits
from rtl_core.tickets.ticket_set import Rung, TicketSet

TOTAL = "all layers"  # what `pair` calls its last row


@dataclass(frozen=True)
class Similarity:
    """The overlaps of K tickets at one rung, over all layers or in one.

    names                 one per ticket
    density               the rung's density over all layers
    layer                 the one layer looked at; None: all
    iou, chance, excess   float (K, K); see the module. A ticket with itself: IoU 1, excess 1 (NaN where undefined)
    intersection          int64 (K, K): weights that both keep
    size                  int64 (K,): weights that each keeps
    n                     prunable weights looked at
    """

    names: tuple[str, ...]
    density: float
    layer: str | None
    iou: np.ndarray
    chance: np.ndarray
    excess: np.ndarray
    intersection: np.ndarray
    size: np.ndarray
    n: int


@dataclass(frozen=True)
class ChanceInterval:
    """What independent masks with the tickets' own counts per layer would do. All float (K, K); diagonal NaN.

    expected, sd  mean and standard deviation of the intersection, in weights
    low, high     the IoU between which a pair of independent masks lies with probability `level`
    z             (intersection - expected) / sd; NaN where the counts leave no freedom (an empty or a full layer)
    p             two-sided, for one pair: adjust it where many pairs are looked at together
    exact         p is hypergeometric (a single layer), not by the normal approximation
    """

    level: float
    expected: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    z: np.ndarray
    p: np.ndarray
    exact: bool


def similarity(tickets: TicketSet, rung: Rung | None = None, layer: str | None = None) -> Similarity:
    """All pairs of tickets at a rung (the target unless said), in one layer or over all. BadInput: no such layer."""
    shared, n = _shared(tickets, rung, layer)
    iou, chance, excess = _against_chance(shared, n)
    intersection = shared.sum(axis=0)
    return Similarity(
        names=tickets.names,
        density=(rung or tickets.target).density,
        layer=layer,
        iou=iou,
        chance=chance,
        excess=excess,
        intersection=intersection,
        size=np.diagonal(intersection).copy(),
        n=int(n.sum()),
    )


def layer_profile(tickets: TicketSet, rung: Rung | None = None) -> pd.DataFrame:
    """One row per layer, in the network's order; means over the K (K - 1) / 2 pairs.

    Columns: layer, n, kept_min, kept_mean, kept_max (weights per ticket), density_mean, iou_mean, chance_mean,
    excess_mean (NaN where no pair defines it), empty_tickets (how many tickets keep nothing here) and status: "ok",
    "empty layer" (no ticket keeps anything) or "full layer" (every ticket keeps everything).
    """
    shared, n = _shared(tickets, rung)
    kept = _kept(shared)
    per_layer = [_against_chance(shared[[row]], n[[row]]) for row in range(len(n))]
    means = np.array([[_mean_of_pairs(matrix) for matrix in matrices] for matrices in per_layer])
    return pd.DataFrame(
        {
            "layer": tickets.layout.names,
            "n": n,
            "kept_min": kept.min(axis=1),
            "kept_mean": kept.mean(axis=1),
            "kept_max": kept.max(axis=1),
            "density_mean": kept.mean(axis=1) / n,
            "iou_mean": means[:, 0],
            "chance_mean": means[:, 1],
            "excess_mean": means[:, 2],
            "empty_tickets": (kept == 0).sum(axis=1),
            "status": np.select(
                [~kept.any(axis=1), (kept == n[:, None]).all(axis=1)], ["empty layer", "full layer"], "ok"
            ),
        }
    )


def pair(tickets: TicketSet, a: str, b: str, rung: Rung | None = None) -> pd.DataFrame:
    """Two tickets, by name: one row per layer and a last row `TOTAL`. BadInput: no such ticket.

    Columns: layer, n, shared, only_a, only_b, neither (weights), iou, chance, excess.
    """
    i, j = _index(tickets, a), _index(tickets, b)
    shared, n = _shared(tickets, rung)
    two = shared[:, [i, j]][:, :, [i, j]]
    parts = [slice(row, row + 1) for row in range(len(n))] + [slice(None)]
    measures = np.array([[matrix[0, 1] for matrix in _against_chance(two[part], n[part])] for part in parts])
    both = _with_total(two[:, 0, 1])
    kept_a, kept_b = _with_total(two[:, 0, 0]), _with_total(two[:, 1, 1])
    return pd.DataFrame(
        {
            "layer": [*tickets.layout.names, TOTAL],
            "n": _with_total(n),
            "shared": both,
            "only_a": kept_a - both,
            "only_b": kept_b - both,
            "neither": _with_total(n) - (kept_a + kept_b - both),
            "iou": measures[:, 0],
            "chance": measures[:, 1],
            "excess": measures[:, 2],
        }
    )


def ownership(tickets: TicketSet, rung: Rung | None = None) -> pd.DataFrame:
    """How many weights of each layer 0, 1, ... K tickets keep, and how many it would be by chance.

    Columns: layer, owners, weights, expected. A weight's number of owners is, for independent masks, Poisson-binomial
    with the tickets' densities in its layer; both counts add up over layers.
    """
    masks = tickets.masks(rung)
    tables = []
    for name, part in tickets.layout.slices().items():
        own = masks[:, part]
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


def chance_interval(
    tickets: TicketSet, rung: Rung | None = None, layer: str | None = None, level: float = 0.95
) -> ChanceInterval:
    """Does a pair overlap more, or less, than independent masks with the same counts per layer?

    The intersection of such masks is a sum over layers of hypergeometric numbers, so its mean (exactly n_l d_il d_jl
    per layer) and variance are known. p is exact in a single layer: twice the smaller tail. Over several layers it is
    the normal approximation with continuity correction.
    """
    from scipy.stats import norm

    shared, n = _shared(tickets, rung, layer)
    kept = _kept(shared).astype(float)
    observed = shared.sum(axis=0)
    size = _kept(observed[None])[0]
    expected = _expected(kept, n).sum(axis=0)
    sd = np.sqrt(_variance(kept, n).sum(axis=0))
    reach = norm.ppf((1 + level) / 2) * sd
    largest = np.minimum(kept[:, :, None], kept[:, None, :]).sum(axis=0)
    smallest = np.maximum(kept[:, :, None] + kept[:, None, :] - n[:, None, None], 0).sum(axis=0)
    low, high = np.maximum(expected - reach, smallest), np.minimum(expected + reach, largest)
    both_sizes = size[:, None] + size[None, :]
    exact = len(n) == 1
    if exact:
        p = _hypergeometric_p(observed, size, int(n[0]))
    else:
        p = 2 * norm.sf(_ratio(np.maximum(np.abs(observed - expected) - 0.5, 0), sd))
    return ChanceInterval(
        level=level,
        expected=_off_diagonal(expected),
        sd=_off_diagonal(sd),
        low=_off_diagonal(_ratio(low, both_sizes - low)),
        high=_off_diagonal(_ratio(high, both_sizes - high)),
        z=_off_diagonal(_ratio(observed - expected, sd)),
        p=_off_diagonal(np.where(sd > 0, p, np.nan)),
        exact=exact,
    )


def as_json(tickets: TicketSet, rung: Rung | None = None, layer: str | None = None) -> dict[str, Any]:
    """`similarity` as the command line prints it; None where a value is not defined."""
    found = similarity(tickets, rung, layer)
    columns = ["layer", "n", "density_mean", "iou_mean", "chance_mean", "excess_mean", "status"]
    layers = layer_profile(tickets, rung)[columns].rename(columns={"layer": "name"})
    if layer is not None:
        layers = layers[layers.name == layer]
    return {
        "names": list(found.names),
        "density": found.density,
        "layer": layer,
        "n": found.n,
        "kept": found.size.tolist(),
        "iou": _nullable(found.iou),
        "chance": _nullable(found.chance),
        "excess": _nullable(found.excess),
        "layers": layers.astype(object).where(layers.notna(), None).to_dict("records"),
    }


def _shared(tickets: TicketSet, rung: Rung | None, layer: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """int64 (layers, K, K) weights kept by both of a pair, and int64 (layers,) weights there are."""
    parts = tickets.layout.slices()
    if layer is not None:
        if layer not in parts:
            raise BadInput(f"there is no layer '{layer}'; the prunable layers are: {', '.join(parts)}")
        parts = {layer: parts[layer]}
    masks = tickets.masks(rung)
    shared = np.stack([bits.intersections(bits.pack(masks[:, part])) for part in parts.values()])
    return shared, np.array([part.stop - part.start for part in parts.values()])


def _against_chance(shared: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU, chance and excess, each (K, K), over the layers of `shared` (layers, K, K); n is (layers,)."""
    kept = _kept(shared)
    intersection, expected = shared.sum(axis=0), _expected(kept, n).sum(axis=0)
    size = kept.sum(axis=0)
    both_sizes = size[:, None] + size[None, :]
    iou = _ratio(intersection, both_sizes - intersection)
    chance = _ratio(expected, both_sizes - expected)
    return iou, chance, _ratio(iou - chance, 1 - chance)


def _kept(shared: np.ndarray) -> np.ndarray:
    """(layers, K) weights that each ticket keeps: what it shares with itself."""
    return np.diagonal(shared, axis1=1, axis2=2)


def _expected(kept: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(layers, K, K) mean intersection of independent masks: n_l d_il d_jl."""
    return kept[:, :, None] * kept[:, None, :] / n[:, None, None]


def _variance(kept: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(layers, K, K) variance of the hypergeometric intersection of masks that keep `kept` (layers, K) of n weights."""
    free = kept * (n[:, None] - kept) / n[:, None]
    return free[:, :, None] * free[:, None, :] / np.maximum(n - 1, 1)[:, None, None]


def _hypergeometric_p(observed: np.ndarray, size: np.ndarray, n: int) -> np.ndarray:
    """(K, K) two-sided p of each pair's intersection in one layer of n weights: twice the smaller tail, at most 1."""
    from scipy.stats import hypergeom

    i, j = np.triu_indices(len(size), 1)
    x, counts = observed[i, j], (n, size[i], size[j])
    tail = np.minimum(hypergeom.cdf(x, *counts), hypergeom.sf(x - 1, *counts))
    p = np.ones(observed.shape)
    p[i, j] = p[j, i] = np.minimum(2 * tail, 1)
    return p


def _poisson_binomial(probabilities: np.ndarray) -> np.ndarray:
    """(K + 1,) distribution of the number of successes in K independent trials, by convolution."""
    distribution = np.ones(1)
    for p in probabilities:
        distribution = np.convolve(distribution, (1 - p, p))
    return distribution


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """A ticket with itself is not a pair."""
    return np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)


def _mean_of_pairs(matrix: np.ndarray) -> float:
    """The mean over the pairs where the value is defined; NaN where there is none."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    defined = pairs[~np.isnan(pairs)]
    return float(defined.mean()) if defined.size else float("nan")


def _with_total(column: np.ndarray) -> np.ndarray:
    return np.append(column, column.sum())


def _index(tickets: TicketSet, name: str) -> int:
    if name not in tickets.names:
        raise BadInput(f"there is no ticket '{name}'; there are: {', '.join(tickets.names)}")
    return tickets.names.index(name)


def _nullable(matrix: np.ndarray) -> list[list[float | None]]:
    return np.where(np.isnan(matrix), None, matrix).tolist()
