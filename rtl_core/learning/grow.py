"""A ticket that is added to finished ones: its mask is learned over weights that no longer move.

All that is trained belongs to the new ticket alone: its mask scores, its head, the scale and shift of its norms. The
shared weights and the other tickets stay as they are, bit for bit, so nothing that they know can be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.events import Tensors
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.mask_scores import binarise, pruned_at_levels, train_scores
from rtl_core.learning.method_steps import with_own_norms
from rtl_core.learning.rewind_point import mean_of
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset, ticket_subsets
from rtl_core.models.network import Network
from rtl_core.tasks.task import Task
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import Level


@dataclass(frozen=True)
class Grown:
    """The new ticket: `subnetwork` as it computes, `pruned_at` uint8 (N,) over the run's levels."""

    subnetwork: Subnetwork
    pruned_at: np.ndarray


def against_rest(dataset: Dataset, assignment: np.ndarray, name: str, task: Task) -> tuple[Subset, Partition]:
    """(one subset, the partition of it and the rest); assignment (n,): 0 the subset's rows, 1 the rest, -1 neither."""
    two = Partition("subset", None, (name, "rest"), assignment, uses_label=True)
    return ticket_subsets(dataset, two, task)[0], two


def first_subnetwork(network: Network, subnetworks: Sequence[Subnetwork], name: str) -> Subnetwork:
    """The start of a new ticket beside others, `subnetworks`: over their shared weights, with a head and norm scale and
    shift of its own, copied where the tickets share them and their mean where each has its own."""
    own = (*network.head, *network.norm_affine)
    private = {
        tensor: mean_of([{**subnetwork.shared, **subnetwork.private}[tensor] for subnetwork in subnetworks])
        for tensor in own
    }
    return Subnetwork(name, None, subnetworks[0].shared, private, mean_buffers(subnetworks))


def mean_buffers(subnetworks: Sequence[Subnetwork]) -> Tensors:
    """Norm statistics to begin with; they are re-estimated before they are used."""
    return {
        tensor: mean_of([subnetwork.buffers[tensor] for subnetwork in subnetworks]) for tensor in subnetworks[0].buffers
    }


def grow_ticket(experiment: Experiment, subnetwork: Subnetwork, levels: Sequence[Level], density: float) -> Grown:
    """Trains the mask scores and private tensors of `subnetwork` on the settings' device, then its norm statistics.

    experiment  its one subset is the new ticket's; its network's weights are not read
    subnetwork  is trained in place where it lies on that device; the new ticket lies where `subnetwork` does
    levels      of the tickets that are there already: the same ranking of scores is cut at each of their densities
    density     share of the N weights that the ticket keeps while it is trained
    """
    config, layout, here = experiment.config, experiment.layout, subnetwork.on(experiment.config.device)
    stage, floor = (
        experiment.stage("scores", "rtl", config.gated.steps, ticket=subnetwork.subset),
        config.extract.layer_floor,
    )
    scores = train_scores(experiment, (here,), experiment.subsets, None, density, stage)
    mask = binarise(scores, kept_count(density, layout.n), layout, floor)[0]
    (calibrated,) = with_own_norms(experiment, (replace(here, mask=mask),), "rtl")
    back = replace(calibrated.on(subnetwork.device), shared=subnetwork.shared)
    return Grown(back, pruned_at_levels(scores, levels, layout, floor)[0])
