"""How the tickets of a run and its controls come about: as the paper has it, or as mask scores with a gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.events import Tensors
from rtl_core.learning import gated_methods
from rtl_core.learning.baselines import CONTROLS, does_not_apply
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.extract import Extraction, Measure, extract_together
from rtl_core.learning.extract_with_alarm import Raised, extract_watched
from rtl_core.learning.method_steps import (
    extract_ticket,
    learn_tickets,
    schedule_of,
    ticket_rounds,
    ticket_set,
    warm_start,
)
from rtl_core.learning.rewind_point import RewindPoint, merged
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.routing.features import Features, fitted
from rtl_core.routing.gate import LinearGate, fit_gate, zero_gate
from rtl_core.runs.prepare import Setting
from rtl_core.storage_budget import budget
from rtl_core.tasks.task import Task
from rtl_core.threads import pool
from rtl_core.tickets.ticket_set import TicketSet

T = TypeVar("T")


@dataclass(frozen=True)
class Trained:
    """What a mode has learned.

    start    the weights that every method started from
    learned  method -> outcome: rtl, then the controls in the config's order
    records  per ticket and level what was measured on the way down
    gate     tells the subsets apart by the input alone
    seen     the dense network whose features the gate sees, where it sees any (`pooled`)
    sharing  how far the tickets were cut by the mean of all their scores
    """

    start: RewindPoint
    tickets: TicketSet
    learned: dict[str, TrainedMethod]
    records: list[dict[str, Any]]
    gate: LinearGate
    seen: Tensors
    sharing: float = 0.0


def paper(setting: Setting, new_experiment: Experiment, eval_set: audit.EvaluationSet) -> Trained:
    """Warm start, Algorithm 1 per ticket, Algorithm 2, the controls; a gate fitted to the partition afterwards."""
    config, k = setting.config, setting.partition.k
    start = warm_start(new_experiment)
    extractions = _extractor(config)(config, new_experiment, start, eval_set)
    tickets, steps = ticket_set(new_experiment, extractions), extractions[0].steps

    def rtl() -> TrainedMethod:
        masks, begin = tickets.masks(), start
        if config.joint.start == "merged":
            begin = merged(start, [each.trained for each in extractions], masks, setting.layout)
        return learn_tickets(new_experiment, begin, "rtl", masks, steps, config.joint.steps)

    learned = _methods(config, k, rtl, lambda method: CONTROLS[method].learn(new_experiment, start, tickets, steps))
    kinds = {level.index: level.kind for level in tickets.levels}
    records = [
        {"ticket": i, "kind": kinds[record["rung"]], **record}
        for i, extraction in enumerate(extractions)
        for record in extraction.records
    ]
    train, val = (setting.dataset.rows(split) for split in ("train", "val"))
    features, seen = _features(setting, start)
    gate = fit_gate(features, setting.dataset.inputs, setting.partition.assignment, train, val, k)
    return Trained(start, tickets, learned, records, gate, seen, extractions[0].sharing)


def _extractor(config: Config) -> Callable[..., list[Extraction]]:
    if config.collapse.policy != "off":
        return _extract_watched
    return _extract_sharing if config.extract.sharing or config.storage is not None else _extract


def _extract(
    config: Config, new_experiment: Experiment, start: RewindPoint, eval_set: audit.EvaluationSet
) -> list[Extraction]:
    """Every subset's ticket, independent of all others."""

    def one(i: int) -> Extraction:
        return extract_ticket(new_experiment, start, i, measure(new_experiment, eval_set, i))

    return _side_by_side(config, [lambda i=i: one(i) for i in range(len(eval_set.names))])


def _extract_sharing(
    config: Config, new_experiment: Experiment, start: RewindPoint, eval_set: audit.EvaluationSet
) -> list[Extraction]:
    """All tickets in step, cut by scores that they share, as far as the settings or the storage budget say."""
    k = len(eval_set.names)
    return extract_together(
        [ticket_rounds(new_experiment, start, i) for i in range(k)],
        schedule_of(new_experiment),
        [measure(new_experiment, eval_set, i) for i in range(k)],
        config.extract.sharing if config.storage is None else budget(config.storage),
        lambda jobs: _side_by_side(config, jobs),
    )


