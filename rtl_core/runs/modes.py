"""How the tickets of a run and its controls come about: as the paper has it, or as mask scores with a gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.events import Tensors
from rtl_core.learning import gated
from rtl_core.learning.controls import CONTROLS, does_not_apply
from rtl_core.learning.extract import Extraction, Measure
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.methods import (
    extract_ticket,
    learn_tickets,
    ticket_rounds,
    ticket_set,
    warm_start,
)
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import Learned, Part, as_module
from rtl_core.learning.start import Start, merged
from rtl_core.learning.watched import extract_watched
from rtl_core.routing.features import Features, fitted
from rtl_core.routing.gate import LinearGate, fit_gate, zero_gate
from rtl_core.runs.setting import Setting
from rtl_core.threads import pool
from rtl_core.tickets.ticket_set import TicketSet


T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """What a mode has learned.

    start    the weights that every method started from
    learned  method -> outcome: rtl, then the controls in the config's order
    records  per ticket and rung what was measured on the way down
    gate     tells the subsets apart by the input alone
    seen     the dense network whose features the gate sees, where it sees any (`pooled`)
    """

    start: Start
    tickets: TicketSet
    learned: dict[str, Learned]
    records: list[dict[str, Any]]
    gate: LinearGate
    seen: Tensors


def paper(setting: Setting, lab: Experiment, asked: audit.EvaluationSet) -> Found:
    """Warm start, Algorithm 1 per ticket, Algorithm 2, the controls; a gate fitted to the partition afterwards."""
    config, k = setting.config, setting.partition.k
    start = warm_start(lab)
    extractions = (_extract if config.collapse.policy == "off" else _extract_watched)(config, lab, start, asked)
    tickets, steps = ticket_set(lab, extractions), extractions[0].steps

    def rtl() -> Learned:
        masks, begin = tickets.masks(), start
        if config.joint.start == "merged":
            begin = merged(start, [each.trained for each in extractions], masks, setting.layout)
        return learn_tickets(lab, begin, "rtl", masks, steps, config.joint.steps)

    learned = _methods(config, k, rtl, lambda method: CONTROLS[method].learn(lab, start, tickets, steps))
    kinds = {rung.index: rung.kind for rung in tickets.rungs}
    records = [
        {"ticket": i, "kind": kinds[record["rung"]], **record}
        for i, extraction in enumerate(extractions)
        for record in extraction.records
    ]
    train, val = (setting.dataset.rows(split) for split in ("train", "val"))
    features, seen = _features(setting, start)
    gate = fit_gate(features, setting.dataset.inputs, setting.partition.assignment, train, val, k)
    return Found(start, tickets, learned, records, gate, seen)


def _extract(config: Config, lab: Experiment, start: Start, asked: audit.EvaluationSet) -> list[Extraction]:
    """Every subset's ticket, independent of all others."""

    def one(i: int) -> Extraction:
        return extract_ticket(lab, start, i, measure(lab, asked, i))

    return _side_by_side(config, [lambda i=i: one(i) for i in range(len(asked.names))])


def _extract_watched(
    config: Config, lab: Experiment, start: Start, asked: audit.EvaluationSet
) -> list[Extraction]:
    """The same, all tickets in step, an alarm listening after every round."""
    return extract_watched(
        [ticket_rounds(lab, start, i) for i in range(len(asked.names))],
        [measure(lab, asked, i) for i in range(len(asked.names))],
        config,
        lambda confidence: collapse.warns(confidence, config.collapse.threshold),
        lambda jobs: _side_by_side(config, jobs),
        lab.report,
    )


