"""Accuracy against cost when a router may also choose lighter tickets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtl_core.audit.estimates import proportion
from rtl_core.audit.evaluate import Questions
from rtl_core.audit.metrics import json_number
from rtl_core.audit.units import Units
from rtl_core.routing.batches import Serving
from rtl_core.routing.budget import Options, within_mean
from rtl_core.routing.routers import Choice


def cost_curve(
    asked: Questions,
    choice: Choice,
    offered: Options,
    servings: Sequence[Serving],
    kind: str,
    points: int = 12,
) -> list[dict[str, Any]]:
    """Accuracy against cost, for bounds on the mean from the lightest option to all targets: {bound, cost, accuracy,
    n, ci, tickets: [...], rungs: [...]} each, with the number of rows for every ticket and rung.

    servings  one per rung of `offered`
    The router's own cost is the same at every point and not in it.
    """
    cost = offered.cost(kind)
    bounds = np.linspace(cost.min(), cost[choice.ticket, 0].mean(), points)
    found = []
    for bound in bounds:
        chosen = within_mean(choice.ticket, choice.confidence, offered, kind, float(bound))
        right = _right_at(asked, chosen.ticket, chosen.rung, servings)
        share = proportion(right, np.ones(len(right), bool), Units.from_ids(asked.units))
        found.append(
            {
                "bound": float(bound),
                "cost": float(chosen.cost.mean()),
                "accuracy": json_number(share.value),
                "n": len(asked.rows),
                "ci": {"accuracy": [json_number(share.low), json_number(share.high)]},
                "tickets": np.bincount(chosen.ticket, minlength=len(asked.names)).tolist(),
                "rungs": np.bincount(chosen.rung, minlength=len(servings)).tolist(),
            }
        )
    return found


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
