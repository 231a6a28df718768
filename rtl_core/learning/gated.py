"""The gated mode's methods: tickets, and the controls that they are compared with, over one frozen backbone.

Every method computes with the weights of the same dense backbone; only masks, heads and norm statistics differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from rtl_core.learning.controls import random_masks
from rtl_core.learning.methods import Experiment, dense_start, with_own_norms
from rtl_core.learning.parts import Learned, Part
from rtl_core.learning.scores import Gate, binarise, first_scores, train_scores
from rtl_core.learning.start import Start
from rtl_core.learning.subsets import Subset
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import KEPT, Rung, TicketSet


@dataclass(frozen=True)
class GatedTickets:
    """What `learn_gated` has found: masks of all rungs, and the tickets as they compute."""

    tickets: TicketSet
    learned: Learned


def backbone(lab: Experiment) -> Start:
    """The dense network whose weights are frozen from then on."""
    return dense_start(lab, lab.config.gated.backbone_steps)


def learn_gated(lab: Experiment, start: Start, gate: Gate) -> GatedTickets:
    """Mask scores of all tickets and the gate, trained together; then norm statistics per ticket."""
    steps = lab.config.gated.steps
    parts, scores, masks = _train(lab, start, lab.names, lab.subsets, gate, "rtl", lab.config.density, steps)
    return GatedTickets(_ticket_set(lab, scores), _learned(lab, start, "rtl", parts, masks, steps))


def _ticket_set(lab: Experiment, scores: np.ndarray) -> TicketSet:
    """The masks of all rungs: the same ranking of all tickets' scores, cut at another budget."""
    config, (k, n) = lab.config, scores.shape
    denser = [(d, "denser") for d in sorted(set(config.denser), reverse=True) if d > config.density]
    lighter = [(d, "lighter") for d in sorted(set(config.lighter), reverse=True) if d < config.density]
    steps = [*denser, (config.density, "target"), *lighter]
    rungs = tuple(Rung(index, density, kind) for index, (density, kind) in enumerate(steps, start=1))
    pruned_at = np.full((k, n), KEPT, np.uint8)
    for rung in reversed(rungs):  # lightest first: a weight is removed at the densest rung that does not keep it
        kept = binarise(scores, kept_count(rung.density, k * n), lab.layout, config.extract.layer_floor)
        pruned_at[~kept] = rung.index
    return TicketSet(lab.names, lab.names, lab.layout, pruned_at, rungs)


def _train(
    lab: Experiment,
    start: Start,
    names: tuple[str, ...],
    subsets: tuple[Subset, ...],
    gate: Gate | None,
    method: str,
    density: float,
    steps: int,
) -> tuple[tuple[Part, ...], np.ndarray, np.ndarray]:
    """Parts with their trained private tensors, scores (K, N) and masks (K, N)."""
    config, k = lab.config, len(names)
    parts = start.parts(names, masks=None)
    weights = lab.layout.flatten(parts[0].shared).cpu().numpy()
    first = first_scores(weights, lab.layout, config.extract.score, k)
    scores = [torch.from_numpy(row).to(parts[0].device) for row in first]
    masks = train_scores(
        lab.network,
        parts,
        scores,
        subsets,
        lab.layout,
        lab.inputs,
        gate,
        kept_count(density, k * lab.layout.n),
        config.extract.layer_floor,
        config.gated,
        lab.stage("scores", method, steps),
        lab.report,
        lab.journal,
    )
    return parts, torch.stack(scores).cpu().numpy(), masks


def _learned(
    lab: Experiment, start: Start, method: str, parts: Sequence[Part], masks: np.ndarray | None, steps: int
) -> Learned:
    """The parts with their masks and norm statistics of their own."""
    masked = tuple(replace(part, mask=None if masks is None else masks[k]) for k, part in enumerate(parts))
    calibrated = with_own_norms(lab, lab.network, masked, lab.subsets, method)
    return Learned(method, calibrated, "per_subset", lab.network.output_shape, start.steps, steps, 0)


def _random(lab: Experiment, start: Start, found: GatedTickets) -> Learned:
    return _untrained(lab, start, found, "random", random_masks(lab, found.tickets))


def _permuted(lab: Experiment, start: Start, found: GatedTickets) -> Learned:
    """Every subset gets its neighbour's ticket."""
    return _untrained(lab, start, found, "permuted", np.roll(found.tickets.masks(), -1, axis=0))


def _untrained(lab: Experiment, start: Start, found: GatedTickets, method: str, masks: np.ndarray) -> Learned:
    """Other masks with the tickets' own heads."""
    return _learned(lab, start, method, found.learned.parts, masks, 0)


def _one_mask(lab: Experiment, start: Start, method: str, density: float) -> Learned:
    """One mask for all subsets, its scores trained on all of them for as many steps in all as the tickets' were.

    Its batches mix the subsets, and so do those that its one set of norm statistics is estimated on: one network that
    no router is needed for.
    """
    k = len(lab.subsets)
    rows = tuple(rows for subset in lab.subsets for rows in subset.pools)
    everything = replace(lab.subsets[0], name="all", pools=rows)
    steps = lab.config.gated.steps
    parts, _, masks = _train(lab, start, ("all",), (everything,), None, method, density, steps * k)
    (one,) = with_own_norms(lab, lab.network, (replace(parts[0], mask=masks[0]),), (everything,), method)
    each = tuple(replace(one, subset=name) for name in lab.names)
    return Learned(method, each, "per_subset", lab.network.output_shape, start.steps, steps, 0)


def _union(found: GatedTickets) -> float:
    return float(found.tickets.masks().any(axis=0).mean())


def _dense(lab: Experiment, start: Start, found: GatedTickets) -> Learned:
    return _learned(lab, start, "dense", start.parts(lab.names, masks=None), None, 0)


GATED_CONTROLS: dict[str, Callable[[Experiment, Start, GatedTickets], Learned]] = {
    "random": _random,
    "permuted": _permuted,
    "imp_single": lambda lab, start, found: _one_mask(lab, start, "imp_single", lab.config.density),
    "imp_single_union": lambda lab, start, found: _one_mask(lab, start, "imp_single_union", _union(found)),
    "dense": _dense,
}
