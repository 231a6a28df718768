"""How strongly the loss depends on each weight: what pruning scores that see gradients are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.func import functional_call

from rtl_core.learning.experiment import Experiment
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.tickets.pruning import SEES_GRADIENTS

BATCHES = 12  # per subset: passes without a step, not counted among a run's


def gradients_for(
    experiment: Experiment, subnetworks: Sequence[Subnetwork], subsets: Sequence[Subset]
) -> np.ndarray | None:
    """`gradients` where the pruning score of the settings sees any, else None."""
    return gradients(experiment, subnetworks, subsets) if experiment.config.extract.score in SEES_GRADIENTS else None


def gradients(experiment: Experiment, subnetworks: Sequence[Subnetwork], subsets: Sequence[Subset]) -> np.ndarray:
    """float64 (N,): root mean square over training batches of the loss's gradient, inside the subnetworks' masks.

    subnetworks  over the same prunable weights, one for each subset; nothing of them moves
    """
    layout, config = experiment.layout, experiment.config
    module, squares = structure(experiment.network.module).train(), np.zeros(layout.n)
    for subnetwork, subset in zip(subnetworks, subsets, strict=True):
        weights = {name: subnetwork.shared[name].detach().requires_grad_(True) for name in layout.names}
        buffers = {
            name: buffer.clone() for name, buffer in subnetwork.buffers.items()
        }  # a pass in training mode moves them
        free, masks = (
            replace(subnetwork, shared={**subnetwork.shared, **weights}, buffers=buffers),
            subnetwork.mask_tensors(layout),
        )
        batch_at = subset.batches(config.optimiser.batch_size, config.seed, "gradients")
        for step in range(BATCHES):
            rows = batch_at(step)
            outputs = functional_call(module, free.tensors(masks), (experiment.inputs(rows).to(subnetwork.device),))
            loss = subset.loss(outputs, subset.targets(rows).to(subnetwork.device))
            of_batch = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
            squares += layout.flatten(of_batch).double().square().cpu().numpy()
    return np.sqrt(squares / (BATCHES * len(subnetworks)))
