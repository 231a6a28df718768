"""UMAP, one call at a time: where numba has no thread library but its own, two callers at once end the process."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

_ONE_AT_A_TIME = Lock()


def umap_places(fitted: np.ndarray, placed: np.ndarray | None = None, **settings: Any) -> np.ndarray:
    """float32 (n, dimensions): where UMAP puts the rows `placed`, or those that it is fitted on where none are given.

    settings  of `umap.UMAP`, with its `random_state`; loading the library takes some seconds
    """
    with _ONE_AT_A_TIME:
        from umap import UMAP

        model = UMAP(**settings, n_jobs=1)
        return model.fit_transform(fitted) if placed is None else model.fit(fitted).transform(placed)
