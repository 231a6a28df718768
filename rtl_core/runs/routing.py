"""Routing of a run: the gate on file, its routers, where they send what, and what a budget costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rtl_core.audit.accuracy_cost import AtBudget, at_budget, cost_curve
from rtl_core.audit.evaluate import (
    LEVEL_ROWS,
    Answers,
    EvaluationSet,
    answers_of_all,
    evaluation_set,
    own_answers,
    own_credit,
    served_answers,
)
from rtl_core.audit.evaluation_rows import RouterRow
from rtl_core.audit.router_metrics import Routed, RouterReport, TicketCosts, router_report, router_row
from rtl_core.documents import INLINE, OPTIONAL
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.cost import forward_cost
from rtl_core.routing.budget import Options, options
from rtl_core.routing.features import fitted
from rtl_core.routing.gate import LinearGate
from rtl_core.routing.router_inputs import Scene, scene_of
from rtl_core.routing.routers import Router, make_router, router_names
from rtl_core.routing.serving import Serving, serving
from rtl_core.runs.checkpoint import Run, load_lighter
from rtl_core.runs.open_run import OpenRun
from rtl_core.runs.prepare import Counted, Setting
from rtl_core.tasks.task import Task
from rtl_core.tickets.ticket_set import Level, TicketSet

SLOW = ("one_shot_gradient",)  # asked for by name only: a backward pass for every input
FITTED = ("centroid", "hierarchical")  # need the rows that the run was trained on


def router_rows(
    setting: Setting, tickets: TicketSet, rtl: TrainedMethod, eval_set: EvaluationSet, gate: LinearGate | None
) -> list[RouterRow]:
    """The `routers` of `evaluate`: every router that is not slow. On data without train rows those that need nothing
    fitted; none where there is one ticket, since there is nothing to choose."""
    if tickets.k == 1:
        return []
    answers = answers_of_all(setting.network, rtl.subnetworks, setting.layout, eval_set)
    scene = replace(_scene(setting.trained(tickets, rtl), gate), doubts=lambda rows: answers.doubt)
    costs = TicketCosts.of(tickets, forward_cost(setting.network))
    rows = []
    for name in _names(scene, gate):
        router = make_router(name, scene)
        rows.append(router_row(Routed(eval_set, router, router.choose(eval_set.rows), answers, costs)))
    return rows


def _names(scene: Scene, gate: LinearGate | None) -> list[str]:
    """The routers that can be asked here and are not slow."""
    without = set(SLOW)
    if len(scene.train) == 0:
        without |= {*FITTED, *(() if gate is not None else ("gate", "top2"))}
    return [name for name in router_names(scene.given_by, scene.task) if name not in without]


def _scene(tickets: TrainedTickets, gate: LinearGate | None) -> Scene:
    dataset = tickets.dataset
    rows = dataset.rows("train") if len(dataset.rows("train")) else dataset.rows("test")
    features = gate.features if gate is not None else fitted("grid", dataset.inputs, rows, dataset.input_shape)
    return scene_of(tickets, features, gate)


@dataclass(frozen=True)
class Routing:
    """A run's tickets and routers over some data, and the rows that are asked."""

    opened: OpenRun
    scene: Scene
    eval_set: EvaluationSet

    @classmethod
    def of(cls, opened: OpenRun, split: str = "test") -> Routing:
        eval_set = evaluation_set(opened.dataset, opened.partition, opened.task, split)
        return cls(opened, _scene(opened.trained_tickets, opened.gate), eval_set)

    @property
    def run(self) -> Run:
        return self.opened.run

    @property
    def task(self) -> Task:
        return self.opened.task

    @property
    def routers(self) -> tuple[str, ...]:
        return router_names(self.scene.given_by, self.task)

    @cached_property
    def answers(self) -> Answers:
        """Every ticket's answers to every row."""
        return served_answers(self.scene.serving, self.eval_set)

    @cached_property
    def offered(self) -> Options:
        """Tickets at the target and lighter, with what they cost and what their answers to their own subset's
        validation rows are worth."""
        final = [record for record in self.run.info["rungs"] if record["measure"] == "final"]
        credit = {(record["ticket"], record["rung"]): record.get("credit") for record in final}
        if None in credit.values():  # a run of an older version
            credit = {at: self._credit(*at) for at in credit}
        return options(self.run.tickets, forward_cost(self.opened.network), credit)

    @cached_property
    def _validation(self) -> EvaluationSet:
        opened = self.opened
        return evaluation_set(opened.dataset, opened.partition, opened.task, "val", LEVEL_ROWS)

    def _credit(self, k: int, index: int) -> float:
        """What a ticket's answers to its own validation rows are worth at a level."""
        subnetwork = self._at(self.run.tickets.levels[index - 1])[k]
        answers = own_answers(self.opened.network, subnetwork, self.opened.layout, self._validation, k)
        return own_credit(self._validation, k, answers)

    @cached_property
    def servings(self) -> list[Serving]:
        """The tickets of every level that is offered."""
        return [serving(self.opened.network, self._at(level), self.opened.layout) for level in self.offered.levels]

    def _at(self, level: Level) -> list[Subnetwork]:
        lighter, masks = load_lighter(self.run), self.run.tickets.masks(level)
        return [
            replace(subnetwork, mask=masks[k], buffers=lighter.get((level.index, k), subnetwork.buffers))
            for k, subnetwork in enumerate(self.opened.learned["rtl"].subnetworks)
        ]

    def routed(self, name: str) -> Routed:
        """What a router chooses for the rows; BadInput: no such router."""
        router: Router = make_router(name, replace(self.scene, doubts=lambda rows: self.answers.doubt))
        costs = TicketCosts.of(self.run.tickets, forward_cost(self.opened.network))
        return Routed(self.eval_set, router, router.choose(self.eval_set.rows), self.answers, costs)