def by_scores(setting: Setting, lab: Experiment, asked: audit.EvaluationSet) -> Found:
    """A dense backbone, frozen; mask scores and the gate trained together on it; the controls over the same weights."""
    config, k = setting.config, setting.partition.k
    start = gated.backbone(lab)
    features, seen = _features(setting, start)
    gate = zero_gate(features, setting.dataset.inputs, k).on(config.device, setting.inputs)
    found = gated.learn_gated(lab, start, gate)
    gate = gate.on("cpu", setting.dataset.inputs)
    learned = _methods(
        config, k, lambda: found.learned, lambda method: CONTROLS[method].gated(lab, start, found)
    )
    return Found(start, found.tickets, learned, [], gate, seen)


MODES = {"paper": paper, "gated": by_scores}


def _features(setting: Setting, start: Start) -> tuple[Features, Tensors]:
    """What the gate sees, standardised on the train rows, and for `pooled` the network that it comes from: the
    weights at the start."""
    dataset, name = setting.dataset, setting.config.gated.features
    dense, seen = None, {}
    if name == "pooled":
        module = as_module(setting.network, start.part(0, "dense", None), setting.layout)
        dense, seen = replace(setting.network, module=module), dict(module.state_dict())
    return fitted(name, dataset.inputs, dataset.rows("train"), dataset.input_shape, dense), seen


def _methods(
    config: Config, k: int, rtl: Callable[[], Learned], control: Callable[[str], Learned]
) -> dict[str, Learned]:
    """RTL and every control that was asked for and applies, in the config's order."""
    wanted = [method for method in config.controls if does_not_apply(method, config, k) is None]
    one_mask = [m for m in wanted if CONTROLS[m].one_mask]  # some are cut from the same training: in turn
    groups = [one_mask, *([m] for m in wanted if m not in one_mask)]
    jobs = [lambda: [rtl()], *(lambda g=g: [control(m) for m in g] for g in groups if g)]
    done = {one.method: one for many in _side_by_side(config, jobs) for one in many}
    return {method: done[method] for method in ("rtl", *wanted)}


def _side_by_side(config: Config, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Runs independent jobs on `config.workers` threads: torch leaves the interpreter's lock while it computes,
    and since every random draw is a function of its name, the order changes no bit of any result."""
    with pool(min(config.workers, len(jobs)), config.threads) as workers:
        return [future.result() for future in [workers.submit(job) for job in jobs]]


def measure(lab: Experiment, asked: audit.EvaluationSet, k: int) -> Measure:
    """How well ticket k's weights of the moment do on validation rows when cut to a mask, and how sure they are."""

    def measured(part: Part) -> dict[str, Any]:
        return measured_on(lab, recalibrate(lab, part, lab.subsets[k]), asked, k)

    return measured


def measured_on(lab: Experiment, part: Part, asked: audit.EvaluationSet, k: int) -> dict[str, Any]:
    """Ticket k's headline figures on the rows that it answers for, and how sure it is of its answers."""
    answers, doubt = audit.answers_of(lab.network, part, lab.layout, asked, k, asked.judged(k))
    return {
        **audit.summary(audit.ticket_figures(asked, k, answers)),
        "credit": audit.own_credit(asked, k, answers),
        **collapse.signals(asked.task, answers, doubt),
    }


def lighter_tickets(
    lab: Experiment, rtl: Learned, tickets: TicketSet, asked: audit.EvaluationSet
) -> tuple[dict[tuple[int, int], Tensors], list[dict[str, Any]]]:
    """Lighter tickets: nested masks on the final weights, with norm statistics of their own, on validation rows."""
    buffers, records = {}, []
    for rung in (r for r in tickets.rungs if r.kind != "denser"):
        for k, (part, mask) in enumerate(zip(rtl.parts, tickets.masks(rung), strict=True)):
            part = part if rung.kind == "target" else recalibrate(lab, replace(part, mask=mask), lab.subsets[k])
            found = measured_on(lab, part, asked, k)
            place = {"ticket": k, "rung": rung.index, "density": rung.density, "kind": rung.kind}
            records.append({**place, "measure": "final", **found})
            if rung.kind == "lighter":
                buffers[rung.index, k] = part.buffers
    return buffers, records