def _extract_watched(
    config: Config, new_experiment: Experiment, start: RewindPoint, eval_set: audit.EvaluationSet
) -> list[Extraction]:
    """The same, all tickets in step, an alarm listening after every round."""
    return extract_watched(
        [ticket_rounds(new_experiment, start, i) for i in range(len(eval_set.names))],
        [measure(new_experiment, eval_set, i) for i in range(len(eval_set.names))],
        config,
        lambda rounds: _warning(eval_set.task, rounds, config),
        lambda jobs: _side_by_side(config, jobs),
        new_experiment.report,
    )


def _warning(task: Task, rounds: Sequence[Sequence[dict[str, Any]]], config: Config) -> Raised | None:
    warned = collapse.warning(task, rounds, config.collapse)
    if warned is None:
        return None
    values = {"signal": warned.signal, "drop": warned.off_best, "threshold": warned.threshold, **warned.figures}
    return Raised(values, warned.falls_most)


def by_scores(setting: Setting, new_experiment: Experiment, eval_set: audit.EvaluationSet) -> Trained:
    """A dense backbone, frozen; mask scores and the gate trained together on it; the controls over the same weights."""
    config, k = setting.config, setting.partition.k
    start = gated_methods.backbone(new_experiment)
    features, seen = _features(setting, start)
    gate = zero_gate(features, setting.dataset.inputs, k).on(config.device, setting.inputs)
    gated = gated_methods.learn_gated(new_experiment, start, gate)
    gate = gate.on("cpu", setting.dataset.inputs)
    learned = _methods(
        config, k, lambda: gated.learned, lambda method: CONTROLS[method].gated(new_experiment, start, gated)
    )
    return Trained(start, gated.tickets, learned, [], gate, seen)


MODES = {"paper": paper, "gated": by_scores}


def _features(setting: Setting, start: RewindPoint) -> tuple[Features, Tensors]:
    """What the gate sees, standardised on the train rows, and for `pooled` the network that it comes from: the
    weights at the start."""
    dataset, name = setting.dataset, setting.config.gated.features
    dense, seen = None, {}
    if name == "pooled":
        module = as_module(setting.network, start.subnetwork(0, "dense", None), setting.layout)
        dense, seen = replace(setting.network, module=module), dict(module.state_dict())
    return fitted(name, dataset.inputs, dataset.rows("train"), dataset.input_shape, dense), seen


def _methods(
    config: Config, k: int, rtl: Callable[[], TrainedMethod], control: Callable[[str], TrainedMethod]
) -> dict[str, TrainedMethod]:
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


def measure(experiment: Experiment, eval_set: audit.EvaluationSet, k: int) -> Measure:
    """How well ticket k's weights of the moment do on validation rows when cut to a mask, and how sure they are."""

    def measured(subnetwork: Subnetwork) -> dict[str, Any]:
        return measured_on(experiment, recalibrate(experiment, subnetwork, experiment.subsets[k]), eval_set, k)

    return measured


def measured_on(
    experiment: Experiment, subnetwork: Subnetwork, eval_set: audit.EvaluationSet, k: int
) -> dict[str, Any]:
    """Ticket k's headline figures on the rows that it answers for, and how sure it is of its answers."""
    answers, doubt = audit.answers_of(
        experiment.network, subnetwork, experiment.layout, eval_set, k, eval_set.judged(k)
    )
    return {
        **audit.summary(audit.ticket_figures(eval_set, k, answers)),
        "credit": audit.own_credit(eval_set, k, answers),
        **collapse.signals(eval_set.task, answers, doubt, eval_set.truth(k, eval_set.judged(k))),
    }


def lighter_tickets(
    experiment: Experiment, rtl: TrainedMethod, tickets: TicketSet, eval_set: audit.EvaluationSet
) -> tuple[dict[tuple[int, int], Tensors], list[dict[str, Any]]]:
    """Lighter tickets: nested masks on the final weights, with norm statistics of their own, on validation rows."""
    buffers, records = {}, []
    for level in (r for r in tickets.levels if r.kind != "denser"):
        for k, (subnetwork, mask) in enumerate(zip(rtl.subnetworks, tickets.masks(level), strict=True)):
            subnetwork = (
                subnetwork
                if level.kind == "target"
                else recalibrate(experiment, replace(subnetwork, mask=mask), experiment.subsets[k])
            )
            figures = measured_on(experiment, subnetwork, eval_set, k)
            place = {"ticket": k, "rung": level.index, "density": level.density, "kind": level.kind}
            records.append({**place, "measure": "final", **figures})
            if level.kind == "lighter":
                buffers[level.index, k] = subnetwork.buffers
    return buffers, records
