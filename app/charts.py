"""From a frame to a figure, and on to the page. Titles and downloads are the panels' business."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import colours, tasks
from app.colours import Tone

CONFIG = {"displayModeBar": False, "showSendToCloud": False, "displaylogo": False}
_NOT_OURS = re.compile(r"<(?!/?(?:b|i|br|extra)>)|&(?=#?\w+;)")


def show(figure: go.Figure, key: str, **more: Any) -> Any:
    """The one way of a figure to the page: `st.plotly_chart`, with every text as it is written.

    Plotly reads all texts of a figure, names in the data too, as HTML with links and styles, which fetch what they
    name. Only the line breaks, bold and italics of our own titles and hover texts stay. What the figure holds was
    checked when it was made; checking it again would take as long as everything else that is done here.
    """
    written = go.Figure(as_written(figure.to_dict()), _validate=False)
    return st.plotly_chart(written, config=more.pop("config", CONFIG), key=key, **more)


def kept(make: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """A decorator for figures of frames, words and a tone: made once for the same ones, and kept for all visitors.

    Making a figure takes Plotly tens of milliseconds, most of a page's time. Nobody changes a figure that is kept.
    """
    return st.cache_resource(make, max_entries=64, show_spinner=False, hash_funcs={Tone: lambda tone: tone.surface})


def as_written(value: Any) -> Any:
    """A piece of a figure with everything in its texts escaped that Plotly would take for HTML other than ours."""
    if isinstance(value, str):
        return _NOT_OURS.sub(lambda match: "&lt;" if match[0] == "<" else "&amp;", value)
    if isinstance(value, dict):
        return {name: inner if name == "template" else as_written(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        value = value.tolist()
    return [as_written(inner) for inner in value] if isinstance(value, list | tuple) else value


def error_bars(value: Any, low: Any, high: Any, scale: float = 1, **style: Any) -> dict[str, Any]:
    """What Plotly takes as `error_x` or `error_y`: from each value to the ends of its interval, times `scale`."""
    ends = {"array": scale * (high - value), "arrayminus": scale * (value - low)}
    return {"type": "data", "symmetric": False, **ends, **style}


def name_rows(figure: go.Figure, names: Sequence[str]) -> None:
    """The y axis of a chart whose i-th row, from above, is what `names` calls it."""
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[len(names) - 0.4, -0.6],
        ticklabelstandoff=8,
        showgrid=False,
        zeroline=False,
    )


@kept
def whiskers(frame: pd.DataFrame, metric: str, label: str, tone: Tone) -> go.Figure:
    """Dot and whisker per method, best on top; RTL stands out by colour and by shape."""
    rows = frame[::-1]
    own = rows.method == "rtl"
    scale, unit = tasks.scale(metric), tasks.unit(metric)
    value = scale * rows[metric]
    figure = go.Figure()
    for mine, colour, symbol in ((False, tone.muted, "circle"), (True, colours.TICKETS[0], "diamond")):
        points_of, x = rows[own == mine], value[own == mine]
        if points_of.empty:
            continue
        figure.add_scatter(
            x=x,
            y=points_of.label,
            mode="markers+text",
            text=[f"{v:.1f}" for v in x],
            textposition="top center",
            marker={"size": 13 if mine else 9, "color": colour, "symbol": symbol},
            textfont={"size": 12},
            error_x=error_bars(x, scale * points_of.low, scale * points_of.high, color=colour, thickness=1.6, width=5),
            customdata=np.stack([points_of.steps_extract.fillna(0), points_of.steps_joint.fillna(0)], axis=1),
            hovertemplate=f"%{{y}}<br>%{{x:.1f}} {unit}<br>steps: %{{customdata[0]:,.0f}} to extract, "
            "%{customdata[1]:,.0f} joint<extra></extra>",
        )
    figure.update_yaxes(categoryorder="array", categoryarray=list(rows.label), title="", ticklabelstandoff=8)
    figure.update_yaxes(range=[-0.6, len(rows) - 0.3])  # room for the number above the topmost dot
    figure.update_xaxes(title=f"{label} on test data, {unit}", zeroline=False)
    figure.update_layout(showlegend=False)
    return calm(figure, height=90 + 44 * len(rows))


def curves(points: pd.DataFrame, x: str, y: str, titles: tuple[str, str], names: tuple[str, ...]) -> go.Figure:
    """One line per ticket in its colour, live: points has the columns ticket, x, y."""
    palette = dict(zip(names, colours.of_tickets(len(names)), strict=True))
    figure = go.Figure()
    for name in names:
        own = points[points.ticket == name]
        if own.empty:
            continue
        figure.add_scatter(
            x=own[x],
            y=own[y],
            name=name,
            mode="lines+markers" if len(own) < 30 else "lines",
            line={"color": palette[name], "width": 1.8},
            marker={"size": 6},
        )
    figure.update_xaxes(title=titles[0])
    figure.update_yaxes(title=titles[1])
    return calm(figure, height=300)


def calm(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 8, "r": 16, "t": 26, "b": 8}, font={"size": 13}, hoverlabel={"align": "left"}
    )
    figure.update_yaxes(automargin=True)
    return figure
