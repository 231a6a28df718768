"""Similar tickets: a dendrogram of them, an order in which neighbours are alike, and a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from rtl_core.data.umap_places import umap_places
from rtl_core.errors import BadInput
from rtl_core.overlap.similarity import Similarity
from rtl_core.rng import seed_for

_ORDERED = 200  # tickets up to which the leaves are put in optimal order, which takes time and memory of K^2 and more
_UMAP_LEAST = 5  # tickets from which UMAP's neighbourhoods mean something


@dataclass(frozen=True)
class Tree:
    """Average-linkage clustering (UPGMA) of K tickets.

    names    one per ticket
    linkage  float (K - 1, 4), as scipy has it: two clusters, the distance at which they join, the tickets in both;
             clusters 0 to K - 1 are the tickets, K + i is the join of row i
    leaves   int (K,): the tickets in the tree's order
    """

    names: tuple[str, ...]
    linkage: np.ndarray
    leaves: np.ndarray

    @property
    def segments(self) -> np.ndarray:
        """float (K - 1, 2, 4): for every join the places, and the heights, of the four corners of its bracket.

        Places count along `leaves` from 0; a join stands in the middle of the two that it joins. Heights are distances.
        """
        k = len(self.names)
        place, height = np.zeros(2 * k - 1), np.zeros(2 * k - 1)
        place[self.leaves] = np.arange(k)
        brackets = np.empty((k - 1, 2, 4))
        for row, (first, second, distance, _) in enumerate(self.linkage):
            a, b = int(first), int(second)
            brackets[row] = (place[a], place[a], place[b], place[b]), (height[a], distance, distance, height[b])
            place[k + row], height[k + row] = (place[a] + place[b]) / 2, distance
        return brackets


def tree(measures: Similarity) -> Tree:
    """Clusters tickets by 1 - excess IoU: 0 for the same mask, 1 for chance, at most 2.

    A pair whose excess is not defined counts as chance. Up to 200 tickets the leaves are in the optimal order
    (Bar-Joseph et al., 2001), in which neighbours are as alike as the tree allows.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    k = len(measures.names)
    if k == 1:
        return Tree(measures.names, np.empty((0, 4)), np.zeros(1, dtype=int))
    distance = np.clip(1 - np.nan_to_num(measures.excess, nan=0.0), 0, 2)
    joins = linkage(squareform(distance, checks=False), "average", optimal_ordering=k <= _ORDERED)
    return Tree(measures.names, joins, leaves_list(joins))


def mask_map(measures: Similarity, method: Literal["pca", "umap"] = "pca", seed: int = 0) -> tuple[pd.DataFrame, float]:
    """The tickets as points (columns name, x, y), and the share of their variance that the two axes show.

    Both methods see the distance sqrt(1 - IoU), which is Euclidean (Gower and Legendre, 1986); two empty masks are at
    distance 0.
    pca   classical scaling: the principal axes of the points that have these distances, exactly. Signs are fixed.
    umap  neighbourhoods (McInnes et al., 2018), the same for the same seed and versions; it has no share: NaN.
    The share is NaN too where all masks are the same. BadInput: unknown method, or UMAP of fewer than 5 tickets.
    """
    k = len(measures.names)
    squared = np.clip(1 - np.nan_to_num(measures.iou, nan=0.0), 0, 1)
    empty = measures.size == 0
    squared[np.outer(empty, empty)] = 0
    if method == "pca":
        points, share = _classical_scaling(squared)
    elif method == "umap":
        if k < _UMAP_LEAST:
            raise BadInput(f"UMAP needs at least {_UMAP_LEAST} tickets and here are {k}; use PCA")
        points, share = _umap(np.sqrt(squared), seed), float("nan")
    else:
        raise BadInput(f"there is no map by '{method}'; there are: pca, umap")
    return pd.DataFrame({"name": measures.names, "x": points[:, 0], "y": points[:, 1]}), share


def _classical_scaling(squared: np.ndarray) -> tuple[np.ndarray, float]:
    """(K, 2) coordinates on the two main axes of points with the squared distances (K, K), and their share."""
    k = len(squared)
    centre = np.eye(k) - 1 / k
    values, vectors = np.linalg.eigh(-centre @ squared @ centre / 2)
    values = np.where(values > 1e-12 * k, values, 0)  # what is left is rounding
    main = [axis for axis in (k - 1, k - 2) if axis >= 0]
    points = np.zeros((k, 2))
    for column, axis in enumerate(main):
        vector = vectors[:, axis]
        points[:, column] = np.sqrt(values[axis]) * vector * np.sign(vector[np.abs(vector).argmax()])
    total = values.sum()
    return points, float(values[main].sum() / total) if total else float("nan")


def _umap(distance: np.ndarray, seed: int) -> np.ndarray:
    """(K, 2) coordinates from distances (K, K)."""
    random_state, neighbours = seed_for(seed, "map of masks") % 2**32, min(15, len(distance) - 1)
    return umap_places(distance, metric="precomputed", n_neighbors=neighbours, random_state=random_state)
