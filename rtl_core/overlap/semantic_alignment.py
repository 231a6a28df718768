"""Does overlap follow meaning: do tickets of related classes share more weights?

The path similarity of the classes' names (`taxonomy`) is set against the tickets' overlap by Spearman's rank
correlation over all pairs of tickets. Pairs are not independent, since every ticket is in K - 1 of them, so p comes
from permuting the tickets, rows and columns together: Mantel, "The detection of disease clustering and a generalized
regression approach", Cancer Research 27 (1967). The alternative is one-sided: related classes share MORE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations as all_orders
from math import factorial

import numpy as np
import pandas as pd

from rtl_core.errors import BadInput
from rtl_core.overlap.similarity import ratio
from rtl_core.overlap.taxonomy import Taxonomy, path_similarity
from rtl_core.rng import numpy_generator
from rtl_core.statistics.multiple_tests import holm

MIN_TICKETS = 4
MIN_PAIRS = MIN_TICKETS * (MIN_TICKETS - 1) // 2
_BLOCK = 2_000_000  # permuted pairs that are held in memory at a time


@dataclass(frozen=True)
class Alignment:
    """How far the overlap of K tickets follows the meaning of their names.

    rho           Spearman's correlation of path similarity and excess over the pairs; NaN where it is not defined
    p             the share of permutations of the tickets with a rho at least as large (one-sided); NaN with rho
    pairs         how many rho is computed on; n_undefined: how many were left out because their excess is not defined
    permutations  how many were looked at. exact: they are all K! of them, the observed one included, and p is a plain
                  share; otherwise they were drawn and p is (1 + as large) / (1 + permutations)
    reason        why rho is not defined; empty where it is
    frame         one row per pair: a, b, path_similarity, excess (NaN where not defined)
    """

    rho: float
    p: float
    pairs: int
    k: int
    permutations: int
    exact: bool
    n_undefined: int
    reason: str
    frame: pd.DataFrame


def alignment(
    excess: np.ndarray, names: Sequence[str], taxonomy: Taxonomy, permutations: int = 9_999, seed: int = 0
) -> Alignment:
    """Mantel's test over the pairs of K tickets; all K! permutations where they are not more than `permutations`.

    excess  float (K, K), symmetric: the tickets' excess IoU, or another similarity; NaN where it is not defined

    With four tickets the smallest possible p is 1 / 24, and larger where the taxonomy is symmetric in some of them.
    BadInput: fewer than four tickets, a matrix of another shape, a name that is no class of the taxonomy.
    """
    k = len(names)
    if k < MIN_TICKETS:
        raise BadInput(f"alignment needs at least {MIN_TICKETS} tickets; there are {k}")
    if excess.shape != (k, k):
        raise BadInput(f"the overlap of {k} tickets should be {k} x {k} values, not {list(excess.shape)}")
    frame = _pairs(excess, names, path_similarity(names, taxonomy))
    defined = frame[frame["excess"].notna()]
    exact = factorial(k) <= permutations
    reason = _reason(defined)
    rho, p = (float("nan"), float("nan")) if reason else _mantel(frame, k, exact, permutations, seed)
    return Alignment(
        rho=rho,
        p=p,
        pairs=len(defined),
        k=k,
        permutations=factorial(k) if exact else permutations,
        exact=exact,
        n_undefined=len(frame) - len(defined),
        reason=reason,
        frame=frame,
    )


def by_layer_and_density(
    measured: Iterable[tuple[str, float, np.ndarray]],
    names: Sequence[str],
    taxonomy: Taxonomy,
    permutations: int = 9_999,
    seed: int = 0,
) -> pd.DataFrame:
    """`alignment` of every (layer, density, excess), one row each in the order given; BadInput as there.

    Columns: layer, density, rho, p, p_holm (adjusted over the rows that have a p), pairs, n_undefined, reason.
    """
    rows = []
    for layer, density, excess in measured:
        aligned = alignment(excess, names, taxonomy, permutations, seed)
        rows.append((layer, density, aligned.rho, aligned.p, aligned.pairs, aligned.n_undefined, aligned.reason))
    table = pd.DataFrame(rows, columns=["layer", "density", "rho", "p", "pairs", "n_undefined", "reason"])
    table.insert(4, "p_holm", holm(table["p"].to_numpy(float)))
    return table


def _pairs(excess: np.ndarray, names: Sequence[str], meaning: np.ndarray) -> pd.DataFrame:
    i, j = np.triu_indices(len(names), 1)
    called = np.array(names, dtype=object)
    return pd.DataFrame({"a": called[i], "b": called[j], "path_similarity": meaning[i, j], "excess": excess[i, j]})


def _reason(defined: pd.DataFrame) -> str:
    if len(defined) < MIN_PAIRS:
        return f"excess is defined for {len(defined)} pairs only; at least {MIN_PAIRS} are needed"
    if defined["path_similarity"].nunique() == 1:
        return "all pairs of names are equally similar"
    if defined["excess"].nunique() == 1:
        return "all pairs of tickets overlap equally"
    return ""


def _mantel(frame: pd.DataFrame, k: int, exact: bool, permutations: int, seed: int) -> tuple[float, float]:
    """rho and p. Ranks are taken once: permuting tickets permutes the pairs, and with them the ranks."""
    from scipy.stats import rankdata

    i, j = np.triu_indices(k, 1)
    meaning = np.zeros((k, k))
    meaning[i, j] = meaning[j, i] = rankdata(frame["path_similarity"])
    defined = frame["excess"].notna().to_numpy()
    i, j = i[defined], j[defined]
    overlap = rankdata(frame["excess"][defined])

    def rho(orders: np.ndarray) -> np.ndarray:
        permuted = meaning[orders[:, i], orders[:, j]]
        # Where pairs are left out, every permutation leaves out other names, and the rest have other ranks.
        return _correlations(permuted if defined.all() else rankdata(permuted, axis=1), overlap)

    observed = rho(np.arange(k)[None])[0]
    orders = np.array(list(all_orders(range(k)))) if exact else _drawn_orders(k, permutations, seed)
    blocks = np.array_split(orders, -(-orders.shape[0] * len(i) // _BLOCK))
    # A permutation without a rho (all names left are equally similar) counts as large, so that p is never too small.
    as_large = sum(int((~(rho(block) < observed - 1e-9)).sum()) for block in blocks)
    return float(observed), as_large / len(orders) if exact else (1 + as_large) / (1 + len(orders))


def _drawn_orders(k: int, permutations: int, seed: int) -> np.ndarray:
    """int (permutations, K): orders of the tickets, independent of each other."""
    rows = np.tile(np.arange(k), (permutations, 1))
    return numpy_generator(seed, "alignment permutations").permuted(rows, axis=1)


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(B,) Pearson's correlation of each row of x (B, pairs) with y (pairs,); NaN for a constant row."""
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean()
    return ratio(x @ y, np.linalg.norm(x, axis=1) * np.linalg.norm(y))
