"""What the difference between two tickets does: A's figures with weights added, removed and swapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, demonstration, panels, tasks, terms
from app.charts import calm, error_bars, name_rows
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import findings
from app.masks.view import View
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

_DRAWS = 5  # random controls
_VARIANTS = {
    "added": "with all that {b} keeps too",
    "removed": "without what {b} does not keep",
    "swapped": "with {b}'s weights instead",
}


def draw(view: View, i: int, j: int) -> None:
    a, b = view.names[i], view.names[j]
    if view.run.config is None:
        st.caption("What the difference does can be measured only where there is a model; this run has masks only.")
        return
    key = (view.run.name, a, b, view.layers)
    demonstration.costly_button(
        f"Measure what the difference does to {a}",
        "exchange",
        lambda: st.session_state.update(exchange_requested=key),
        help=plain(
            f"Gives {a} the weights that only {b} keeps, takes away those that only {a} keeps, and swaps "
            f"them{view.where}, each beside as many random weights ({_DRAWS} draws). Takes up to a minute, on {a}'s "
            "test rows, at the tickets' own density."
        ),
    )
    if st.session_state.get("exchange_requested") != key:
        return
    try:
        exchanged = _measured(view.run, a, b, view.layers)
    except BadInput as error:
        panels.refuse(f"{error}.")
    panels.chart(
        findings.exchange_title(exchanged, a),
        _figure(exchanged, a, b, colours.tone()),
        exchanged.assign(dead_layers=[", ".join(names) for names in exchanged.dead_layers]),
        f"Filled: the change against {a}'s own mask, with its 95 % interval. Hollow: as many random weights, and where "
        "one more draw of them would lie (95 %). Where both agree, it does not matter which weights they are.",
        "exchange",
    )
    own = exchanged[exchanged.variant == "own"].iloc[0].value
    for _, row in exchanged[exchanged.variant != "own"].iterrows():
        label = _VARIANTS[row.variant].format(b=b)
        st.markdown(f"- **{plain(label[0].upper() + label[1:])}**: {plain(findings.exchange_sentence(row, own))}")
        if row.dead_layers:
            st.warning(
                plain(f"Dead layers: nothing is left in {terms.listed([short(name) for name in row.dead_layers])}.")
            )


@cache.of_run(kind=st.cache_data, max_entries=64, show_spinner="Measuring on the test rows", show_time=True)
def _measured(run: Run, a: str, b: str, layers: tuple[str, ...] | None) -> pd.DataFrame:
    from rtl_core.audit.mask_exchange import exchange

    return exchange(cache.opened(run).trained_tickets, a, b, layers, _DRAWS)


def _figure(exchanged: pd.DataFrame, a: str, b: str, tone: Tone) -> go.Figure:
    """Per variant the change against A's own masks, beside that of random weights; in percentage points."""
    rows, own = exchanged[exchanged.variant != "own"], exchanged[exchanged.variant == "own"].iloc[0].value
    labels = [f"{a} {_VARIANTS[variant].format(b=b)}" for variant in rows.variant]
    figure = go.Figure()
    pieces = (
        ("these weights", "difference", "diff_low", "diff_high", 0, -0.13, "circle", colours.TICKETS[0]),
        ("as many random weights", "control_mean", "control_low", "control_high", own, 0.13, "circle-open", tone.muted),
    )
    for name, *columns, zero, offset, symbol, colour in pieces:
        x, low, high = (rows[column] - zero for column in columns)
        figure.add_scatter(
            x=100 * x,
            y=[place + offset for place in range(len(rows))],
            name=name,
            mode="markers",
            marker={"size": 12, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
            error_x=error_bars(x, low, high, 100, color=colour, thickness=1.6, width=5),
            customdata=labels,
            hovertemplate="%{customdata}<br>%{x:+.1f} points, " + name + "<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.2})
    figure.update_xaxes(
        title=f"change of {a}'s {tasks.title_of(exchanged.metric.iloc[0])}, percentage points", zeroline=False
    )
    name_rows(figure, labels)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return calm(figure, height=280)
