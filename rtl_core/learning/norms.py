"""Norm statistics re-estimated for one ticket: the largest single factor in the figures.

Running averages that were updated while other tickets trained the shared weights describe none of
them; without this step the ranking of methods is noise (docs/results/defaults.md has the measurement).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.func import functional_call

from rtl_core.learning.joint import Inputs
from rtl_core.learning.parts import Part, materialise
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout

BATCH = 64  # statistics of larger batches differ little, and small ones fit the processor's cache


@torch.no_grad()
def recalibrate(
    network: Network, part: Part, subset: Subset, layout: Layout, inputs: Inputs, batches: int, seed: int
) -> Part:
    """The part with norm statistics of its own: their mean over `batches` training batches of its subset."""
    module = structure(network.module).train()
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms or batches == 0:
        return part
    part = replace(part, buffers={name: buffer.clone() for name, buffer in part.buffers.items()})
    tensors = materialise(part, layout)
    for name, buffer in tensors.items():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()  # the cumulative average below starts from nothing
    for norm in norms:
        norm.momentum = None  # cumulative average over the batches
    batch_at = subset.batches(BATCH, seed, "recalibrate")
    for step in range(batches):
        functional_call(module, tensors, (inputs(batch_at(step)).to(part.device),))
    return part
