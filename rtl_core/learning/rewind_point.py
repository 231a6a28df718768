"""theta_0: the weights that every method starts from and that extraction rewinds to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rtl_core.config import SharingSettings
from rtl_core.events import Tensors
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout


@dataclass(frozen=True)
class RewindPoint:
    """theta_0 with what each of the K tickets has of its own at that moment.

    shared   parameters common to all; private, buffers: one dict per ticket
    Every method takes fresh copies, so theta_0 itself never moves.
    """

    shared: Tensors
    private: tuple[Tensors, ...]
    buffers: tuple[Tensors, ...]
    steps: int  # dense steps per subset that were spent to get here

    def subnetworks(
        self, names: tuple[str, ...], masks: np.ndarray | None, one_network: bool = True
    ) -> tuple[Subnetwork, ...]:
        """Fresh subnetworks for all subsets: over one shared copy of theta_0, or (imp_multi) over a copy each."""
        common = _copy(self.shared)
        same_buffers = all(b is self.buffers[0] for b in self.buffers)
        buffers = (
            [_copy(self.buffers[0])] * len(names) if same_buffers and one_network else [_copy(b) for b in self.buffers]
        )
        return tuple(
            Subnetwork(
                subset=name,
                mask=None if masks is None else masks[k],
                shared=common if one_network else _copy(self.shared),
                private=_copy(self.private[k]),
                buffers=buffers[k],
            )
            for k, name in enumerate(names)
        )

    def subnetwork(self, k: int, name: str, mask: np.ndarray | None) -> Subnetwork:
        """A fresh subnetwork for one subset on its own: where Algorithm 1 rewinds to."""
        return Subnetwork(name, mask, _copy(self.shared), _copy(self.private[k]), _copy(self.buffers[k]))


def cold_start(network: Network, sharing: SharingSettings, k: int, device: str) -> RewindPoint:
    """The network's initial weights, divided into what tickets share and what each has to itself."""
    own = set(network.head if sharing.head == "ticket" else ()) | set(
        network.norm_affine if sharing.norm_affine == "ticket" else ()
    )
    parameters = {name: p.detach().clone().to(device) for name, p in network.module.named_parameters()}
    buffers = {name: b.detach().clone().to(device) for name, b in network.module.named_buffers()}
    return RewindPoint(
        shared={name: p for name, p in parameters.items() if name not in own},
        private=tuple(_copy({name: parameters[name] for name in sorted(own)}) for _ in range(k)),
        buffers=(buffers,) * k if sharing.norm_statistics == "shared" else tuple(_copy(buffers) for _ in range(k)),
        steps=0,
    )


def from_subnetworks(subnetworks: tuple[Subnetwork, ...], steps: int) -> RewindPoint:
    """Freeze what dense training of the subnetworks has arrived at as theta_0 (late rewinding)."""
    return RewindPoint(
        subnetworks[0].shared, tuple(p.private for p in subnetworks), tuple(p.buffers for p in subnetworks), steps
    )


def merged(start: RewindPoint, trained: Sequence[Subnetwork], masks: np.ndarray, layout: Layout) -> RewindPoint:
    """Where joint training starts if it does not rewind: what the extractions have learned, in one network.

    trained  each ticket's weights after its extraction; masks bool (K, N)
    A prunable weight is the mean over the tickets that keep it, theta_0's where none does; whatever else tickets share
    is the mean over all; what is a ticket's own is its own.
    """
    weights = torch.stack([layout.flatten(subnetwork.shared) for subnetwork in trained]).double()
    kept = torch.from_numpy(masks).to(weights.device)
    owners = kept.sum(dim=0)
    mean = torch.where(kept, weights, 0.0).sum(dim=0) / owners.clamp(min=1)
    theta_0 = layout.flatten(start.shared)
    prunable = layout.unflatten(torch.where(owners > 0, mean.to(theta_0.dtype), theta_0))
    shared = {
        name: prunable[name].contiguous()
        if name in prunable
        else mean_of([subnetwork.shared[name] for subnetwork in trained])
        for name in start.shared
    }
    return RewindPoint(shared, tuple(p.private for p in trained), tuple(p.buffers for p in trained), start.steps)


def mean_of(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of tensors of one shape, summed in double precision."""
    return torch.stack([t.detach() for t in tensors]).double().mean(dim=0).to(tensors[0].dtype)


def _copy(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
