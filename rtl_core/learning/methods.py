"""The steps that RTL and its controls are made of.

Every method starts from the same theta_0, takes the same number of joint steps per subset over the same
batches, and has its norm statistics re-estimated in the same way. What differs is the masks and where they
come from: controls.py says that for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rtl_core.config import Config
from rtl_core.events import Event, Journal, Report
from rtl_core.learning.extract import Extraction, Measure, Rounds, extract, ladder
from rtl_core.learning.joint import Inputs, Stage, train_jointly
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import Learned, Part
from rtl_core.learning.start import Start, cold_start, from_parts
from rtl_core.learning.subsets import Subset
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import KEPT, TicketSet


@dataclass(frozen=True)
class Experiment:
    """One setting in which all methods are compared; the pipeline wires it.

    network, subsets       for tickets: one subset each
    one_network, one       for one mask trained to tell the subsets apart (one_vs_rest only, else None)
    inputs                 row indices -> the network's inputs
    redrawn                the same network with other initial weights, where a control wants it
    """

    config: Config
    network: Network
    layout: Layout
    subsets: tuple[Subset, ...]
    inputs: Inputs
    report: Report
    journal: Journal
    one_network: Network | None = None
    one: Subset | None = None
    redrawn: Network | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(subset.name for subset in self.subsets)

    def stage(self, phase: str, method: str, steps: int, **place: Any) -> Stage:
        settings = self.config.extract if phase == "extract" else self.config.joint
        name = "/".join([method, phase, *(str(v) for v in place.values())])
        return Stage(phase, method, steps, settings.learning_rate, self.config.seed, name, **place)


def warm_start(lab: Experiment) -> Start:
    """theta_0: the initial weights, or (late rewinding) those after some dense steps over all subsets in turn."""
    return dense_start(lab, lab.config.extract.warm_steps)


def redrawn_start(lab: Experiment) -> Start:
    """The same from another draw of the initial weights."""
    return dense_start(replace(lab, network=lab.redrawn), lab.config.extract.warm_steps, "reinitialised")


def dense_start(lab: Experiment, steps: int, method: str = "rtl") -> Start:
    """The weights after so many dense steps over all subsets in turn."""
    start = cold_start(lab.network, lab.config.sharing, len(lab.subsets), lab.config.device)
    per_subset = round(steps / len(lab.subsets))
    if per_subset == 0:
        return start
    parts = start.parts(lab.names, masks=None)
    stage = replace(lab.stage("warm_start", method, per_subset), learning_rate=lab.config.extract.learning_rate)
    _train(lab, lab.network, parts, lab.subsets, stage)
    return from_parts(parts, per_subset)


def warm_steps_per_subset(config: Config, k: int) -> int:
    return round(config.extract.warm_steps / k)


def extract_ticket(lab: Experiment, start: Start, k: int, measure: Measure | None) -> Extraction:
    """Algorithm 1 for subset k, independent of all others."""
    config = lab.config
    rungs = ladder(config.extract, config.density, lab.layout.n, config.denser, config.lighter)
    return extract(ticket_rounds(lab, start, k), rungs, measure)


def ticket_rounds(lab: Experiment, start: Start, k: int) -> Rounds:
    """The rounds in which subset k's ticket is extracted."""
    name = lab.names[k]

    def rewind(mask: np.ndarray) -> list[Part]:
        return [start.part(k, name, mask)]

    stage = lab.stage("extract", "rtl", lab.config.extract.steps, ticket=name)
    return _rounds(lab, lab.network, rewind, [lab.subsets[k]], stage)


def ticket_set(lab: Experiment, extractions: Sequence[Extraction]) -> TicketSet:
    """The K extractions as one set."""
    pruned_at = np.stack([e.pruned_at for e in extractions])
    return TicketSet(lab.names, lab.names, lab.layout, pruned_at, extractions[0].rungs)


