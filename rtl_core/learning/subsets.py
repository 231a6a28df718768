"""What a ticket is asked to learn: its rows, its targets and its loss."""

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

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Subset:
    """One ticket's share of the work.

    pools    training rows; a batch takes equal shares of each pool
    targets  row indices -> what the loss compares the logits with
    loss     (logits, targets) -> scalar
    """

    name: str
    pools: tuple[np.ndarray, ...]
    targets: Callable[[np.ndarray], torch.Tensor]
    loss: Loss

    def batches(self, size: int, seed: int, *names: str | int) -> BatchAt:
        return balanced(self.pools, size, seed, *names, self.name)


def ticket_subsets(dataset: Dataset, partition: Partition, task: str, reweigh: str | None = None) -> tuple[Subset, ...]:
    """One `Subset` per ticket; `reweigh`: the attribute that is made independent of the class among its rows.

    multiclass: the subset's own rows and all classes. one_vs_rest: batches balanced between the subset
    and the rest, one logit, as the paper trains its vision tickets (section 4).
    """
    train = dataset.split == "train"
    pool = _pools(dataset, reweigh)
    if task == "multiclass":
        return tuple(
            Subset(
                name,
                (pool(train & (partition.assignment == k)),),
                _indices(dataset.y),
                functional.cross_entropy,
            )
            for k, name in enumerate(partition.names)
        )
    in_some = train & (partition.assignment >= 0)
    return tuple(
        Subset(
            name,
            (
                pool(in_some & (partition.assignment == k)),
                pool(in_some & (partition.assignment != k)),
            ),
            _is(partition.assignment, k),
            functional.binary_cross_entropy_with_logits,
        )
        for k, name in enumerate(partition.names)
    )


def _pools(dataset: Dataset, reweigh: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """bool over all rows -> the row indices to draw batches from."""
    if reweigh is None:
        return np.flatnonzero
    if reweigh not in dataset.attributes:
        known = ", ".join(dataset.attributes.columns) or "none"
        raise BadInput(f"setting 'reweigh': these data have no attribute '{reweigh}'; they have: {known}")
    group = dataset.attributes[reweigh].astype(str).to_numpy()

    def pool(among: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(among)
        return reweighed(rows, group[rows], dataset.y[rows])

    return pool


def which_subset(dataset: Dataset, partition: Partition) -> Subset:
    """All rows, with the subset's index as the class: how ONE mask is trained to tell the subsets apart."""
    rows = np.flatnonzero((dataset.split == "train") & (partition.assignment >= 0))
    return Subset("all", (rows,), _indices(partition.assignment), functional.cross_entropy)


def _indices(labels: np.ndarray) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda rows: torch.from_numpy(labels[rows])


def _is(assignment: np.ndarray, k: int) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda rows: torch.from_numpy((assignment[rows] == k).astype(np.float32)).unsqueeze(1)
