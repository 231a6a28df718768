"""Who owns the weights: how many tickets keep each one, which tickets keep the same ones, and dead filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import colours, panels
from app.charts import calm
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import core, findings
from app.masks.view import View

_WIDE_DASH = 12  # tickets up to which a chance mark is as wide as its bar
_DOTS = 60  # tickets up to which a set can be drawn as dots


def draw(view: View) -> None:
    per_layer = view.ownership
    per_layer = per_layer[per_layer.layer.isin(view.shown_layers)]
    counts = per_layer.groupby("owners", as_index=False)[["weights", "expected"]].sum()
    panels.chart(
        findings.ownership_title(counts, view.tickets.k, view.where),
        _owners(counts, colours.tone()),
        per_layer,
        "A bar counts the weights that so many tickets keep; the dash is what independent masks with the same layer "
        "densities would give. Bars above the dash on the right are weights that tickets agree on.",
        "ownership",
    )
    _sets(view)
    _dead(view)
    core.draw(view)


def _owners(counts: pd.DataFrame, tone: Tone) -> go.Figure:
    """Weights used by 0, 1, ... K tickets, with what independent masks would give as a mark."""
    k = int(counts.owners.max())
    figure = go.Figure()
    figure.add_bar(
        x=counts.owners,
        y=counts.weights,
        name="this run",
        marker_color=colours.TICKETS[7],
        hovertemplate="%{x} tickets: %{y:,} weights<extra></extra>",
    )
    figure.add_scatter(
        x=counts.owners,
        y=counts.expected,
        name="chance",
        mode="markers",
        marker=_dash(tone, 26 if k <= _WIDE_DASH else 10),
        hovertemplate="by chance: %{y:,.0f}<extra></extra>",
    )
    figure.update_xaxes(title="tickets that keep the weight", dtick=1 if k <= 20 else None)
    figure.update_yaxes(title="weights (log scale)", type="log", dtick=1)
    figure.update_yaxes(range=[-0.3, float(np.log10(counts[["weights", "expected"]].to_numpy().max())) + 0.2])
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    return calm(figure, height=340)


def _sets(view: View) -> None:
    """The sets of tickets that own most weights together, and nobody else does."""
    sets = view.intersections
    sets = sets[sets.owners > 0]
    if sets.empty:
        return
    numbers = sets.assign(tickets=[", ".join(names) for names in sets.tickets])
    panels.chart(
        findings.sets_title(sets, view.tickets.k, view.where),
        _upset(sets, view, colours.tone()),
        numbers,
        "A column is a set of tickets, its dots; the bar above counts the weights that exactly these tickets keep, and "
        "the dash is what independent masks would give.",
        "sets",
    )


def _upset(sets: pd.DataFrame, view: View, tone: Tone) -> go.Figure:
    """Bars over dots (an UpSet plot). Beyond _DOTS tickets the sets are named by their size."""
    drawn = set().union(*sets.tickets)
    rows = [k for k, name in enumerate(view.names) if name in drawn]
    with_dots = len(rows) <= _DOTS
    x = list(range(len(sets)))
    height = 18 * len(rows) if with_dots else 0
    figure = make_subplots(
        rows=2 if with_dots else 1,
        shared_xaxes=True,
        row_heights=[220, max(height, 40)] if with_dots else None,
        vertical_spacing=0.03,
    )
    labels = [" + ".join(names) if len(names) <= 6 else f"{len(names)} tickets" for names in sets.tickets]
    figure.add_bar(
        x=x,
        y=sets.weights,
        name="this run",
        marker_color=colours.TICKETS[7],
        customdata=np.stack([labels, [f"{e:,.0f}" for e in sets.expected]], axis=1),
        hovertemplate="exactly %{customdata[0]}<br>%{y:,} weights, by chance %{customdata[1]}<extra></extra>",
    )
    figure.add_scatter(
        x=x, y=sets.expected, name="chance", mode="markers", marker=_dash(tone, 14), hoverinfo="skip", row=1, col=1
    )
    figure.update_yaxes(title="weights", row=1, col=1)
    if with_dots:
        _dots(figure, sets, [(k, view.names[k]) for k in rows], tone)
    else:
        figure.update_xaxes(tickvals=x, ticktext=[str(owners) for owners in sets.owners], title="owners of the set")
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, bargap=0.35)
    return calm(figure, height=330 + height)


def _dots(figure: go.Figure, sets: pd.DataFrame, rows: list[tuple[int, str]], tone: Tone) -> None:
    palette = colours.of_tickets(1 + max(k for k, _ in rows))
    place = {name: y for y, (_, name) in enumerate(rows)}
    for x, names in enumerate(sets.tickets):
        ends = [place[name] for name in names]
        figure.add_scatter(
            x=[x, x],
            y=[min(ends), max(ends)],
            mode="lines",
            line={"color": tone.muted, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
            row=2,
            col=1,
        )
    for k, name in rows:
        member = [name in names for names in sets.tickets]
        figure.add_scatter(
            x=list(range(len(sets))),
            y=[place[name]] * len(sets),
            mode="markers",
            marker={
                "size": 11,
                "color": [palette[k] if inside else "rgba(0,0,0,0)" for inside in member],
                "line": {"width": [0 if inside else 1 for inside in member], "color": "rgba(128,138,148,.45)"},
            },
            name=name,
            hovertemplate="%{fullData.name}<extra></extra>",
            showlegend=False,
            row=2,
            col=1,
        )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[name for _, name in rows],
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        ticklabelstandoff=8,
        row=2,
        col=1,
    )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, row=2, col=1)


def _dead(view: View) -> None:
    """Filters that keep no weight at all, where there are any."""
    dead = view.dead_filters
    st.subheader(plain(findings.dead_title(dead, view.where)), anchor=False)
    st.caption(
        "Counted over all tickets and layers. A dead output keeps no weight and computes a constant; a dead input is "
        "never looked at. By chance: as many weights at random places of the layer."
    )
    dead_channels = dead[(dead.dead_outputs > 0) | (dead.dead_inputs > 0)]
    if not dead_channels.empty:
        st.dataframe(_dead_table(dead_channels), hide_index=True, height=min(360, 38 + 35 * len(dead_channels)))
        panels.download(dead_channels, "dead-filters")


def _dead_table(dead_channels: pd.DataFrame) -> pd.DataFrame:
    def of(kind: str) -> list[str]:
        columns = (dead_channels[f"dead_{kind}"], dead_channels[kind], dead_channels[f"expected_{kind}"])
        return [f"{dead} of {n} (chance: {by_chance:.1f})" for dead, n, by_chance in zip(*columns, strict=True)]

    return pd.DataFrame(
        {
            "layer": [short(name) for name in dead_channels.layer],
            "ticket": dead_channels.ticket,
            "dead outputs": of("outputs"),
            "dead inputs": of("inputs"),
        }
    )


def _dash(tone: Tone, size: int) -> dict[str, Any]:
    return {"symbol": "line-ew-open", "size": size, "color": tone.text, "line": {"width": 2}}
