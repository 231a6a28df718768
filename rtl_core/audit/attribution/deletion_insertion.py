"""Deletion and insertion: does the output fall, or rise, as a map says it should?

Petsiuk, Das and Saenko, "RISE", BMVC 2018. The order that the map gives is compared with random orders of the
same input, because what removal alone does to a network is large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rtl_core.audit.attribution.explain import Maps, Question, followed, private_copy
from rtl_core.audit.attribution.regions import Regions

STEPS = 16  # equal stretches in which an input is taken away
ORDERS = 2  # random ones for each input


@dataclass(frozen=True)
class Curves:
    """The target's probability for n inputs, or its number where answers have none; all float (n, STEPS + 1).

    deletion          from the whole input to the baseline, the highest scores first
    insertion         from the baseline to the whole input, the highest scores first
    random_deletion   the mean over random orders, and so `random_insertion`
    """

    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray


def area(curve: np.ndarray) -> np.ndarray:
    """(n,) the area under each curve over the share that was taken away, by trapezoids; of probabilities in [0, 1]."""
    return (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2


def curves(
    module: nn.Module,
    x: torch.Tensor,
    maps: Maps,
    question: Question,
    smallest: Regions,
    generator: np.random.Generator,
) -> Curves:
    """The curves of maps (n) of inputs x through the module.

    smallest   what is taken away at a time: all channels of a pixel, or a column
    generator  draws the random orders, new ones for each input
    """
    module, baseline = private_copy(module), question.baseline.expand_as(x)
    scores = smallest.sums(maps.attributions)
    n, count = scores.shape
    removed = np.rint(np.linspace(0, count, STEPS + 1))[:, None]  # how many parts, after each step
    outputs = np.empty((4, n, STEPS + 1))
    for i in range(n):
        orders = [_ranks(-scores[i]), *(generator.permutation(count) for _ in range(ORDERS))]
        gone = np.concatenate([ranks < removed for ranks in orders])  # (orders x steps, parts)
        taken = torch.from_numpy(gone[:, smallest.of].astype(np.float32))
        versions = torch.cat([x[i] + taken * (baseline[i] - x[i]), baseline[i] + taken * (x[i] - baseline[i])])
        answer = followed(module, versions, maps.target[i], question).reshape(2, 1 + ORDERS, STEPS + 1)
        outputs[:, i] = *answer[:, 0], *answer[:, 1:].mean(axis=1)
    return Curves(*outputs)


def _ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value from the smallest up; ties by position."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
