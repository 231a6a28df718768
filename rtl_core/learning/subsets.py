"""What each ticket learns from: its rows, what its outputs are compared with, and its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from rtl_core.data.batches import BatchAt, balanced, reweighed
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.tasks.task import Task

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Subset:
    """One ticket's share of the work.

    pools    training rows; a batch takes equal shares of each pool
    targets  row indices -> what the loss compares the outputs with
    loss     (outputs, targets) -> scalar
    """

    name: str
    pools: tuple[np.ndarray, ...]
    targets: Callable[[np.ndarray], torch.Tensor]
    loss: Loss

    def batches(self, size: int, seed: int, *names: str | int) -> BatchAt:
        return balanced(self.pools, size, seed, *names, self.name)


def ticket_subsets(
    dataset: Dataset, partition: Partition, task: Task, reweigh: str | None = None
) -> tuple[Subset, ...]:
    """One `Subset` per ticket; `reweigh`: the attribute that is made independent of the class among its rows."""
    in_some = (dataset.split == "train") & (partition.assignment >= 0)
    pool = _pools(dataset, reweigh)

    def of_ticket(k: int, name: str) -> Subset:
        own = partition.assignment == k
        pools = task.pools(in_some & own, in_some & ~own)
        return Subset(name, tuple(pool(among) for among in pools), _truth(dataset, task, own), task.loss)

    return tuple(of_ticket(k, name) for k, name in enumerate(partition.names))


def _truth(dataset: Dataset, task: Task, own: np.ndarray) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda rows: torch.from_numpy(task.truth(dataset, rows, own[rows]))


def _pools(dataset: Dataset, reweigh: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """bool over all rows -> the row indices to draw batches from."""
    if reweigh is None:
        return np.flatnonzero
    if reweigh not in dataset.attributes:
        known = ", ".join(dataset.attributes.columns) or "none"
        raise BadInput(f"setting 'reweigh': these data have no attribute '{reweigh}'; they have: {known}")
    if dataset.labels is None:
        raise BadInput("setting 'reweigh': rows are drawn by group and class, and these rows have no class")
    group = dataset.attributes[reweigh].astype(str).to_numpy()

    def pool(among: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(among)
        return reweighed(rows, group[rows], dataset.labels[rows])

    return pool


def which_subset(dataset: Dataset, partition: Partition) -> Subset:
    """All rows, with the subset's index as the class: how ONE mask is trained to tell the subsets apart."""
    rows = np.flatnonzero((dataset.split == "train") & (partition.assignment >= 0))
    return Subset("all", (rows,), lambda at: torch.from_numpy(partition.assignment[at]), functional.cross_entropy)
