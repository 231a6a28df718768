"""What a method has learned: for each subset the tensors that its ticket computes with.

A mask is never written into a parameter and no module knows of it: `materialise` multiplies when a
ticket is applied (`torch.func.functional_call`) or copied out as a plain module.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rtl_core.events import Tensors
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.storage import Stored, stored, stored_dense


@dataclass(frozen=True)
class Subnetwork:
    """The tensors that serve one subset.

    mask     bool (N,) over the prunable weights, None for a dense network
    shared   parameters that several tickets use: the SAME dict object in each of their subnetworks
    private  parameters of this ticket alone (its head, its norms' scale and shift, where so set)
    buffers  norm statistics; the same dict object in every subnetwork where they are shared
    """

    subset: str
    mask: np.ndarray | None
    shared: Tensors
    private: Tensors
    buffers: Tensors

    @property
    def device(self) -> torch.device:
        """Where its tensors lie."""
        return next(iter(self.shared.values())).device

    def mask_tensors(self, layout: Layout) -> Tensors:
        """Prunable name -> bool tensor of its shape, where the subnetwork lies; none for a dense network."""
        if self.mask is None:
            return {}
        return {name: mask.to(self.device) for name, mask in layout.unflatten(torch.from_numpy(self.mask)).items()}

    def tensors(self, masks: Tensors) -> Tensors:
        """Name -> tensor for everything the module computes with, those that `masks` names multiplied by theirs."""
        whole = {**self.shared, **self.private, **self.buffers}
        return {**whole, **{name: whole[name] * mask for name, mask in masks.items()}}

    def on(self, device: str | torch.device) -> Subnetwork:
        """The same on a device, in dicts of its own: tensors that lie there already are these very ones."""
        moved = (
            {name: t.to(device) for name, t in group.items()} for group in (self.shared, self.private, self.buffers)
        )
        return Subnetwork(self.subset, self.mask, *moved)


@dataclass(frozen=True)
class TrainedMethod:
    """One method's outcome.

    reads         "per_subset": subnetwork k answers for subset k. Otherwise the one subnetwork tells all subsets apart,
                  and is read by the task's reading of that name
    output_shape  of the network that the subnetworks belong to
    width         of that network, where it is of another width than the tickets'; it then has no masks
    steps_*       gradient steps per subset in each phase
    """

    method: str
    subnetworks: tuple[Subnetwork, ...]
    reads: str
    output_shape: tuple[int, ...]
    steps_warm: int
    steps_extract: int
    steps_joint: int
    width: float | None = None

    def stores(self, layout: Layout) -> Stored:
        """What it stores of its prunable weights; `layout`: of the masks. Without masks all of them, and no bits."""
        separate = len({id(subnetwork.shared) for subnetwork in self.subnetworks}) > 1
        masks = [subnetwork.mask for subnetwork in self.subnetworks if subnetwork.mask is not None]
        if masks:
            return stored(masks, layout, separate)
        return stored_dense(self.network_size(layout) * (len(self.subnetworks) if separate else 1))

    def network_size(self, layout: Layout) -> int:
        """How many prunable weights its network has, or each of its networks."""
        return sum(self.subnetworks[0].shared[name].numel() for name in layout.names)


def materialise(subnetwork: Subnetwork, layout: Layout) -> Tensors:
    """Name -> tensor for everything the module needs, masked weights multiplied out."""
    return {name: tensor.detach() for name, tensor in subnetwork.tensors(subnetwork.mask_tensors(layout)).items()}


def as_module(network: Network, subnetwork: Subnetwork, layout: Layout) -> nn.Module:
    """The ticket as a plain module of its own, in eval mode."""
    module = copy.deepcopy(network.module)
    fill(module, materialise(subnetwork, layout))
    return module.eval()


def fill(module: nn.Module, tensors: Tensors) -> None:
    """Copies tensors into a module, which may be without weights of its own (`catalogue.rebuild`)."""
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        module.to_empty(device="cpu")
    module.load_state_dict(tensors, strict=True)
