"""Accuracy against cost when a router may also choose lighter tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtl_core.audit.evaluate import Questions
from rtl_core.routing.batches import Serving
from rtl_core.routing.budget import Options, within_mean
from rtl_core.routing.routers import Choice
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import json_number, proportion


def at_budget(
    asked: Questions, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, bound: float
) -> dict[str, Any]:
    """What the router's choice is worth when an input may cost no more than `bound` on average: {bound, cost, accuracy,
    n, ci, tickets, rungs}, the last two with the number of rows for each.

    servings  one per rung of `offered`
    kind      "params" or "macs"; the router's own cost is not in it
    """
    chosen = within_mean(choice.ticket, choice.confidence, offered, kind, bound)
    right = _right_at(asked, chosen.ticket, chosen.rung, servings)
    share = proportion(right, np.ones(len(right), bool), Units.from_ids(asked.units))
    return {
        "bound": float(bound),
        "cost": float(chosen.cost.mean()),
        "accuracy": json_number(share.value),
        "n": len(asked.rows),
        "ci": {"accuracy": [json_number(share.low), json_number(share.high)]},
        "tickets": np.bincount(chosen.ticket, minlength=len(asked.names)).tolist(),
        "rungs": np.bincount(chosen.rung, minlength=len(servings)).tolist(),
    }


def cost_curve(
    asked: Questions, choice: Choice, offered: Options, servings: Sequence[Serving], kind: str, points: int = 12
) -> list[dict[str, Any]]:
    """`at_budget` for bounds from the lightest option to what the targets of the chosen tickets cost."""
    cost = offered.cost(kind)
    bounds = np.linspace(cost.min(), cost[choice.ticket, 0].mean(), points)
    return [at_budget(asked, choice, offered, servings, kind, bound) for bound in bounds]


def _right_at(asked: Questions, ticket: np.ndarray, rung: np.ndarray, servings: Sequence[Serving]) -> np.ndarray:
    """bool (n,): the ticket's answer at that rung is right; one_vs_rest: it is the subset's and says yes."""
    right = np.zeros(len(ticket), bool)
    for r, tickets in enumerate(servings):
        at = np.flatnonzero(rung == r)
        rows = asked.rows[at]
        logits = tickets.routed(lambda piece, rows=rows: asked.dataset.inputs(rows[piece]), ticket[at]).numpy()
        if asked.task == "one_vs_rest":
            right[at] = (logits[:, 0] > 0) & (ticket[at] == asked.subset[at])
        else:
            right[at] = logits.argmax(axis=1) == asked.y[at]
    return right
