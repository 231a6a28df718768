"""Accuracy against cost when a router may also choose lighter tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtl_core.audit.evaluate import EvaluationSet
from rtl_core.audit.router_metrics import routed_credit
from rtl_core.routing.budget import Options, within_mean
from rtl_core.routing.routers import Choice
from rtl_core.routing.serving import Serving
from rtl_core.statistics.estimates import json_interval, json_number, mean_credit


def at_budget(
    eval_set: EvaluationSet, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, bound: float
) -> dict[str, Any]:
    """What the router's choice is worth when an input may cost no more than `bound` on average: {bound, cost, accuracy,
    n, ci, tickets, levels}, the last two with the number of rows for each. `accuracy` is the mean credit of the
    answers, which for classes is the share of right ones.

    servings  one per level of `offered`
    kind      "params" or "macs"; the router's own cost is not in it
    """
    chosen = within_mean(choice.ticket, choice.confidence, offered, kind, bound)
    credit = _credit_at(eval_set, chosen.ticket, chosen.level, servings)
    mean = mean_credit(credit, eval_set.units)
    return {
        "bound": float(bound),
        "cost": float(chosen.cost.mean()),
        "accuracy": json_number(mean.value),
        "n": len(eval_set.rows),
        "ci": {"accuracy": json_interval(mean.low, mean.high)},
        "tickets": np.bincount(chosen.ticket, minlength=len(eval_set.names)).tolist(),
        "rungs": np.bincount(chosen.level, minlength=len(servings)).tolist(),
    }


def cost_curve(
    eval_set: EvaluationSet, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, points: int = 12
) -> list[dict[str, Any]]:
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
