"""Density by density: how the masks came about, what the tickets can do without, and what was measured where."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import colours, panels, tasks, terms
from app.charts import calm, error_bars
from app.colours import Tone
from app.markdown import plain
from app.masks.view import View
from rtl_core.tickets.ticket_set import Level

_KINDS = {"denser": "On the way down", "target": "The tickets", "lighter": "Nested in the tickets"}
_MEASURED = {
    "extraction": "during extraction, on each ticket's own weights",
    "final": "on the final shared weights",
}
_OWN_LINES = 20  # tickets up to which each has a line in its colour


def looked_at(view: View) -> None:
    """What the masks of this density are, and the accuracy that was measured with them."""
    kept = terms.density(view.level.density)
    records = _records(view)
    if records.empty:
        why = "the run has masks only" if view.run.config is None else "nothing was measured at this density"
        st.caption(f"**{_KINDS[view.level.kind]}**, {plain(kept)} kept · {plain(why)}")
        return
    measured = "extraction" if view.level.kind == "denser" else "final"
    here = records[(records.level == view.level.index) & (records.measure == measured)]
    if here.empty:
        st.caption(f"**{_KINDS[view.level.kind]}**, {plain(kept)} kept · no accuracy was measured at this density")
        return
    metric = panels.metric_of(view.run)
    value, n = here[metric], " to ".join(terms.count(n) for n in sorted({here.n.min(), here.n.max()}))
    spread = f" ({tasks.value(metric, value.min())} to {tasks.value(metric, value.max())})" if len(value) > 1 else ""
    of = f"mean of {len(value)} tickets" if len(value) > 1 else "one ticket"
    st.caption(
        f"**{_KINDS[view.level.kind]}**, {plain(kept)} kept · {tasks.title_of(metric)} "
        f"**{tasks.value(metric, value.mean())}**, {plain(of + spread)}, n = {plain(n)} validation rows each · "
        f"measured {_MEASURED[measured]}"
    )


def draw(view: View) -> None:
    """What was measured at each density."""
    records = _records(view)
    if records.empty:
        st.info("Nothing was measured at the other densities of this run: it shows what its masks share, not how well.")
        return
    metric = panels.metric_of(view.run)
    panels.chart(
        _title(records, view.tickets.target, metric),
        _figure(records, view, metric, colours.tone()),
        records.drop(columns="ci", errors="ignore"),
        "Dotted: validation data during extraction, on each ticket's own weights. Solid: the final weights. These are "
        "two different measurements. Dashed: the tickets' density; grey band: the density you are looking at.",
        "rungs",
    )


def _records(view: View) -> pd.DataFrame:
    """One row per level and ticket, with the ticket's name; empty where nothing was measured."""
    metric = panels.metric_of(view.run) if view.run.config else "accuracy"
    rows = [
        {**vars(record), metric: record.value(metric), "ticket_name": view.names[record.ticket]}
        for record in view.run.record.levels
    ]
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _title(records: pd.DataFrame, target: Level, metric: str) -> str:
    """How far below the target the tickets hold."""
    final = records[records.measure == "final"].groupby("density")[metric].mean()
    lighter = final[final.index < target.density - 1e-9]
    if lighter.empty:
        return "What was measured at each density"
    at_target = final[final.index >= target.density - 1e-9]
    lightest = terms.density(lighter.index.min())
    if at_target.empty:
        return f"At {lightest} density the tickets still reach {tasks.value(metric, lighter.iloc[0])}"
    loss = at_target.iloc[0] - lighter.iloc[0]
    return f"From {terms.density(target.density)} to {lightest} density the tickets lose {100 * loss:.1f} points"


def _figure(records: pd.DataFrame, view: View, metric: str, tone: Tone) -> go.Figure:
    """A line per ticket (above _OWN_LINES: their mean): the denser side in extraction, the lighter at the end."""
    figure = go.Figure()
    palette = colours.of_tickets(view.tickets.k)
    if view.tickets.k <= _OWN_LINES:
        lines = [(name, records[records.ticket == k], palette[k]) for k, name in enumerate(view.names)]
    else:
        mean = records.groupby(["measure", "density"], as_index=False)[metric].agg(["mean", "min", "max"])
        lines = [(f"mean of {view.tickets.k} tickets", mean.rename(columns={"mean": metric}), colours.TICKETS[0])]
    for name, rows, colour in lines:
        for measure, dash, symbol in (("extraction", "dot", "circle-open"), ("final", "solid", "circle")):
            points = rows[rows.measure == measure].sort_values("density")
            if points.empty:
                continue
            figure.add_scatter(
                x=100 * points.density,
                y=tasks.scale(metric) * points[metric],
                error_y=_spread(points, metric),
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=measure == "final" or not (rows.measure == "final").any(),
                line={"color": colour, "dash": dash, "width": 1.8},
                marker={"size": 7, "symbol": symbol},
                hovertemplate=f"%{{y:.1f}} {tasks.unit(metric)} at density %{{x:.3g}} %<br>measured: {measure}",
            )
    looked_at = 100 * view.level.density
    figure.add_vrect(looked_at / 1.06, looked_at * 1.06, fillcolor=tone.muted, opacity=0.2, line_width=0)
    figure.add_vline(x=100 * view.tickets.target.density, line={"color": tone.muted, "dash": "dash", "width": 1})
    figure.update_xaxes(
        title="density, % of the weights kept (log scale)", type="log", tickvals=[1, 2, 5, 10, 20, 50, 100]
    )
    figure.update_yaxes(title=f"{tasks.title_of(metric)}, {tasks.unit(metric)}")
    return calm(figure, height=380)


def _spread(points: pd.DataFrame, metric: str) -> dict[str, Any] | None:
    """Whiskers from the worst to the best ticket, where a point is the mean of many."""
    if "min" not in points:
        return None
    return error_bars(points[metric], points["min"], points["max"], tasks.scale(metric), thickness=1.2, width=3)
