"""Masks found while the shared weights train, without any extraction: a trial beside Algorithm 1, for `recipes.py`.

All tickets begin with all weights. Along a cubic schedule (Zhu and Gupta, 2017) each loses the weights with the lowest
|w x running mean of its gradient|, normalised per layer as LAMP does; a share of what it keeps may be exchanged at
every cut for the weights outside with the largest mean gradient (RigL, Evci et al., 2020, here per ticket).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch.func import functional_call

from rtl_core.learning.experiment import Experiment
from rtl_core.learning.joint import OPTIMIZERS
from rtl_core.learning.loop import parameters
from rtl_core.learning.method_steps import with_own_norms
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.models.copies import structure
from rtl_core.tickets.masking import frozen_outside
from rtl_core.tickets.pruning import kept_count, prune, scores_of


@dataclass(frozen=True)
class Plan:
    """first, last: shares of the steps between which weights are cut; cuts: how many times; memory: how much of the
    mean gradient stays at each step; exchanged: share of the kept weights that change places at a cut."""

    first: float = 0.1
    last: float = 0.6
    cuts: int = 20
    memory: float = 0.95
    exchanged: float = 0.0


def cut_while_training(experiment: Experiment, start: RewindPoint, plan: Plan, steps: int) -> TrainedMethod:
    """K tickets of the settings' density after so many joint steps over the subsets."""
    layout, config = experiment.layout, experiment.config
    k, stage = len(experiment.subsets), experiment.stage("joint", "rtl", steps)
    masks = np.ones((k, layout.n), bool)
    subnetworks = list(start.subnetworks(experiment.names, masks))
    module = structure(experiment.network.module).train()
    tensors = [tensor.requires_grad_(True) for tensor in parameters(subnetworks)]
    optimizer = OPTIMIZERS[config.optimiser.name](tensors, lr=stage.learning_rate)
    batches = [
        subset.batches(config.optimiser.batch_size, config.seed, "joint", "cut", 0) for subset in experiment.subsets
    ]
    cut_at = {round(step): i for i, step in enumerate(np.linspace(plan.first * steps, plan.last * steps, plan.cuts), 1)}
    mean = np.zeros((k, layout.n))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * stage.rate(step)
        for i, (subnetwork, subset, batch) in enumerate(zip(subnetworks, experiment.subsets, batches, strict=True)):
            rows, kept = batch(step), subnetwork.mask_tensors(layout)
            used = subnetwork.tensors(kept)
            for name in layout.names:
                used[name].retain_grad()  # of the product, so that weights outside the mask have a gradient too
            loss = subset.loss(functional_call(module, used, (experiment.inputs(rows),)), subset.targets(rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            gradient = layout.flatten({name: used[name].grad for name in layout.names}).double().numpy()
            mean[i] = plan.memory * mean[i] + (1 - plan.memory) * gradient
            with frozen_outside(optimizer, {subnetwork.shared[name]: mask for name, mask in kept.items()}):
                optimizer.step()
        if step in cut_at:
            left = 1 - (1 - config.density) * (1 - (1 - cut_at[step] / plan.cuts) ** 3)
            weights = layout.flatten(subnetworks[0].shared).detach().numpy()
            masks = np.stack([_cut(weights, mean[i], masks[i], left, plan, experiment) for i in range(k)])
            subnetworks = [replace(one, mask=mask) for one, mask in zip(subnetworks, masks, strict=True)]
    for tensor in tensors:
        tensor.requires_grad_(False)
    calibrated: Sequence[Subnetwork] = with_own_norms(experiment, subnetworks, "rtl")
    return TrainedMethod("rtl", tuple(calibrated), "per_subset", experiment.network.output_shape, start.steps, 0, steps)


def _cut(
    weights: np.ndarray, mean: np.ndarray, mask: np.ndarray, density: float, plan: Plan, experiment: Experiment
) -> np.ndarray:
    layout, floor = experiment.layout, experiment.config.extract.layer_floor
    keep = min(kept_count(density, layout.n), int(mask.sum()))
    moved = min(round(plan.exchanged * keep), int((~mask).sum()))
    scores = scores_of("lamp", weights * mean, mask, layout)
    smaller = prune(scores, mask, keep - moved, layout, floor)
    if moved:
        outside = np.where(smaller, -np.inf, np.abs(mean))
        smaller[np.argsort(-outside, kind="stable")[:moved]] = True
    return smaller
