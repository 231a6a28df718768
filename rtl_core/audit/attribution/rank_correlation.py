"""Rank correlation of maps.

With signs: places where both maps are zero, such as a black background, then lie in the middle of both
rankings and do not make maps look similar, as they would by size alone.
"""

from __future__ import annotations

import numpy as np


def centred_ranks(maps: np.ndarray) -> np.ndarray:
    """(n, numbers) -> each row's ranks less their mean, over their length; a constant row gives NaN."""
    from scipy.stats import rankdata

    ranks = rankdata(maps, axis=1) - (maps.shape[1] + 1) / 2
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's, row by row, of (n, numbers) with (n, numbers): (n,); NaN where a row is constant."""
    return (centred_ranks(a) * centred_ranks(b)).sum(axis=1)
