"""Groups by how well they are answered: the mean credit of rows, where answers are no decisions and have no rates.

The metric has the name that the task gives its credit (`Task.credited`), such as "picture_miou".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtl_core.audit.fairness.group_metrics import SCORES
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure

_AT_ONCE = 2**22  # numbers that are dealt out anew at a time


def figure_of(metric: str) -> Figure | None:
    """What a mean credit is called and its unit; None for metrics of decisions."""
    known = {task.credited.name: task.credited for task in TASKS.values() if task.log_p is None}
    return known.get(metric)


def in_points(metric: str) -> bool:
    """Whether a metric is a share, whose differences are percentage points."""
    credited = figure_of(metric)
    return metric not in SCORES if credited is None else credited.unit == "share"


def permutation_p(credits: Sequence[np.ndarray], permutations: int, generator: np.random.Generator) -> float:
    """p of the largest difference (highest - lowest) between the mean credits of some groups, each (rows,).

    (1 + ranges at least as large when rows are dealt out to the groups anew) / (1 + permutations).
    """
    values, starts = np.concatenate(credits).astype(float), np.cumsum([0, *map(len, credits)])
    sizes = np.diff(starts)

    def ranges(dealt: np.ndarray) -> np.ndarray:
        return np.ptp(np.add.reduceat(dealt, starts[:-1], axis=-1) / sizes, axis=-1)

    observed, step, as_large = ranges(values), max(1, _AT_ONCE // len(values)), 0
    for i in range(0, permutations, step):
        dealt = generator.permuted(np.tile(values, (min(step, permutations - i), 1)), axis=1)
        as_large += int(np.count_nonzero(ranges(dealt) >= observed - 1e-12))
    return (1 + as_large) / (1 + permutations)
