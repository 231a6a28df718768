"""Rows that share a unit are one picture or person seen several times; units are independent, rows are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Units:
    """Which of `n` units each row belongs to; `of_row` (n_rows,) counts from 0."""

    of_row: np.ndarray
    n: int

    @classmethod
    def from_ids(cls, ids: ArrayLike) -> Units:
        """Units from the rows' ids of any type, (n_rows,)."""
        distinct, of_row = np.unique(np.asarray(ids), return_inverse=True)
        return cls(of_row, len(distinct))

    @classmethod
    def rows(cls, n_rows: int) -> Units:
        """Each row a unit of its own."""
        return cls(np.arange(n_rows), n_rows)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The rows' values (n_rows,) added up by unit, (n,)."""
        return np.bincount(self.of_row, weights=values, minlength=self.n)

    def count(self, rows: np.ndarray) -> int:
        """How many units have at least one of the rows; rows (n_rows,) bool."""
        return int(np.count_nonzero(np.bincount(self.of_row[rows], minlength=self.n)))
