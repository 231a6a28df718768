"""The steps that RTL and its controls are made of.

Every method starts from the same theta_0, takes the same number of joint steps per subset over the same
batches, and has its norm statistics re-estimated in the same way. What differs is the masks and where they
come from: baselines.py says that for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtl_core.config import Config
from rtl_core.events import Event, Stage
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.extract import Extraction, Measure, Rounds, Schedule, density_schedule, extract
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.rewind_point import RewindPoint, cold_start, from_subnetworks
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.rng import numpy_generator
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import random_covering, random_like
from rtl_core.tickets.ticket_set import KEPT, TicketSet

SEPARATE_NETWORKS = ("imp_multi", "imp_multi_full_budget", "dense_small_multi")  # a network for every subset


def warm_start(experiment: Experiment) -> RewindPoint:
    """theta_0: the initial weights, or (late rewinding) those after some dense steps over all subsets in turn."""
    return dense_start(experiment, experiment.config.extract.warm_steps)


def redrawn_start(experiment: Experiment) -> RewindPoint:
    """The same from another draw of the initial weights."""
    redrawn = replace(experiment, network=experiment.redrawn)
    return dense_start(redrawn, experiment.config.extract.warm_steps, "reinitialised")


def dense_start(experiment: Experiment, steps: int, method: str = "rtl") -> RewindPoint:
    """The weights after so many dense steps over all subsets in turn."""
    config, subsets = experiment.config, experiment.subsets
    start = cold_start(experiment.network, config.sharing, len(subsets), config.device)
    per_subset = round(steps / len(subsets))
    if per_subset == 0:
        return start
    subnetworks = start.subnetworks(experiment.names, masks=None)
    train_jointly(experiment, subnetworks, subsets, experiment.stage("warm_start", method, per_subset))
    return from_subnetworks(subnetworks, per_subset)


def warm_steps_per_subset(config: Config, k: int) -> int:
    return round(config.extract.warm_steps / k)


def extract_ticket(experiment: Experiment, start: RewindPoint, k: int, measure: Measure | None) -> Extraction:
    """Algorithm 1 for subset k, independent of all others."""
    return extract(ticket_rounds(experiment, start, k), schedule_of(experiment), measure)


def schedule_of(experiment: Experiment) -> Schedule:
    """The levels of the tickets' extraction, as the settings say."""
    config = experiment.config
    return density_schedule(config.extract, config.density, experiment.layout.n, config.denser, config.lighter)


def ticket_rounds(experiment: Experiment, start: RewindPoint, k: int) -> Rounds:
    """The rounds in which subset k's ticket is extracted."""
    name = experiment.names[k]

    def rewind(mask: np.ndarray) -> list[Subnetwork]:
        return [start.subnetwork(k, name, mask)]

    stage = experiment.stage("extract", "rtl", experiment.config.extract.steps, ticket=name)
    return Rounds(experiment, rewind, [experiment.subsets[k]], stage)


def ticket_set(experiment: Experiment, extractions: Sequence[Extraction]) -> TicketSet:
    """The K extractions as one set."""
    pruned_at = np.stack([e.pruned_at for e in extractions])
    return TicketSet(experiment.names, experiment.names, experiment.layout, pruned_at, extractions[0].levels)


def random_masks(experiment: Experiment, tickets: TicketSet) -> np.ndarray:
    """(K, N): for each ticket a random mask with its own count in every layer."""
    seed = experiment.config.seed
    return np.stack(
        [
            random_like(mask, tickets.layout, numpy_generator(seed, "random masks", name))
            for mask, name in zip(tickets.masks(), tickets.names, strict=True)
        ]
    )


def random_masks_in_a_union(experiment: Experiment, tickets: TicketSet) -> np.ndarray:
    """(K, N): random masks with the tickets' own counts in every layer that together store as many weights."""
    generator = numpy_generator(experiment.config.seed, "random masks in a union")
    return random_covering(tickets.masks(), tickets.layout, generator)


@dataclass(frozen=True)
class OneMask:
    """One mask bool (N,) for all subsets, and where its joint training begins: at theta_0, or with `joint.start=merged`
    at what its extraction has trained, as the tickets' does."""

    mask: np.ndarray
    begin: RewindPoint


def extract_single(experiment: Experiment, start: RewindPoint, density: float) -> OneMask:
    """Trained on the subsets in turn, each with its own head and norms as the settings say, with as many extraction
    steps per subset as the tickets had."""

    def rewind(mask: np.ndarray) -> tuple[Subnetwork, ...]:
        return start.subnetworks(experiment.names, np.stack([mask] * len(experiment.subsets)))

    method = "imp_single" if experiment.one is None else "imp_single_ovr"
    return _extract_one(Rounds(experiment, rewind, experiment.subsets, _extraction(experiment, method)), start, density)


