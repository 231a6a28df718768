"""What a smaller budget costs in accuracy, and how lighter tickets take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import charts, colours, panels, tasks, terms
from app.colours import Tone
from app.markdown import plain
from app.routing import findings
from app.routing.view import CURVE_POINTS, View

if TYPE_CHECKING:
    from rtl_core.audit.accuracy_cost import AtBudget


def draw(view: View) -> None:
    if not view.has_lighter:
        st.info("This run has no tickets below its own density, so there is nothing lighter to give an input.")
        return
    curve = view.curve
    st.subheader(plain(findings.budget_title(view, curve)), anchor=False)
    st.markdown(plain(findings.levels_used(view)))
    charts.show(figure(view, curve, _chosen(view), colours.tone()), key="budget-chart")
    panels.reading(
        f"Above: {_counted(view)} at each cost, with the 95 % interval; the diamond is your budget. Below: the level "
        "that inputs get there.",
        table(view, curve),
        "budget",
    )
    flops = terms.count(view.report.cost.flops_executed)
    st.caption(
        plain(
            f"Costs are multiply-adds with weights that are kept, {terms.count(view.full_cost)} an input at the "
            "tickets' own density, without the router's own. Dense kernels execute the same FLOPs at every budget "
            f"({flops} an input): this is no measured speed. The curve may end below 100 %: an upgrade that won no "
            "validation accuracy is not bought."
        )
    )
    st.caption("The same from a shell:")
    st.code(command(view), language="shell")


def _counted(view: View) -> str:
    if view.one_vs_rest:
        return f"{view.noun} whose own ticket is chosen and claims them"
    if not view.says_classes:
        return f"the {view.credited.title} that the chosen tickets reach"
    return f"{view.noun} that the chosen ticket answers rightly"


def command(view: View) -> str:
    share = "" if view.share is None else f" --budget {view.share:.4g}"
    return f"python -m rtl_core route {view.run.name} --router {view.router}{share} --curve {CURVE_POINTS} --json"


def _chosen(view: View) -> tuple[float, float]:
    """(cost, accuracy) under the budget; without one, what the tickets reach at their own density."""
    if view.share is not None:
        return view.point.cost, view.point.accuracy
    return view.full_cost, float(view.credit_alone.mean())


def figure(view: View, curve: list[AtBudget], chosen: tuple[float, float], tone: Tone) -> go.Figure:
    """Both panels share the axis of cost, in % of the tickets' own."""
    x = [100 * point.cost / view.full_cost for point in curve]
    drawn = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.06)
    _reached(drawn, view, x, curve, tone)
    _your_budget(drawn, view, chosen, tone)
    for name, colour, shares in _levels(view, curve, tone):
        drawn.add_scatter(
            x=x,
            y=shares,
            name=name,
            stackgroup="rungs",
            mode="lines",
            line={"width": 0.5, "color": tone.surface},
            fillcolor=colour,
            hovertemplate=f"{name}: %{{y:.0f}} %<extra></extra>",
            row=2,
            col=1,
        )
    drawn.update_yaxes(title="right, %" if view.says_classes else tasks.axis(view.credited), row=1, col=1)
    drawn.update_yaxes(title="inputs, %", range=[0, 100], row=2, col=1)
    drawn.update_xaxes(title="mean multiply-adds that count, % of the tickets' own", row=2, col=1)
    drawn.update_layout(legend={"orientation": "h", "y": -0.16, "x": 0, "traceorder": "normal"})
    charts.calm(drawn, height=560)
    return drawn.update_layout(margin={"b": 70})


def _reached(drawn: go.Figure, view: View, x: list[float], curve: list[AtBudget], tone: Tone) -> None:
    """The mean credit with its 95 % band."""
    scale, means = tasks.scale(view.credited), np.array([point.accuracy for point in curve], float)
    ends = scale * np.array([point.ci.accuracy for point in curve], float)
    drawn.add_scatter(
        x=[*x, *x[::-1]],
        y=[*ends[:, 1], *ends[::-1, 0]],
        fill="toself",
        fillcolor="rgba(74,144,176,.22)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        x=x,
        y=scale * means,
        mode="lines+markers",
        line={"color": tone.diverging[-1], "width": 2},
        customdata=[_called(view, mean) for mean in means],
        hovertemplate="cost %{x:.0f} %<br>%{customdata}<extra></extra>",
        showlegend=False,
    )


def _called(view: View, mean: float) -> str:
    """A mean credit, as charts write it."""
    reached = tasks.value(view.credited, mean)
    return f"{reached} right" if view.says_classes else reached


def _your_budget(drawn: go.Figure, view: View, chosen: tuple[float, float], tone: Tone) -> None:
    at, words = 100 * chosen[0] / view.full_cost, _called(view, chosen[1])
    drawn.add_scatter(
        x=[at],
        y=[tasks.scale(view.credited) * chosen[1]],
        name="your budget",
        mode="markers+text",
        marker={
            "symbol": "diamond",
            "size": 14,
            "color": colours.TICKETS[1],
            "line": {"color": tone.text, "width": 1},
        },
        text=[words],
        textposition="bottom left" if at > 60 else "bottom right",
        textfont={"color": tone.text},
        hovertemplate=f"your budget: cost %{{x:.0f}} %<br>{words}<extra></extra>",
        showlegend=False,
    )
    drawn.add_vline(x=at, line={"color": colours.TICKETS[1], "width": 1.2, "dash": "dot"})


def _levels(view: View, curve: list[AtBudget], tone: Tone) -> list[tuple[str, str, list[float]]]:
    """(name, colour, % of the inputs at each point) of every level, densest first and darkest."""
    levels = view.routing.offered.levels
    bands = []
    for i, level in enumerate(levels):
        colour = colours.on_scale(tone.sequential, 1 - i / max(1, len(levels)))
        own = " (own)" if level.kind == "target" else ""
        shares = [100 * point.levels[i] / point.n for point in curve]
        bands.append((f"{terms.density(level.density)} density{own}", colour, shares))
    return bands


def table(view: View, curve: list[AtBudget]) -> pd.DataFrame:
    """One line per point of the curve, and the chosen one."""
    points = [*curve, *([view.point] if view.share is not None else [])]
    densities = [terms.density(level.density) for level in view.routing.offered.levels]
    return pd.DataFrame(
        [
            {
                "share of full cost": round(point.cost / view.full_cost, 4),
                "multiply-adds": point.cost,
                "accuracy" if view.says_classes else view.credited.title: point.accuracy,
                "low": point.ci.accuracy[0],
                "high": point.ci.accuracy[1],
                "n": point.n,
                **{f"at {name}": n for name, n in zip(densities, point.levels, strict=True)},
            }
            for point in points
        ]
    )
