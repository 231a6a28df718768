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
from rtl_core.learning.methods import with_own_norms
from rtl_core.learning.parts import Part
from rtl_core.learning.scores import binarise, pruned_at_levels, train_scores
from rtl_core.learning.start import mean_of
from rtl_core.learning.subsets import Subset, ticket_subsets
from rtl_core.models.network import Network
from rtl_core.tasks.task import Task
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import Rung


@dataclass(frozen=True)
class Grown:
    """The new ticket: `part` as it computes, `pruned_at` uint8 (N,) over the run's rungs."""

    part: Part
    pruned_at: np.ndarray


def against_rest(dataset: Dataset, assignment: np.ndarray, name: str, task: Task) -> tuple[Subset, Partition]:
    """(one subset, the partition of it and the rest); assignment (n,): 0 the subset's rows, 1 the rest, -1 neither."""
    two = Partition("subset", None, (name, "rest"), assignment, uses_label=True)
    return ticket_subsets(dataset, two, task)[0], two


def first_part(network: Network, parts: Sequence[Part], name: str) -> Part:
    """Where a new ticket starts beside the tickets `parts`: over their shared weights, with a head and norm scale and
    shift of its own, copied where the tickets share them and their mean where each has its own."""
    own = (*network.head, *network.norm_affine)
    private = {tensor: mean_of([{**part.shared, **part.private}[tensor] for part in parts]) for tensor in own}
    return Part(name, None, parts[0].shared, private, mean_buffers(parts))


def mean_buffers(parts: Sequence[Part]) -> Tensors:
    """Norm statistics to begin with; they are re-estimated before they are used."""
    return {tensor: mean_of([part.buffers[tensor] for part in parts]) for tensor in parts[0].buffers}


def grow_ticket(experiment: Experiment, part: Part, levels: Sequence[Rung], density: float) -> Grown:
    """Trains the mask scores and private tensors of `part` on the settings' device; then estimates its norm statistics.

    experiment  its one subset is the new ticket's; its network's weights are not read
    part        is trained in place where it lies on that device; the new ticket lies where `part` does
    levels      of the tickets that are there already: the same ranking of scores is cut at each of their densities
    density     share of the N weights that the ticket keeps while it is trained
    """
    config, layout, here = experiment.config, experiment.layout, part.on(experiment.config.device)
    stage, floor = experiment.stage("scores", "rtl", config.gated.steps, ticket=part.subset), config.extract.layer_floor
    scores = train_scores(experiment, (here,), experiment.subsets, None, density, stage)
    mask = binarise(scores, kept_count(density, layout.n), layout, floor)[0]
    (calibrated,) = with_own_norms(experiment, (replace(here, mask=mask),), "rtl")
    back = replace(calibrated.on(part.device), shared=part.shared)
    return Grown(back, pruned_at_levels(scores, levels, layout, floor)[0])
