"""Which ticket an input belongs to, from one gradient: SupSup's one-shot inference of the task.

Wortsman et al., "Supermasks in Superposition", NeurIPS 2020, section 3.3: the network computes with the average of all
tickets, alpha_k = 1/K each, and the ticket whose share alpha_k would lower the answer's entropy fastest is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from rtl_core.data.batches import pieces
from rtl_core.events import Tensors
from rtl_core.learning.experiment import Inputs
from rtl_core.learning.subnetwork import Subnetwork, materialise
from rtl_core.models.copies import structure
from rtl_core.models.network import Network
from rtl_core.tasks.task import Doubt
from rtl_core.tickets.layout import Layout

BATCH = 32  # each row has a gradient of every weight


@dataclass(frozen=True)
class OneShotGradient:
    """The tickets' tensors side by side.

    stacked  name -> (K, ...) the parameters that each ticket computes with, masked
    fixed    norm statistics: the tickets' mean, through which no gradient goes
    """

    module: nn.Module
    stacked: Tensors
    fixed: Tensors
    of_outputs: Doubt
    passes: ClassVar[float] = 3.0  # a forward pass and a backward one, which counts as two

    @property
    def k(self) -> int:
        return len(next(iter(self.stacked.values())))

    def doubt(self, alpha: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """How unsure the mixed tickets are of one input x."""
        mixed = {name: torch.tensordot(alpha, tensors, dims=1) for name, tensors in self.stacked.items()}
        outputs = functional_call(self.module, {**mixed, **self.fixed}, (x.unsqueeze(0),))
        return self.of_outputs.of(outputs)[0]

    def slopes(self, x: torch.Tensor) -> torch.Tensor:
        """(b, ...) inputs -> (b, K): d doubt / d alpha_k at alpha = 1/K, for every input by itself."""
        alpha, own = torch.full((self.k,), 1 / self.k), replace(self, module=structure(self.module))
        return vmap(grad(own.doubt), in_dims=(None, 0))(alpha, x)

    def steepest(self, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
        """int64 (rows,): the ticket whose share lowers the doubt fastest."""
        batches = [self.slopes(inputs(some)).argmin(dim=1) for some in pieces(rows, BATCH)]
        return torch.cat(batches).numpy()


def one_shot_gradient(
    network: Network, subnetworks: Sequence[Subnetwork], layout: Layout, doubt: Doubt
) -> OneShotGradient:
    tensors = [materialise(subnetwork, layout) for subnetwork in subnetworks]
    module = structure(network.module).eval()
    stacked = {name: torch.stack([of_one[name].cpu() for of_one in tensors]) for name, _ in module.named_parameters()}
    buffers = {name: torch.stack([of_one[name].cpu() for of_one in tensors]) for name, _ in module.named_buffers()}
    fixed = {name: of_all.float().mean(dim=0).to(of_all.dtype) for name, of_all in buffers.items()}
    return OneShotGradient(module, stacked, fixed, doubt)
