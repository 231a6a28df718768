"""Layer by layer: how far tickets agree beyond chance, and how much of every layer they keep."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import colours, panels, terms
from app.charts import calm, kept
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import findings
from app.masks.view import View


def draw(view: View) -> None:
    layers = view.profile
    alone = view.tickets.k == 1
    panels.chart(
        findings.layers_title(layers),
        _kept_figure(layers) if alone else _figure(layers, colours.tone()),
        layers,
        "Layers from input (top) to output: the share of its weights that the ticket keeps."
        if alone
        else "Layers from input (top) to output. Left: mean excess of all pairs, 0 is chance; whiskers: one standard "
        "deviation over the pairs. Middle: the overlap itself beside chance. Right: how much a ticket keeps.",
        "layers",
    )
    st.caption(plain(findings.shallow_and_deep(layers)))
    dead = [short(name) for name in layers.layer[layers.empty_tickets > 0]]
    if dead:
        st.warning(plain(f"Dead layers: at this density at least one ticket keeps nothing in {terms.listed(dead)}."))


@kept
def _figure(layers: pd.DataFrame, tone: Tone) -> go.Figure:
    names = [short(name) for name in layers.layer]
    figure = make_subplots(cols=3, shared_yaxes=True, column_widths=[0.42, 0.34, 0.24], horizontal_spacing=0.035)
    figure.add_scatter(
        x=layers.excess_mean,
        y=names,
        error_x=_whiskers(layers.excess_sd),
        mode="markers",
        marker={"size": 10, "color": colours.TICKETS[0]},
        showlegend=False,
        hovertemplate="%{y}<br>excess %{x:+.3f} ± %{error_x.array:.3f}<extra></extra>",
    )
    figure.add_scatter(
        x=layers.iou_mean,
        y=names,
        name="overlap (IoU)",
        mode="markers",
        marker={"size": 10, "color": colours.TICKETS[0]},
        hovertemplate="%{y}<br>IoU %{x:.3f}<extra></extra>",
        row=1,
        col=2,
    )
    figure.add_scatter(
        x=layers.chance_mean,
        y=names,
        name="chance",
        mode="markers",
        marker={"size": 14, "symbol": "line-ns-open", "color": tone.text, "line": {"width": 2}},
        hovertemplate="%{y}<br>chance %{x:.3f}<extra></extra>",
        row=1,
        col=2,
    )
    figure.add_trace(_kept(layers, names), row=1, col=3)
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.4}, row=1, col=1)
    figure.update_xaxes(title="excess over chance", zeroline=False, row=1, col=1)
    figure.update_xaxes(title="IoU", rangemode="tozero", row=1, col=2)
    figure.update_xaxes(title="kept, %", range=[0, 125 * layers.density_mean.max()], row=1, col=3)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0.45})
    return _rows(figure, names)


def _kept_figure(layers: pd.DataFrame) -> go.Figure:
    """One ticket has nothing to share: only what it keeps."""
    names = [short(name) for name in layers.layer]
    figure = go.Figure(_kept(layers, names))
    figure.update_xaxes(title="kept, %", range=[0, 110 * layers.density_mean.max()])
    return _rows(figure, names)


def _kept(layers: pd.DataFrame, names: list[str]) -> go.Bar:
    return go.Bar(
        x=100 * layers.density_mean,
        y=names,
        orientation="h",
        marker_color=colours.TICKETS[7],
        showlegend=False,
        text=[f"{100 * d:.3g}" for d in layers.density_mean],
        textposition="outside",
        cliponaxis=False,
        customdata=layers[["kept_min", "kept_max", "n"]],
        hovertemplate="%{y}<br>%{x:.2f} % kept: %{customdata[0]:,} to %{customdata[1]:,} of %{customdata[2]:,} weights"
        "<extra></extra>",
    )


def _rows(figure: go.Figure, names: list[str]) -> go.Figure:
    """A row per layer, the input on top."""
    figure.update_yaxes(range=[len(names) - 0.4, -0.6], ticklabelstandoff=8, dtick=1)
    figure.update_layout(bargap=0.35)
    return calm(figure, height=130 + 24 * max(len(names), 6))


def _whiskers(sd: pd.Series) -> dict[str, Any]:
    return {"type": "data", "array": sd, "color": colours.TICKETS[0], "thickness": 1.6, "width": 5}