@dataclass(frozen=True)
class ChosenRows:
    """Per row of the test split: its index, class, subset, chosen ticket, confidence, and how well it was answered by
    the chosen ticket and by the best one; None where there is no class, no confidence, or no better ticket."""

    index: list[int]
    y: list[int] | None
    subset: list[int]
    ticket: list[int]
    confidence: list[float | None]
    right: list[float] | None
    right_by_some_ticket: list[float] | None


@dataclass(frozen=True)
class Route:
    """What `route` finds of a router of a run.

    routers    all that the run has
    full_cost  mean non-zero multiply-adds of the tickets at their target with this router; given with the two below
    budget     what the budget buys; curve: accuracy against cost
    """

    run: str
    report: RouterReport = field(metadata=INLINE)
    routers: list[str]
    counted: Counted = field(metadata=INLINE)
    full_cost: float | None = field(default=None, metadata=OPTIONAL)
    budget: AtBudget | None = field(default=None, metadata=OPTIONAL)
    curve: list[AtBudget] | None = field(default=None, metadata=OPTIONAL)
    choices: ChosenRows | None = field(default=None, metadata=OPTIONAL)


def route(routing: Routing, router: str, budget: float | None = None, points: int = 0) -> Route:
    """Where a router sends the rows, and what a budget buys.

    budget  mean multiply-adds that count (non-zero ones) an input may cost, as a share of what the tickets at their
            target cost with this router
    points  so many points of the curve of accuracy against cost
    """
    routed = routing.routed(router)
    result = Route(routing.run.name, router_report(routed), list(routing.routers), routing.opened.counted)
    if budget is None and not points:
        return result
    if budget is not None and not 0 < budget <= 1:
        raise BadInput(f"--budget is a share of the tickets' own cost, above 0 and at most 1 (got {budget:g})")
    choice, offered = routed.choice, routing.offered
    full, over = float(offered.cost("macs")[choice.ticket, 0].mean()), (offered, routing.servings, "macs")
    return replace(
        result,
        full_cost=full,
        budget=None if budget is None else at_budget(routing.eval_set, choice, *over, budget * full),
        curve=cost_curve(routing.eval_set, choice, *over, points) if points else None,
    )


def chosen_rows(routed: Routed) -> ChosenRows:
    """What was chosen for every row."""
    credit, task = routed.credit, routed.eval_set.task
    best = None if task.choice_answers else routed.answers.credit.max(axis=0)
    return ChosenRows(
        index=routed.eval_set.rows.tolist(),
        y=None if routed.eval_set.dataset.labels is None else routed.eval_set.y.tolist(),
        subset=routed.eval_set.subset.tolist(),
        ticket=routed.choice.ticket.tolist(),
        confidence=[None if np.isnan(c) else float(c) for c in routed.choice.confidence],
        right=None if credit is None else credit.tolist(),
        right_by_some_ticket=None if best is None else best.tolist(),
    )
