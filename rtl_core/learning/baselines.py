"""The controls: for each, whether it applies, which masks it trains, and at which cost.

They answer one question each: does it matter that the masks were learned (`random`), that each is for its
own subset (`permuted`), that it belongs to these initial weights (`reinitialised`), that there are several
(`imp_single`, and `imp_single_union` with the same stored weights), that they share weights (`imp_multi`),
that they are sparse (`dense`), and would the extraction's steps not have bought as much in plain training
(`random_same_total`, `dense_same_total`)? Four more are for equal storage, and are trained where they are asked for:
as many stored weights in random masks (`random_same_storage`), in one mask of a network that tells the subsets apart
(`imp_single_union_argmax`), and in narrower networks without masks (`dense_small`, `dense_small_multi`).

A new control is an entry of `CONTROLS` here and its title in display_names.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtl_core.config import Config
from rtl_core.learning import gated_methods
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.method_steps import (
    extract_multiclass,
    extract_single,
    extraction_steps,
    learn_multiclass,
    learn_narrow,
    learn_tickets,
    random_masks,
    random_masks_in_a_union,
    redrawn_start,
    ticket_steps,
    warm_steps_per_subset,
)
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.subnetwork import TrainedMethod
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.ticket_set import TicketSet


@dataclass(frozen=True)
class Control:
    """How a control is trained, and whether it applies.

    learn           (experiment, theta_0, tickets, gradient steps of a ticket's extraction) -> what it has learned
    does_not_apply  (config, K) -> the reason, or None where it applies
    extra_steps     (config, K, N) -> gradient steps per subset beside the joint steps, one-mask extractions apart
    one_mask        its mask is extracted once for all subsets; what several extract from the same training they share
    gated           (experiment, backbone, tickets) -> the same in gated mode; None: it trains the shared weights
    """

    learn: Callable[[Experiment, RewindPoint, TicketSet, int], TrainedMethod]
    does_not_apply: Callable[[Config, int], str | None] = lambda config, k: None
    extra_steps: Callable[[Config, int, int], int] = lambda config, k, n: 0
    one_mask: bool = False
    gated: Callable[[Experiment, RewindPoint, gated_methods.GatedTickets], TrainedMethod] | None = None


def _random(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    masks = random_masks(experiment, tickets)
    return learn_tickets(experiment, start, "random", masks, 0, experiment.config.joint.steps)


def _random_same_total(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    masks, steps = random_masks(experiment, tickets), extract + experiment.config.joint.steps
    return learn_tickets(experiment, start, "random_same_total", masks, 0, steps)


def _random_same_storage(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    masks, steps = random_masks_in_a_union(experiment, tickets), extract + experiment.config.joint.steps
    return learn_tickets(experiment, start, "random_same_storage", masks, 0, steps)


def _permuted(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    """Every subset gets its neighbour's ticket: a cyclic shift leaves none in place."""
    masks = np.roll(tickets.masks(), -1, axis=0)
    return learn_tickets(experiment, start, "permuted", masks, extract, experiment.config.joint.steps)


def _reinitialised(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    """The lottery ticket hypothesis' own control (Frankle and Carbin, 2019): the masks without the weights they were
    found on."""
    redrawn, steps = redrawn_start(experiment), experiment.config.joint.steps
    return learn_tickets(experiment, redrawn, "reinitialised", tickets.masks(), extract, steps)


def _imp_single(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    density = tickets.target.density
    if experiment.one is None:
        return _one_mask(experiment, start, "imp_single", density)
    steps = extraction_steps(experiment.config, experiment.layout.n, density)
    return learn_multiclass(experiment, "imp_single", extract_multiclass(experiment, start, density), steps)


def _imp_single_ovr(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    return _one_mask(experiment, start, "imp_single_ovr", tickets.target.density)


def _imp_single_union(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    """One mask with as many weights as the tickets store together."""
    return _one_mask(experiment, start, "imp_single_union", _union_density(tickets))


def _imp_single_union_argmax(
    experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int
) -> TrainedMethod:
    """The same of one network that tells the subsets apart."""
    density = _union_density(tickets)
    steps = extraction_steps(experiment.config, tickets.n, density)
    extracted = extract_multiclass(experiment, start, density)
    return learn_multiclass(experiment, "imp_single_union_argmax", extracted, steps)


def _union_density(tickets: TicketSet) -> float:
    return float(tickets.masks().any(axis=0).mean())


def _one_mask(experiment: Experiment, start: RewindPoint, method: str, density: float) -> TrainedMethod:
    config = experiment.config
    extracted = extract_single(experiment, start, density)
    masks = np.stack([extracted.mask] * len(experiment.subsets))
    steps = extraction_steps(config, experiment.layout.n, density)
    return learn_tickets(experiment, extracted.begin, method, masks, steps, config.joint.steps)


def _imp_multi(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    """K networks: each subset's own ticket (Algorithm 1 is the same) over weights that nobody shares."""
    return learn_tickets(experiment, start, "imp_multi", tickets.masks(), extract, experiment.config.joint.steps)


def _imp_multi_full_budget(
    experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int
) -> TrainedMethod:
    """As `imp_multi`, but each network takes as many joint steps as RTL's shared weights took in all."""
    steps = experiment.config.joint.steps * len(experiment.subsets)
    return learn_tickets(experiment, start, "imp_multi_full_budget", tickets.masks(), extract, steps)


def _dense(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    return learn_tickets(experiment, start, "dense", None, 0, experiment.config.joint.steps)


def _dense_same_total(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    steps = extract + experiment.config.joint.steps
    return learn_tickets(experiment, start, "dense_same_total", None, 0, steps)


def _dense_small(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    """The tickets' stored weights, all of them in use, for as many steps as theta_0 and the tickets took together."""
    weights = int(tickets.masks().any(axis=0).sum())
    return learn_narrow(experiment, "dense_small", weights, start.steps + extract + experiment.config.joint.steps)


def _dense_small_multi(experiment: Experiment, start: RewindPoint, tickets: TicketSet, extract: int) -> TrainedMethod:
    weights = int(tickets.masks().any(axis=0).sum()) // tickets.k
    steps = start.steps + extract + experiment.config.joint.steps
    return learn_narrow(experiment, "dense_small_multi", weights, steps)


def _only_one_vs_rest(config: Config, k: int) -> str | None:
    if task_named(config.task).readings:
        return None
    return "these tickets tell all classes already, so one mask for all of them is the plain one-mask control"


def _more_than_one(config: Config, k: int) -> str | None:
    return None if k > 1 else "there is one subset, so there is nothing to compare the tickets among"


def _an_extraction(config: Config, k: int, n: int) -> int:
    return ticket_steps(config, n)


def _all_that_tickets_take(config: Config, k: int, n: int) -> int:
    return _a_warm_start(config, k, n) + _an_extraction(config, k, n)


def _a_warm_start(config: Config, k: int, n: int) -> int:
    return warm_steps_per_subset(config, k)


def _all_subsets_joint_steps(config: Config, k: int, n: int) -> int:
    return config.joint.steps * (k - 1)


CONTROLS: dict[str, Control] = {
    "random": Control(_random, gated=gated_methods.random),
    "permuted": Control(_permuted, _more_than_one, gated=gated_methods.permuted),
    "reinitialised": Control(_reinitialised, extra_steps=_a_warm_start),
    "imp_single": Control(_imp_single, _more_than_one, one_mask=True, gated=gated_methods.imp_single),
    "imp_single_ovr": Control(_imp_single_ovr, _only_one_vs_rest, one_mask=True),
    "imp_single_union": Control(_imp_single_union, _more_than_one, one_mask=True, gated=gated_methods.imp_single_union),
    "imp_multi": Control(_imp_multi, _more_than_one),
    "imp_multi_full_budget": Control(_imp_multi_full_budget, _more_than_one, _all_subsets_joint_steps),
    "dense": Control(_dense, gated=gated_methods.dense),
    "random_same_total": Control(_random_same_total, extra_steps=_an_extraction),
    "dense_same_total": Control(_dense_same_total, extra_steps=_an_extraction),
    "random_same_storage": Control(_random_same_storage, extra_steps=_an_extraction),
    "imp_single_union_argmax": Control(_imp_single_union_argmax, _only_one_vs_rest, one_mask=True),
    "dense_small": Control(_dense_small, extra_steps=_all_that_tickets_take),
    "dense_small_multi": Control(_dense_small_multi, _more_than_one, _all_that_tickets_take),
}


def does_not_apply(method: str, config: Config, k: int) -> str | None:
    """Why a control says nothing about these tickets; None where it applies."""
    if config.mode == "gated" and CONTROLS[method].gated is None:
        return "it trains the shared weights, which are frozen in gated mode"
    return CONTROLS[method].does_not_apply(config, k)


def gradient_steps(config: Config, k: int, n: int) -> int:
    """All gradient steps of a run: its length before it starts."""
    chosen = [name for name in config.controls if does_not_apply(name, config, k) is None]
    if config.mode == "gated":
        trained = 1 + sum(CONTROLS[name].one_mask for name in chosen)
        return k * (round(config.gated.backbone_steps / k) + trained * config.gated.steps)
    controls = sum(config.joint.steps + CONTROLS[name].extra_steps(config, k, n) for name in chosen)
    singles = _single_extractions(config, chosen) * extraction_steps(config, n)
    return k * (warm_steps_per_subset(config, k) + ticket_steps(config, n) + config.joint.steps + singles + controls)


def _single_extractions(config: Config, chosen: list[str]) -> int:
    """How many one-mask extractions the chosen controls need: masks cut from the same training count once."""
    one_mask = {name for name in chosen if CONTROLS[name].one_mask}
    multiclass = one_mask & {"imp_single", "imp_single_union_argmax"} if task_named(config.task).readings else set()
    return bool(multiclass) + bool(one_mask - multiclass)  # a multi-class network is trained for itself
