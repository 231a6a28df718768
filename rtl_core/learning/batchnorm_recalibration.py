"""Norm statistics re-estimated for one ticket: the largest single factor in the figures.

Running averages that were updated while other tickets trained the shared weights describe none of
them; without this step the ranking of methods is noise (docs/results/defaults.md has the measurement).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from rtl_core.learning.experiment import Experiment, Inputs
from rtl_core.learning.subnetwork import Subnetwork, materialise
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout

BATCH = 64  # statistics of larger batches differ little, and small ones fit the processor's cache


@dataclass(frozen=True)
class NormBatches:
    """The training batches that a subset's norm statistics are estimated on: the same for every ticket of it."""

    subset: Subset
    count: int
    seed: int

    def __iter__(self) -> Iterator[np.ndarray]:
        """Row indices of one batch after another."""
        batch_at = self.subset.batches(BATCH, self.seed, "recalibrate")
        return (batch_at(step) for step in range(self.count))


def recalibrate(experiment: Experiment, subnetwork: Subnetwork, subset: Subset) -> Subnetwork:
    """The subnetwork with norm statistics of its own, of as many training batches of its subset as the settings say."""
    config = experiment.config
    batches = NormBatches(subset, config.sharing.recalibrate_batches, config.seed)
    return with_statistics(experiment.network, subnetwork, experiment.layout, experiment.inputs, batches)


@torch.no_grad()
def with_statistics(
    network: Network, subnetwork: Subnetwork, layout: Layout, inputs: Inputs, batches: NormBatches
) -> Subnetwork:
    """The subnetwork with norm statistics of its own: their mean over the batches; itself where there are none."""
    module = structure(network.module).train()
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms or batches.count == 0:
        return subnetwork
    subnetwork = replace(subnetwork, buffers={name: buffer.clone() for name, buffer in subnetwork.buffers.items()})
    tensors = materialise(subnetwork, layout)
    for name, buffer in tensors.items():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()  # the cumulative average below starts from nothing
    for norm in norms:
        norm.momentum = None  # cumulative average over the batches
    for rows in batches:
        functional_call(module, tensors, (inputs(rows).to(subnetwork.device),))
    return subnetwork
