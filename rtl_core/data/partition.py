"""The split of the data into subsets that get a ticket each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Partition:
    """Which subset each row belongs to.

    assignment   int64 (n,): index into `names`, or -1 for rows left out (noise that is dropped)
    uses_label   true where the subset is read off the label or an attribute: a router that needs it
                 is told the answer, and says so
    silhouette   of the train rows in the space that was clustered; None where nothing was clustered
    """

    by: str
    column: str | None
    names: tuple[str, ...]
    assignment: np.ndarray
    uses_label: bool
    silhouette: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        return len(self.names)