def extract_multiclass(experiment: Experiment, start: RewindPoint, density: float) -> OneMask:
    """The mask of one network that tells the subsets apart, with as many extraction steps for each subset as the
    tickets had."""
    one, begin = experiment.as_multiclass(), _multiclass_start(experiment, start)
    stage = _extraction(experiment, "imp_single", len(experiment.subsets))

    def rewind(mask: np.ndarray) -> tuple[Subnetwork, ...]:
        return (begin.subnetwork(0, "all", mask),)

    return _extract_one(Rounds(one, rewind, one.subsets, stage), begin, density)


def _extraction(experiment: Experiment, method: str, passes: int = 1) -> Stage:
    return experiment.stage("extract", method, passes * experiment.config.extract.steps)


def _extract_one(rounds: Rounds, start: RewindPoint, density: float) -> OneMask:
    config = rounds.experiment.config
    extraction = extract(rounds, density_schedule(config.extract, density, rounds.n, (), ()))
    rewinds = config.joint.start == "rewind"
    begin = start if rewinds else from_subnetworks(extraction.subnetworks, start.steps)
    return OneMask(extraction.pruned_at == KEPT, begin)


def extraction_steps(config: Config, n: int, density: float | None = None) -> int:
    """Gradient steps that an extraction down to a density (the tickets' unless said) takes, over all rounds."""
    density = config.density if density is None else density
    return len(density_schedule(config.extract, density, n, (), ()).rounds) * config.extract.steps


def ticket_steps(config: Config, n: int) -> int:
    """Gradient steps that one ticket's extraction is planned to take: where rounds are watched, the target's masks are
    trained once more; an alarm may end it sooner or, with `relax`, later."""
    watched = config.collapse.policy != "off"
    return extraction_steps(config, n) + (config.extract.steps if watched else 0)


def learn_tickets(
    experiment: Experiment, start: RewindPoint, method: str, masks: np.ndarray | None, steps_extract: int, steps: int
) -> TrainedMethod:
    """Algorithm 2 over given masks (K, N), or without any; then norm statistics per ticket."""
    subnetworks = start.subnetworks(experiment.names, masks, one_network=method not in SEPARATE_NETWORKS)
    train_jointly(experiment, subnetworks, experiment.subsets, experiment.stage("joint", method, steps))
    subnetworks = with_own_norms(experiment, subnetworks, method)
    return TrainedMethod(
        method, subnetworks, "per_subset", experiment.network.output_shape, start.steps, steps_extract, steps
    )


def learn_multiclass(experiment: Experiment, method: str, extracted: OneMask, steps_extract: int) -> TrainedMethod:
    """One mask and one multi-class network over the subsets: the paper's row "IMP, one mask"."""
    one, steps = experiment.as_multiclass(), experiment.config.joint.steps
    subnetworks = (extracted.begin.subnetwork(0, "all", extracted.mask),)
    train_jointly(one, subnetworks, one.subsets, one.stage("joint", method, steps * len(experiment.subsets)))
    subnetworks = with_own_norms(one, subnetworks, method)
    return TrainedMethod(
        method, subnetworks, "argmax", one.network.output_shape, extracted.begin.steps, steps_extract, steps
    )


def learn_narrow(experiment: Experiment, method: str, weights: int, steps: int) -> TrainedMethod:
    """Dense training of a narrower network of the same kind, with about so many prunable weights, from initial weights
    of its own. Subsets share it, or have one each (`SEPARATE_NETWORKS`)."""
    config = experiment.config
    network = experiment.of_size(weights)
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    narrow = replace(experiment, network=network, layout=layout)
    start = cold_start(network, config.sharing, len(experiment.subsets), config.device)
    return replace(learn_tickets(narrow, start, method, None, 0, steps), width=network.description["width"])


def _multiclass_start(experiment: Experiment, start: RewindPoint) -> RewindPoint:
    """theta_0's body under a fresh head with one output per subset."""
    fresh = cold_start(experiment.one_network, experiment.config.sharing, 1, experiment.config.device)
    shared = start.subnetwork(0, "all", None).shared
    body = {name: tensor for name, tensor in shared.items() if name not in experiment.network.head}
    return replace(fresh, shared={**fresh.shared, **body}, steps=start.steps)


def with_own_norms(experiment: Experiment, subnetworks: Sequence[Subnetwork], method: str) -> tuple[Subnetwork, ...]:
    """The subnetworks of the experiment's subsets with norm statistics of their own."""
    experiment.report(Event("recalibrate", method))
    return tuple(
        recalibrate(experiment, subnetwork, subset)
        for subnetwork, subset in zip(subnetworks, experiment.subsets, strict=True)
    )
