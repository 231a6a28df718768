"""Core and specialists: what the weights that all tickets keep can do, and tickets without those they keep alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, demonstration, panels, tasks
from app.charts import calm, error_bars, name_rows
from app.colours import Tone
from app.markdown import plain
from app.masks import findings
from app.masks.view import View
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

_VARIANTS = {"own": "whole", "without private": "without what it keeps alone", "core": "only what all keep"}


def draw(view: View) -> None:
    """The button, and once pressed what was measured; at the tickets' own density, over the whole network."""
    mine = (view.run.name, "core")
    if st.session_state.get("core_requested") != mine:
        _offer(view.run, mine)
        return
    try:
        measured = _measured(view.run)
    except BadInput as error:
        panels.refuse(f"{error}.")
    panels.chart(
        findings.core_title(measured),
        _figure(measured, view, colours.tone()),
        measured.assign(dead_layers=[", ".join(names) for names in measured.dead_layers]),
        "Filled: the ticket on validation rows of its subset, norm statistics re-estimated, with its 95 % interval. "
        "Hollow: as many random weights of the same ticket in every layer, and where one more draw of them would lie. "
        "Where both agree, it does not matter which weights they are.",
        "core",
    )
    st.caption(plain(findings.core_sentence(measured)))


def _offer(run: Run, mine: tuple[str, str]) -> None:
    st.subheader("What can the common weights do, and what the private ones?", anchor=False)
    if run.config is None:
        st.caption("This can be measured only where there is a model; this run has masks only.")
        return
    demonstration.costly_button(
        "Measure core and specialists",
        "core",
        lambda: st.session_state.update(core_requested=mine),
        help=plain(
            "Every ticket on its validation rows: with nothing but the weights that all tickets keep, and without "
            "those that it keeps alone, each beside as many random weights. Takes up to a minute or two, at the "
            "tickets' own density."
        ),
    )


@cache.of_run(kind=st.cache_data, max_entries=16, show_spinner="Measuring on the validation rows", show_time=True)
def _measured(run: Run) -> pd.DataFrame:
    from rtl_core.audit.core_and_specialists import core_and_specialists

    return core_and_specialists(cache.opened(run).trained_tickets)


def _figure(measured: pd.DataFrame, view: View, tone: Tone) -> go.Figure:
    """A row per ticket; its three variants in its colour, told apart by their symbols, above their random controls."""
    metric, names = measured.metric.iloc[0], list(view.names)
    scale, palette = tasks.scale(metric), colours.of_tickets(len(names))
    symbols = dict(zip(_VARIANTS, ("diamond", "circle", "square"), strict=True))
    figure = go.Figure()
    for variant, label in _VARIANTS.items():
        rows = measured[measured.variant == variant].reset_index(drop=True)
        places = np.array([names.index(name) for name in rows.ticket])
        figure.add_scatter(
            x=scale * rows.value,
            y=places - 0.1,
            name=label,
            mode="markers",
            marker={"size": 12, "symbol": symbols[variant], "color": [palette[k] for k in places]},
            error_x=error_bars(rows.value, rows.low, rows.high, scale, color=tone.muted, thickness=1.2, width=3),
            customdata=rows[["ticket", "kept"]],
            hovertemplate=f"%{{customdata[0]}}, {label}<br>%{{x:.1f}} {tasks.unit(metric)}, "
            "%{customdata[1]:,} weights<extra></extra>",
            showlegend=False,
        )
        _in_legend(figure, label, symbols[variant], tone.text)
        control = rows.dropna(subset=["control_mean"])
        if control.empty:
            continue
        figure.add_scatter(
            x=scale * control.control_mean,
            y=places[control.index] + 0.22,
            mode="markers",
            marker={"size": 9, "symbol": f"{symbols[variant]}-open", "color": tone.muted, "line": {"width": 2}},
            error_x=error_bars(
                control.control_mean, control.control_low, control.control_high, scale, color=tone.muted, thickness=1
            ),
            customdata=control.ticket,
            hovertemplate=f"%{{customdata}}, {label}: as many random weights<br>%{{x:.1f}} {tasks.unit(metric)}"
            "<extra></extra>",
            showlegend=False,
        )
    _in_legend(figure, "as many random weights", "circle-open", tone.muted)
    figure.update_xaxes(title=f"{tasks.title_of(metric)} on validation rows, {tasks.unit(metric)}", zeroline=False)
    name_rows(figure, names)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return calm(figure, height=130 + 44 * len(names))


def _in_legend(figure: go.Figure, label: str, symbol: str, colour: str) -> None:
    """An entry without a point: the points bear the tickets' colours."""
    marker = {"size": 11, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}}
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=label)
