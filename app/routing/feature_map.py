"""A UMAP of the gate features of all inputs; a lasso selects inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, terms
from app.colours import Tone
from app.markdown import plain
from app.routing import findings, samples
from app.routing.view import View
from app.segmented import one_of

_METHODS = ("PCA", "UMAP")
_COLOURS = ("chosen ticket", "own ticket")
_CONFIG = charts.CONFIG | {
    "displayModeBar": True,
    "modeBarButtons": [["lasso2d", "select2d", "zoom2d", "resetScale2d"]],
}


@st.fragment
def draw(view: View) -> None:
    """A fragment: a lasso computes nothing else of the page anew."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = one_of(
            "Map by",
            _METHODS,
            key="inputs-map",
            help="PCA: distances as faithful as two axes allow. UMAP: who is near whom; distances between groups mean "
            "little. The first UMAP takes some seconds.",
        )
        colour = one_of("Colour", _COLOURS, key="colour")
    positions, places, share = view.map_of_inputs(method)
    by = view.ticket if colour == _COLOURS[0] else view.eval_set.subset
    st.subheader(plain(findings.map_title(method, share)), anchor=False)
    event = charts.show(
        figure(view, positions, places, by[positions], colours.tone(), method),
        config=_CONFIG,
        key=f"map-{method}",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
    )
    among = (
        f"{terms.count(len(positions))} of {terms.count(len(view.ticket))} "
        if len(positions) < len(view.ticket)
        else ""
    )
    panels.reading(
        f"A point is a test input as the gate sees it ({among}{view.noun}); crosses are sent to another ticket than "
        "their own. Draw a lasso around points to see what they are.",
        table(view, positions, places),
        "inputs-map",
    )
    picked = np.array([int(np.ravel(point["customdata"])[0]) for point in event["selection"]["points"]], int)
    if len(picked):
        first = f"first {samples.MOST} of " if len(picked) > samples.MOST else ""
        own = terms.percent(float((view.ticket[picked] == view.eval_set.subset[picked]).mean()))
        chosen = f"{first}{terms.count(len(picked))} chosen {view.noun}"
        st.markdown(f"**{plain(chosen)}**: {plain(own)} of them reach their own ticket")
        samples.show(view, picked[: samples.MOST], "lasso")


def figure(view: View, positions: np.ndarray, places: np.ndarray, by: np.ndarray, tone: Tone, method: str) -> go.Figure:
    """Two traces per ticket in its colour, crosses for those misrouted; each point bears its position among all."""
    drawn = go.Figure()
    misrouted = view.ticket[positions] != view.eval_set.subset[positions]
    for k, (name, colour) in enumerate(zip(view.names, colours.of_tickets(len(view.names)), strict=True)):
        for among, symbol, size in ((~misrouted, "circle", 6), (misrouted, "x", 9)):
            mine = (by == k) & among
            drawn.add_scattergl(
                x=places[mine, 0],
                y=places[mine, 1],
                name=name,
                legendgroup=name,
                showlegend=symbol == "circle",
                mode="markers",
                marker={"color": colour, "size": size, "opacity": 0.75, "symbol": symbol, "line": {"width": 0}},
                customdata=positions[mine],
                hovertemplate="%{fullData.name}<extra></extra>",
            )
    axis = {"zeroline": False, "showgrid": False, "showticklabels": False, "showline": True, "linecolor": tone.muted}
    drawn.update_xaxes(title=f"{method} axis 1", **axis)
    drawn.update_yaxes(title=f"{method} axis 2", **axis)
    drawn.update_layout(dragmode="lasso", legend={"itemsizing": "constant"})
    return charts.calm(drawn, height=520)


def table(view: View, positions: np.ndarray, places: np.ndarray) -> pd.DataFrame:
    names: Any = np.array(view.names, object)
    return pd.DataFrame(
        {
            "row": np.searchsorted(view.dataset.rows("test"), view.eval_set.rows[positions]),
            "x": places[:, 0].round(4),
            "y": places[:, 1].round(4),
            "sent to": names[view.ticket[positions]],
            "own ticket": names[view.eval_set.subset[positions]],
        }
    )
