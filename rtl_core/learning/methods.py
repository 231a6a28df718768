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
from rtl_core.learning.extract import Extraction, Ladder, Measure, extract, ladder
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


def dense_start(lab: Experiment, steps: int) -> Start:
    """The weights after so many dense steps over all subsets in turn."""
    start = cold_start(lab.network, lab.config.sharing, len(lab.subsets), lab.config.device)
    per_subset = round(steps / len(lab.subsets))
    if per_subset == 0:
        return start
    parts = start.parts(lab.names, masks=None)
    stage = replace(lab.stage("warm_start", "rtl", per_subset), learning_rate=lab.config.extract.learning_rate)
    _train(lab, lab.network, parts, lab.subsets, stage)
    return from_parts(parts, per_subset)


def warm_steps_per_subset(config: Config, k: int) -> int:
    return round(config.extract.warm_steps / k)


def extract_ticket(lab: Experiment, start: Start, k: int, measure: Measure | None) -> Extraction:
    """Algorithm 1 for subset k, independent of all others."""
    config, name = lab.config, lab.names[k]
    rungs = ladder(config.extract, config.density, lab.layout.n, config.denser, config.lighter)

    def rewind(mask: np.ndarray) -> list[Part]:
        return [start.part(k, name, mask)]

    stage = lab.stage("extract", "rtl", config.extract.steps, ticket=name)
    return _extract(lab, lab.network, rewind, [lab.subsets[k]], rungs, stage, measure)


def ticket_set(lab: Experiment, extractions: Sequence[Extraction]) -> TicketSet:
    """The K extractions as one set."""
    config = lab.config
    rungs = ladder(config.extract, config.density, lab.layout.n, config.denser, config.lighter).rungs
    return TicketSet(lab.names, lab.names, lab.layout, np.stack([e.pruned_at for e in extractions]), rungs)


def extract_single(lab: Experiment, start: Start, density: float, tells_apart: bool) -> np.ndarray:
    """One mask (N,) for all subsets at once, with as many extraction steps per subset as the tickets had.

    tells_apart  trained as one multi-class network over the subsets; otherwise on the subsets in turn,
                 each with its own head and norms as the settings say
    """
    config, k = lab.config, len(lab.subsets)
    steps = config.extract.steps * (k if tells_apart else 1)
    method = "imp_single" if tells_apart or config.task == "multiclass" else "imp_single_ovr"
    network, subsets = (lab.one_network, (lab.one,)) if tells_apart else (lab.network, lab.subsets)

    def rewind(mask: np.ndarray) -> tuple[Part, ...]:
        if tells_apart:
            return (_one_part(lab, start, mask),)
        return start.parts(lab.names, np.stack([mask] * k))

    rungs = ladder(config.extract, density, lab.layout.n, (), ())
    extraction = _extract(lab, network, rewind, subsets, rungs, lab.stage("extract", method, steps))
    return extraction.pruned_at == KEPT


def extraction_steps(config: Config, n: int) -> int:
    """Gradient steps that one ticket's extraction takes, over all rounds."""
    return len(ladder(config.extract, config.density, n, (), ()).rounds) * config.extract.steps


def _extract(
    lab: Experiment,
    network: Network,
    rewind: Callable[[np.ndarray], Sequence[Part]],
    subsets: Sequence[Subset],
    rungs: Ladder,
    stage: Stage,
    measure: Measure | None = None,
) -> Extraction:
    return extract(
        network,
        rewind,
        subsets,
        lab.layout,
        lab.inputs,
        rungs,
        lab.config.extract,
        lab.config.optimiser,
        stage,
        lab.report,
        lab.journal,
        measure,
    )


def learn_tickets(
    lab: Experiment, start: Start, method: str, masks: np.ndarray | None, steps_extract: int, steps: int
) -> Learned:
    """Algorithm 2 over given masks (K, N), or without any; then norm statistics per ticket."""
    parts = start.parts(lab.names, masks, one_network=not method.startswith("imp_multi"))
    _train(lab, lab.network, parts, lab.subsets, lab.stage("joint", method, steps))
    parts = with_own_norms(lab, lab.network, parts, lab.subsets, method)
    return Learned(method, parts, "per_subset", lab.network.outputs, start.steps, steps_extract, steps)


def learn_one(lab: Experiment, start: Start, mask: np.ndarray, steps_extract: int) -> Learned:
    """One mask and one multi-class network over the subsets: the paper's row "IMP, one mask"."""
    network, subsets, steps = lab.one_network, (lab.one,), lab.config.joint.steps
    parts = (_one_part(lab, start, mask),)
    _train(lab, network, parts, subsets, lab.stage("joint", "imp_single", steps * len(lab.subsets)))
    parts = with_own_norms(lab, network, parts, subsets, "imp_single")
    return Learned("imp_single", parts, "argmax", network.outputs, start.steps, steps_extract, steps)


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
