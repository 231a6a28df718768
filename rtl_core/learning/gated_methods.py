"""The gated mode's methods: tickets, and the controls that they are compared with, over one frozen backbone.

Every method computes with the weights of the same dense backbone; only masks, heads and norm statistics differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtl_core.learning.experiment import Experiment
from rtl_core.learning.mask_scores import Gate, binarise, pruned_at_levels, train_scores
from rtl_core.learning.method_steps import dense_start, random_masks, with_own_norms
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import TicketSet, around, numbered


@dataclass(frozen=True)
class GatedTickets:
    """What `learn_gated` has found: masks of all levels, and the tickets as they compute."""

    tickets: TicketSet
    learned: TrainedMethod


def backbone(experiment: Experiment) -> RewindPoint:
    """The dense network whose weights are frozen from then on."""
    return dense_start(experiment, experiment.config.gated.backbone_steps)


def learn_gated(experiment: Experiment, start: RewindPoint, gate: Gate) -> GatedTickets:
    """Mask scores of all tickets and the gate, trained together; then norm statistics per ticket."""
    config, layout, names = experiment.config, experiment.layout, experiment.names
    subnetworks = start.subnetworks(names, masks=None)
    stage = experiment.stage("scores", "rtl", config.gated.steps)
    scores = train_scores(experiment, subnetworks, experiment.subsets, gate, config.density, stage)
    levels = numbered(around(config.density, config.denser, config.lighter))
    tickets = TicketSet(
        names, names, layout, pruned_at_levels(scores, levels, layout, config.extract.layer_floor), levels
    )
    return GatedTickets(tickets, _learned(experiment, start, "rtl", subnetworks, tickets.masks(), config.gated.steps))


def _learned(
    experiment: Experiment,
    start: RewindPoint,
    method: str,
    subnetworks: Sequence[Subnetwork],
    masks: np.ndarray | None,
    steps: int,
) -> TrainedMethod:
    """The subnetworks with their masks and norm statistics of their own."""
    masked = tuple(
        replace(subnetwork, mask=None if masks is None else masks[k]) for k, subnetwork in enumerate(subnetworks)
    )
    calibrated = with_own_norms(experiment, masked, method)
    return TrainedMethod(method, calibrated, "per_subset", experiment.network.output_shape, start.steps, steps, 0)


def random(experiment: Experiment, start: RewindPoint, gated: GatedTickets) -> TrainedMethod:
    return _untrained(experiment, start, gated, "random", random_masks(experiment, gated.tickets))


def permuted(experiment: Experiment, start: RewindPoint, gated: GatedTickets) -> TrainedMethod:
    """Every subset gets its neighbour's ticket."""
    return _untrained(experiment, start, gated, "permuted", np.roll(gated.tickets.masks(), -1, axis=0))


def _untrained(
    experiment: Experiment, start: RewindPoint, gated: GatedTickets, method: str, masks: np.ndarray
) -> TrainedMethod:
    """Other masks with the tickets' own heads."""
    return _learned(experiment, start, method, gated.learned.subnetworks, masks, 0)


def _one_mask(experiment: Experiment, start: RewindPoint, method: str, density: float) -> TrainedMethod:
    """One mask for all subsets, its scores trained on all of them for as many steps in all as the tickets' were.

    Its batches mix the subsets, and so do those that its one set of norm statistics is estimated on: one network that
    no router is needed for.
    """
    config, subsets, layout = experiment.config, experiment.subsets, experiment.layout
    pools = tuple(rows for subset in subsets for rows in subset.pools)
    everything = replace(experiment, subsets=(replace(subsets[0], name="all", pools=pools),))
    subnetworks = start.subnetworks(("all",), masks=None)
    stage = experiment.stage("scores", method, config.gated.steps * len(subsets))
    scores = train_scores(everything, subnetworks, everything.subsets, None, density, stage)
    mask = binarise(scores, kept_count(density, layout.n), layout, config.extract.layer_floor)[0]
    (one,) = with_own_norms(everything, (replace(subnetworks[0], mask=mask),), method)
    each = tuple(replace(one, subset=name) for name in experiment.names)
    return TrainedMethod(
        method, each, "per_subset", experiment.network.output_shape, start.steps, config.gated.steps, 0
    )


def imp_single(experiment: Experiment, start: RewindPoint, gated: GatedTickets) -> TrainedMethod:
    return _one_mask(experiment, start, "imp_single", experiment.config.density)


def imp_single_union(experiment: Experiment, start: RewindPoint, gated: GatedTickets) -> TrainedMethod:
    """One mask with as many weights as the tickets store together."""
    return _one_mask(experiment, start, "imp_single_union", float(gated.tickets.masks().any(axis=0).mean()))


def dense(experiment: Experiment, start: RewindPoint, gated: GatedTickets) -> TrainedMethod:
    return _learned(experiment, start, "dense", start.subnetworks(experiment.names, masks=None), None, 0)
