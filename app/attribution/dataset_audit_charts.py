"""What an audit over many inputs found: faithfulness, where the maps lie, and how the tickets agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, terms
from app.attribution import findings, heatmaps, map_correlation, tiles
from app.attribution.view import View
from app.charts import calm
from app.colours import Tone
from app.markdown import plain

if TYPE_CHECKING:
    from rtl_core.runs.dataset_audit import DatasetAudit

_WHERE = (
    "A map's absolute values are divided among the parts of the input; shares are means over inputs, with 95 % "
    "intervals."
)


def draw(view: View, audit: DatasetAudit, evidence: np.ndarray) -> None:
    _faithful(view, audit)
    _regions(view, audit, evidence)
    _agreement(audit)


def _faithful(view: View, audit: DatasetAudit) -> None:
    frame = faithfulness_frame(audit)
    panels.chart(
        findings.faithful_title(frame, audit.n),
        _dots(frame, tiles.palette(view, colours.tone()), colours.tone(), view.followed),
        frame,
        "How far the area under the answer's curve is from that of random orders, with its 95 % interval over inputs. "
        "A map that finds what matters lies left of 0 when its top is taken away and right of 0 when it is put in.",
        "faithfulness",
    )


def faithfulness_frame(audit: DatasetAudit) -> pd.DataFrame:
    """One row a ticket and measure: the area, that of random orders, and their difference with its interval."""
    return pd.DataFrame(
        [
            {
                "ticket": ticket.name,
                "measure": measure,
                "area": getattr(ticket.faithfulness, measure),
                "random_area": getattr(ticket.faithfulness, f"random_{measure}"),
                "difference": getattr(ticket.faithfulness, f"{measure}_difference"),
                "low": getattr(ticket.ci, f"{measure}_difference")[0],
                "high": getattr(ticket.ci, f"{measure}_difference")[1],
                "n": audit.n,
            }
            for ticket in audit.tickets
            for measure in ("deletion", "insertion")
        ]
    ).astype({"difference": float, "low": float, "high": float})


def _dots(frame: pd.DataFrame, fills: dict[str, str], tone: Tone, followed: str) -> go.Figure:
    figure, names = go.Figure(), list(dict.fromkeys(frame.ticket))
    for measure, symbol, offset in (("deletion", "circle", -0.13), ("insertion", "diamond-open", 0.13)):
        own = frame[frame.measure == measure]
        colour = [fills[name] for name in own.ticket]
        figure.add_scatter(
            x=own.difference,
            y=np.arange(len(own)) + offset,
            name={"deletion": "taken away", "insertion": "put in"}[measure],
            mode="markers",
            marker={"size": 11, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
            error_x=charts.error_bars(own.difference, own.low, own.high, color=tone.muted, thickness=1.6, width=5),
            customdata=np.stack([own.ticket, own.area, own.random_area], axis=1),
            hovertemplate="%{customdata[0]}: area %{customdata[1]:.3f}, random orders %{customdata[2]:.3f}, "
            "difference %{x:+.3f}<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.2})
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False
    )
    figure.update_xaxes(title=f"area under the answer's {followed}, less that of random orders", zeroline=False)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return calm(figure, height=110 + 40 * len(names))


def _regions(view: View, audit: DatasetAudit, evidence: np.ndarray) -> None:
    frame = regions_frame(audit)
    best = frame.loc[frame.groupby("ticket", sort=False).share.idxmax().dropna()]
    top = best.loc[best.share.idxmax()]
    title = findings.regions_title(top.ticket, top.region, top.share, 1 / len(audit.regions))
    if not view.kind.maps:
        panels.chart(title, _bars(frame, tiles.palette(view, colours.tone())), frame, _WHERE, "regions")
        return
    st.subheader(plain(title), anchor=False)
    tone, fills = colours.tone(), tiles.palette(view, colours.tone())
    planes = heatmaps.planes(evidence, view.signed)
    limits = heatmaps.limits(planes, True)
    drawn = [
        tiles.tile(
            fills[row.ticket],
            row.ticket,
            tiles.img(heatmaps.alone(plane, limit, view.signed, tone), f"Mean map of {row.ticket}"),
            row.region,
            [f"{terms.percent(row.share)} of its maps, {terms.interval([row.low, row.high])}"],
        )
        for row, plane, limit in zip(best.itertuples(), planes, limits, strict=True)
    ]
    st.html(f'<div class="lab-maps">{"".join(drawn)}</div>')
    panels.reading(f"The mean map of each ticket over the inputs, on one scale. {_WHERE}", frame, "regions")


def regions_frame(audit: DatasetAudit) -> pd.DataFrame:
    """One row a ticket and region; the share of the maps that lies there."""
    return pd.DataFrame(
        [
            {"ticket": ticket.name, "region": region, "share": share, "low": low, "high": high, "n": audit.n}
            for ticket in audit.tickets
            for region, share, (low, high) in zip(audit.regions, ticket.regions, ticket.ci.regions, strict=True)
        ]
    ).astype({"share": float, "low": float, "high": float})


def _bars(frame: pd.DataFrame, fills: dict[str, str]) -> go.Figure:
    """Columns of a table, the most important first; one dot a ticket."""
    order = list(frame.groupby("region").share.mean().sort_values(ascending=False).index)
    figure, names = go.Figure(), list(dict.fromkeys(frame.ticket))
    for i, name in enumerate(names):
        own = frame[frame.ticket == name].set_index("region").loc[order]
        figure.add_bar(
            y=np.arange(len(order)) + (i - (len(names) - 1) / 2) * 0.8 / len(names),
            x=100 * own.share,
            width=0.8 / len(names),
            orientation="h",
            name=name,
            marker_color=fills[name],
            error_x=charts.error_bars(own.share, own.low, own.high, 100, thickness=1, width=2),
            hovertemplate="%{fullData.name}: %{x:.1f} %<extra></extra>",
        )
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=order, autorange="reversed", showgrid=False)
    figure.update_xaxes(title="share of a ticket's attributions, %")
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return calm(figure, height=80 + 15 * len(order) * len(names))


def _agreement(audit: DatasetAudit) -> None:
    names = [ticket.name for ticket in audit.tickets]
    if len(names) < 2:
        return
    values = np.array(audit.agreement, float)
    ends = np.array(audit.ci.agreement, float)
    i, j = np.triu_indices(len(names), 1)
    st.subheader(
        f"Over these inputs two tickets' maps correlate by {terms.signed(float(values[i, j].mean()))} on average",
        anchor=False,
    )
    charts.show(map_correlation.matrix(values, names, -1.0, colours.tone()), key="chart-agreement", width=620)
    frame = pd.DataFrame(
        {
            "a": [names[k] for k in i],
            "b": [names[k] for k in j],
            "rank_correlation": values[i, j],
            "low": ends[i, j, 0],
            "high": ends[i, j, 1],
            "n": audit.n,
        }
    )
    panels.reading(
        "Mean rank correlation of two tickets' maps of the same input; 1 is the same order.", frame, "agreement"
    )


def how(audit: DatasetAudit, file: str | None) -> None:
    """Under which settings and versions it was made, and where it is kept."""
    place = f"Kept as {file}" if file else "Not kept"
    made_with = ", ".join(f"{name} {number}" for name, number in audit.versions.items())
    st.caption(
        plain(
            f"{place}: {audit.method} against {audit.baseline}, seed {audit.seed}, "
            f"n = {audit.n:,}, {terms.duration(audit.seconds)}, {made_with}."
        )
    )
