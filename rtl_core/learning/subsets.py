"""What a ticket is asked to learn: its rows, its targets and its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from rtl_core.data.batches import BatchAt, balanced
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition

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


def ticket_subsets(dataset: Dataset, partition: Partition, task: str) -> tuple[Subset, ...]:
    """One `Subset` per ticket.

    multiclass: the subset's own rows and all classes. one_vs_rest: batches balanced between the subset
    and the rest, one logit, as the paper trains its vision tickets (section 4).
    """
    train = dataset.split == "train"
    if task == "multiclass":
        return tuple(
            Subset(
                name,
                (np.flatnonzero(train & (partition.assignment == k)),),
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
                np.flatnonzero(in_some & (partition.assignment == k)),
                np.flatnonzero(in_some & (partition.assignment != k)),
            ),
            _is(partition.assignment, k),
            functional.binary_cross_entropy_with_logits,
        )
        for k, name in enumerate(partition.names)
    )


def which_subset(dataset: Dataset, partition: Partition) -> Subset:
    """All rows, with the subset's index as the class: how ONE mask is trained to tell the subsets apart."""
    rows = np.flatnonzero((dataset.split == "train") & (partition.assignment >= 0))
    return Subset("all", (rows,), _indices(partition.assignment), functional.cross_entropy)


def _indices(labels: np.ndarray) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda rows: torch.from_numpy(labels[rows])


def _is(assignment: np.ndarray, k: int) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda rows: torch.from_numpy((assignment[rows] == k).astype(np.float32)).unsqueeze(1)
