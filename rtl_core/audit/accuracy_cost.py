"""Accuracy against cost when a router may also choose lighter tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rtl_core.audit.evaluate import EvaluationSet
from rtl_core.audit.router_metrics import routed_credit
from rtl_core.documents import key
from rtl_core.routing.budget import Options, within_mean
from rtl_core.routing.routers import Choice
from rtl_core.routing.serving import Serving
from rtl_core.statistics.estimates import Interval, json_interval, json_number, mean_credit


@dataclass(frozen=True)
class AccuracyInterval:
    """95 % of the accuracy."""

    accuracy: Interval


@dataclass(frozen=True)
class AtBudget:
    """What a router's choice is worth when an input may cost no more than `bound` on average, in weights or
    multiply-adds.

    cost      what it costs on average, without the router's own
    accuracy  the mean credit of the answers to n rows, which for classes is the share of right ones
    tickets   how many rows each ticket answers; levels: how many each level, densest first
    """

    bound: float
    cost: float
    accuracy: float | None
    n: int
    ci: AccuracyInterval
    tickets: list[int]
    levels: list[int] = field(metadata=key("rungs"))


def at_budget(
    eval_set: EvaluationSet, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, bound: float
) -> AtBudget:
    """The router's choice under a bound on the mean cost.

    servings  one per level of `offered`
    kind      "params" or "macs"
    """
    chosen = within_mean(choice.ticket, choice.confidence, offered, kind, bound)
    mean = mean_credit(_credit_at(eval_set, chosen.ticket, chosen.level, servings), eval_set.units)
    return AtBudget(
        bound=float(bound),
        cost=float(chosen.cost.mean()),
        accuracy=json_number(mean.value),
        n=len(eval_set.rows),
        ci=AccuracyInterval(json_interval(mean.low, mean.high)),
        tickets=np.bincount(chosen.ticket, minlength=len(eval_set.names)).tolist(),
        levels=np.bincount(chosen.level, minlength=len(servings)).tolist(),
    )


def cost_curve(
    eval_set: EvaluationSet, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, points: int = 12
) -> list[AtBudget]:
    """`at_budget` for bounds from the lightest option to what the targets of the chosen tickets cost."""
    cost = offered.cost(kind)
    bounds = np.linspace(cost.min(), cost[choice.ticket, 0].mean(), points)
    return [at_budget(eval_set, choice, offered, servings, kind, bound) for bound in bounds]


def _credit_at(
    eval_set: EvaluationSet, ticket: np.ndarray, level: np.ndarray, servings: Sequence[Serving]
) -> np.ndarray:
    """(n,) what the answers of the chosen tickets at the chosen levels are worth."""
    task, places, credit = eval_set.task, [], []
    for r, tickets in enumerate(servings):
        at = np.flatnonzero(level == r)
        for piece, outputs in tickets.each(
            lambda some, at=at: eval_set.dataset.inputs(eval_set.rows[at[some]]), ticket[at]
        ):
            place = at[piece]
            truth = task.truth(eval_set.dataset, eval_set.rows[place], ticket[place] == eval_set.subset[place])
            places.append(place)
            credit.append(task.credit(task.answer(outputs.numpy(), truth), truth))
    in_order = np.concatenate(credit)[np.argsort(np.concatenate(places))]
    return routed_credit(eval_set, in_order, ticket)