def extract_single(lab: Experiment, start: Start, density: float, tells_apart: bool) -> np.ndarray:
    """One mask (N,) for all subsets at once, with as many extraction steps per subset as the tickets had.

    tells_apart  trained as one multi-class network over the subsets; otherwise on the subsets in turn,
                 each with its own head and norms as the settings say
    """
    config, k = lab.config, len(lab.subsets)
    steps = config.extract.steps * (k if tells_apart else 1)
    method = "imp_single" if tells_apart or lab.one is None else "imp_single_ovr"
    network, subsets = (lab.one_network, (lab.one,)) if tells_apart else (lab.network, lab.subsets)

    def rewind(mask: np.ndarray) -> tuple[Part, ...]:
        if tells_apart:
            return (_one_part(lab, start, mask),)
        return start.parts(lab.names, np.stack([mask] * k))

    rounds = _rounds(lab, network, rewind, subsets, lab.stage("extract", method, steps))
    return extract(rounds, ladder(config.extract, density, lab.layout.n, (), ())).pruned_at == KEPT


def extraction_steps(config: Config, n: int, density: float | None = None) -> int:
    """Gradient steps that an extraction down to a density (the tickets' unless said) takes, over all rounds."""
    density = config.density if density is None else density
    return len(ladder(config.extract, density, n, (), ()).rounds) * config.extract.steps


def ticket_steps(config: Config, n: int) -> int:
    """Gradient steps that one ticket's extraction is planned to take: where rounds are watched, the target's masks are
    trained once more; an alarm may end it sooner or, with `relax`, later."""
    watched = config.collapse.policy != "off"
    return extraction_steps(config, n) + (config.extract.steps if watched else 0)


def _rounds(
    lab: Experiment,
    network: Network,
    rewind: Callable[[np.ndarray], Sequence[Part]],
    subsets: Sequence[Subset],
    stage: Stage,
) -> Rounds:
    settings, optimiser = lab.config.extract, lab.config.optimiser
    return Rounds(network, rewind, subsets, lab.layout, lab.inputs, settings, optimiser, stage, lab.report, lab.journal)


def learn_tickets(
    lab: Experiment, start: Start, method: str, masks: np.ndarray | None, steps_extract: int, steps: int
) -> Learned:
    """Algorithm 2 over given masks (K, N), or without any; then norm statistics per ticket."""
    parts = start.parts(lab.names, masks, one_network=not method.startswith("imp_multi"))
    _train(lab, lab.network, parts, lab.subsets, lab.stage("joint", method, steps))
    parts = with_own_norms(lab, lab.network, parts, lab.subsets, method)
    return Learned(method, parts, "per_subset", lab.network.output_shape, start.steps, steps_extract, steps)


def learn_one(lab: Experiment, start: Start, mask: np.ndarray, steps_extract: int) -> Learned:
    """One mask and one multi-class network over the subsets: the paper's row "IMP, one mask"."""
    network, subsets, steps = lab.one_network, (lab.one,), lab.config.joint.steps
    parts = (_one_part(lab, start, mask),)
    _train(lab, network, parts, subsets, lab.stage("joint", "imp_single", steps * len(lab.subsets)))
    parts = with_own_norms(lab, network, parts, subsets, "imp_single")
    return Learned("imp_single", parts, "argmax", network.output_shape, start.steps, steps_extract, steps)


def _one_part(lab: Experiment, start: Start, mask: np.ndarray) -> Part:
    """theta_0's body under a fresh head with one output per subset."""
    fresh = cold_start(lab.one_network, lab.config.sharing, 1, lab.config.device)
    body = {name: t for name, t in start.part(0, "all", None).shared.items() if name not in lab.network.head}
    return Part("all", mask, {**fresh.shared, **body}, fresh.private[0], fresh.buffers[0])


def _train(
    lab: Experiment, network: Network, parts: tuple[Part, ...], subsets: tuple[Subset, ...], stage: Stage
) -> None:
    optimiser = lab.config.optimiser
    train_jointly(network, parts, subsets, lab.layout, lab.inputs, stage, optimiser, lab.report, lab.journal)


def with_own_norms(
    lab: Experiment, network: Network, parts: tuple[Part, ...], subsets: tuple[Subset, ...], method: str
) -> tuple[Part, ...]:
    lab.report(Event("recalibrate", method))
    batches, seed = lab.config.sharing.recalibrate_batches, lab.config.seed
    return tuple(
        recalibrate(network, part, subset, lab.layout, lab.inputs, batches, seed)
        for part, subset in zip(parts, subsets, strict=True)
    )
