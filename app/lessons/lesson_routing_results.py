"""What a right and a wrong delivery are worth over all test pictures, and what lighter tickets make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app import cache
from app.colours import Tone
from app.lessons import domains_sample
from app.routing.view import View
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Estimate, proportion

if TYPE_CHECKING:
    from rtl_core.audit.accuracy_cost import AtBudget

BUDGETS = {f"{100 * share:g} %": share for share in (1.0, 0.75, 0.5, 0.3)}


@dataclass(frozen=True)
class Delivery:
    """What becomes of all test pictures.

    n, misrouted        pictures; how many of them the gate sends to another ticket than their own
    hits             share that it sends to their own
    own, gate        share named rightly by their own ticket, and by the gate's
    wrong            the same over the wrong tickets, each picture sent to every one of them
    lost, lost_own   of the pictures that the gate misroutes: share named rightly there, and by their own ticket
    """

    n: int
    misrouted: int
    hits: Estimate
    own: Estimate
    gate: Estimate
    wrong: Estimate
    lost: Estimate
    lost_own: Estimate


@cache.of_run(View, kind=st.cache_data, max_entries=2, show_spinner=False)
def of_view(seen: View) -> Delivery:
    """Of the gate's deliveries."""
    return delivery(domains_sample.right(seen), seen.eval_set.subset, seen.ticket, seen.eval_set.units)


def delivery(right: np.ndarray, subset: np.ndarray, ticket: np.ndarray, units: np.ndarray) -> Delivery:
    """right bool (K, n): who names each picture rightly; subset, ticket (n,): its own ticket and the gate's choice."""
    k, n = right.shape
    rows, of = np.arange(n), Units.from_ids(units)
    everything, misrouted = np.ones(n, bool), ticket != subset
    own, gate = right[subset, rows], right[ticket, rows]
    others = (np.arange(k)[:, None] != subset).ravel()
    return Delivery(
        n,
        int(misrouted.sum()),
        hits=proportion(~misrouted, everything, of),
        own=proportion(own, everything, of),
        gate=proportion(gate, everything, of),
        wrong=proportion(right.ravel(), others, Units.from_ids(np.tile(units, k))),
        lost=proportion(gate, misrouted, of),
        lost_own=proportion(own, misrouted, of),
    )


def points(seen: View) -> dict[str, AtBudget]:
    """Budget -> what it buys."""
    return {name: replace(seen, share=share).point for name, share in BUDGETS.items()}


def answered(delivered: Delivery, tone: Tone) -> go.Figure:
    """Who names how many rightly; the gate stands out."""
    rows = {
        "their own ticket": delivered.own,
        "the ticket the gate chose": delivered.gate,
        "the wrong tickets": delivered.wrong,
        "<i>misrouted:</i> their own": delivered.lost_own,
        "<i>misrouted:</i> the one they got": delivered.lost,
    }
    figure = go.Figure()
    for who, one in rows.items():
        colour = tone.diverging[-1] if one is delivered.gate else tone.muted
        figure.add_scatter(
            x=[100 * one.value],
            y=[who],
            mode="markers+text",
            text=[f"{100 * one.value:.1f}"],
            textposition="top center",
            marker={"size": 11, "color": colour, "symbol": "diamond" if one is delivered.gate else "circle"},
            error_x=domains_sample.whisker([one], colour),
            hovertemplate="%{y}<br>%{x:.1f} %<extra></extra>",
        )
    figure.update_xaxes(title="named rightly, %", range=[0, 100], zeroline=False)
    figure.update_yaxes(
        categoryorder="array", categoryarray=list(rows)[::-1], range=[-0.5, len(rows) - 0.3], ticklabelstandoff=8
    )
    return figure.update_layout(showlegend=False)


def bought(points: dict[str, AtBudget], chosen: str, tone: Tone) -> go.Figure:
    """Accuracy against the budget; the chosen one stands out."""
    figure = go.Figure()
    for name, point in points.items():
        colour = tone.diverging[-1] if name == chosen else tone.muted
        right = Estimate(point.accuracy, *point.ci.accuracy, np.zeros(0))
        figure.add_scatter(
            x=[100 * BUDGETS[name]],
            y=[100 * right.value],
            mode="markers+text",
            text=[f"{100 * right.value:.1f}"],
            textposition="middle right",
            marker={"size": 13, "color": colour, "symbol": "diamond" if name == chosen else "circle"},
            error_y=domains_sample.whisker([right], colour),
            hovertemplate="budget %{x} %<br>%{y:.1f} % named rightly<extra></extra>",
        )
    x = [100 * share for share in BUDGETS.values()]
    figure.update_xaxes(title="budget, % of the tickets’ own multiply-adds", range=[22, 108], tickvals=x)
    figure.update_yaxes(title="named rightly, %", range=[0, 100], zeroline=False)
    return figure.update_layout(showlegend=False)
