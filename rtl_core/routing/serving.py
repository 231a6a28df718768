"""Inference with a mixed batch: rows that go to different tickets of one network.

What makes it as fast as one dense pass: weights multiplied out once, norms folded into the layers before them, rows
grouped by ticket, and groups in pieces that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import nn

from rtl_core.data.batches import pieces, rows_a_pass
from rtl_core.learning.subnetwork import Subnetwork, as_module
from rtl_core.models.copies import quick
from rtl_core.models.network import Network
from rtl_core.tasks.task import Doubt
from rtl_core.tickets.layout import Layout

Take = Callable[[np.ndarray], torch.Tensor]  # positions in the batch -> their inputs


@dataclass(frozen=True)
class Serving:
    """K tickets ready to answer.

    modules  one plain module a ticket, in eval mode, on the processor
    """

    modules: tuple[nn.Module, ...]
    output_shape: tuple[int, ...]

    @property
    def k(self) -> int:
        return len(self.modules)

    @torch.inference_mode()
    def each(self, take: Take, ticket: np.ndarray) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Pieces of the batch, one ticket at a time: (positions, their outputs by ticket[position])."""
        order = np.argsort(ticket, kind="stable")
        ends = np.cumsum(np.bincount(ticket, minlength=self.k))
        for module, group in zip(self.modules, np.split(order, ends[:-1]), strict=True):
            for piece in pieces(group, rows_a_pass(prod(self.output_shape))):
                yield piece, module(_channels_last(take(piece))).detach()

    def routed(self, take: Take, ticket: np.ndarray) -> torch.Tensor:
        """(n, *output_shape): row i answered by ticket[i], in the rows' order; n = len(ticket)."""
        answers = torch.empty(len(ticket), *self.output_shape)
        for piece, outputs in self.each(take, ticket):
            answers[piece] = outputs
        return answers

    def of_one(self, x: torch.Tensor) -> np.ndarray:
        """(K, *output_shape): what every ticket answers to one input, x (1, *input_shape)."""
        return np.concatenate([self.routed(lambda at: x, np.array([k])).numpy() for k in range(self.k)])

    def doubts(self, take: Take, n: int, doubt: Doubt) -> np.ndarray:
        """(K, n): how unsure every ticket is of its answer to every row."""
        result = torch.empty(self.k, n)
        for k in range(self.k):
            for piece, outputs in self.each(take, np.full(n, k)):
                result[k, piece] = doubt.of(outputs)
        return result.numpy()


def serving(network: Network, subnetworks: Sequence[Subnetwork], layout: Layout) -> Serving:
    """The tickets with their weights multiplied out and, where the network says which, their norms folded away."""
    return Serving(
        tuple(quick(as_module(network, subnetwork, layout)) for subnetwork in subnetworks), network.output_shape
    )


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
