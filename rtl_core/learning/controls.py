"""The controls: for each, whether it applies, which masks it trains, and at which cost.

They answer one question each: does it matter that the masks were learned (`random`), that each is for its
own subset (`permuted`), that it belongs to these initial weights (`reinitialised`), that there are several
(`imp_single`, and `imp_single_union` with the same stored weights), that they share weights (`imp_multi`),
that they are sparse (`dense`), and would the extraction's steps not have bought as much in plain training
(`random_same_total`, `dense_same_total`)?
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtl_core.config import Config
from rtl_core.learning.methods import (
    Experiment,
    extract_single,
    extraction_steps,
    learn_one,
    learn_tickets,
    redrawn_start,
    ticket_steps,
    warm_steps_per_subset,
)
from rtl_core.learning.parts import Learned
from rtl_core.learning.start import Start
from rtl_core.rng import numpy_generator
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.pruning import random_like
from rtl_core.tickets.ticket_set import TicketSet


@dataclass(frozen=True)
class Control:
    """How a control is trained, and whether it applies.

    learn           (lab, theta_0, tickets, gradient steps of a ticket's extraction) -> what it has learned
    does_not_apply  (config, K) -> the reason, or None where it applies
    """

    learn: Callable[[Experiment, Start, TicketSet, int], Learned]
    does_not_apply: Callable[[Config, int], str | None] = lambda config, k: None


def random_masks(lab: Experiment, tickets: TicketSet) -> np.ndarray:
    """(K, N): for each ticket a random mask with its own count in every layer."""
    seed = lab.config.seed
    return np.stack(
        [
            random_like(mask, tickets.layout, numpy_generator(seed, "random masks", name))
            for mask, name in zip(tickets.masks(), tickets.names, strict=True)
        ]
    )


def _random(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    return learn_tickets(lab, start, "random", random_masks(lab, tickets), 0, lab.config.joint.steps)


def _random_same_total(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    return learn_tickets(
        lab, start, "random_same_total", random_masks(lab, tickets), 0, extract + lab.config.joint.steps
    )


def _permuted(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    """Every subset gets its neighbour's ticket: a cyclic shift leaves none in place."""
    masks = np.roll(tickets.masks(), -1, axis=0)
    return learn_tickets(lab, start, "permuted", masks, extract, lab.config.joint.steps)


def _reinitialised(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    """The lottery ticket hypothesis' own control (Frankle and Carbin, 2019): the masks without the weights they were
    found on."""
    return learn_tickets(lab, redrawn_start(lab), "reinitialised", tickets.masks(), extract, lab.config.joint.steps)


def _imp_single(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    density = tickets.target.density
    if lab.one is not None:
        steps = extraction_steps(lab.config, lab.layout.n, density)
        return learn_one(lab, start, extract_single(lab, start, density, True), steps)
    return _one_mask(lab, start, "imp_single", density)


def _imp_single_ovr(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    return _one_mask(lab, start, "imp_single_ovr", tickets.target.density)


def _imp_single_union(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    """One mask with as many weights as the tickets store together."""
    return _one_mask(lab, start, "imp_single_union", float(tickets.masks().any(axis=0).mean()))


def _one_mask(lab: Experiment, start: Start, method: str, density: float) -> Learned:
    mask = extract_single(lab, start, density, tells_apart=False)
    masks, steps = np.stack([mask] * len(lab.subsets)), extraction_steps(lab.config, lab.layout.n, density)
    return learn_tickets(lab, start, method, masks, steps, lab.config.joint.steps)


def _imp_multi(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    """K networks: each subset's own ticket (Algorithm 1 is the same) over weights that nobody shares."""
    return learn_tickets(lab, start, "imp_multi", tickets.masks(), extract, lab.config.joint.steps)


def _imp_multi_full_budget(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    """As `imp_multi`, but each network takes as many joint steps as RTL's shared weights took in all."""
    steps = lab.config.joint.steps * len(lab.subsets)
    return learn_tickets(lab, start, "imp_multi_full_budget", tickets.masks(), extract, steps)


def _dense(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    return learn_tickets(lab, start, "dense", None, 0, lab.config.joint.steps)


def _dense_same_total(lab: Experiment, start: Start, tickets: TicketSet, extract: int) -> Learned:
    return learn_tickets(lab, start, "dense_same_total", None, 0, extract + lab.config.joint.steps)


def _only_one_vs_rest(config: Config, k: int) -> str | None:
    if task_named(config.task).readings:
        return None
    return "these tickets tell all classes already, so one mask for all of them is the plain one-mask control"


def _more_than_one(config: Config, k: int) -> str | None:
    return None if k > 1 else "there is one subset, so there is nothing to compare the tickets among"


CONTROLS: dict[str, Control] = {
    "random": Control(_random),
    "permuted": Control(_permuted, _more_than_one),
    "reinitialised": Control(_reinitialised),
    "imp_single": Control(_imp_single, _more_than_one),
    "imp_single_ovr": Control(_imp_single_ovr, _only_one_vs_rest),
    "imp_single_union": Control(_imp_single_union, _more_than_one),
    "imp_multi": Control(_imp_multi, _more_than_one),
    "imp_multi_full_budget": Control(_imp_multi_full_budget, _more_than_one),
    "dense": Control(_dense),
    "random_same_total": Control(_random_same_total),
    "dense_same_total": Control(_dense_same_total),
}


GATED = ("random", "permuted", "imp_single", "imp_single_union", "dense")  # those that gated.py has as well


def does_not_apply(method: str, config: Config, k: int) -> str | None:
    """Why a control says nothing about these tickets; None where it applies."""
    if config.mode == "gated" and method not in GATED:
        return "it trains the shared weights, which are frozen in gated mode"
    return CONTROLS[method].does_not_apply(config, k)


def gradient_steps(config: Config, k: int, n: int) -> int:
    """All gradient steps of a run: its length before it starts."""
    if config.mode == "gated":
        singles = sum(method in ("imp_single", "imp_single_union") for method in config.controls)
        return k * (round(config.gated.backbone_steps / k) + (1 + singles) * config.gated.steps)
    extract, joint = ticket_steps(config, n), config.joint.steps
    cost = {
        "random_same_total": extract + joint,
        "dense_same_total": extract + joint,
        "imp_multi_full_budget": joint * k,
    }
    chosen = [name for name in config.controls if does_not_apply(name, config, k) is None]
    singles = _single_extractions(config, chosen)
    warm = warm_steps_per_subset(config, k)
    cost["reinitialised"] = warm + joint
    single = singles * extraction_steps(config, n)
    return k * (warm + extract + joint + single + sum(cost.get(name, joint) for name in chosen))


def _single_extractions(config: Config, chosen: list[str]) -> int:
    """How many one-mask extractions the chosen controls need: masks cut from the same training count once."""
    in_turn = [name for name in ("imp_single", "imp_single_ovr", "imp_single_union") if name in chosen]
    if task_named(config.task).readings and "imp_single" in in_turn:
        in_turn.remove("imp_single")
        return 1 + bool(in_turn)
    return int(bool(in_turn))
