"""Calibration of a router: how often the chosen ticket is right at each stated probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels
from app.colours import Tone
from app.markdown import plain
from app.routing import findings
from app.routing.view import View
from rtl_core.display_names import router_words

if TYPE_CHECKING:
    from rtl_core.audit.router_metrics import Calibration


def draw(view: View) -> None:
    calibration = view.report.calibration
    if calibration is None:
        st.info(
            plain(f"{router_words(view.router)[1]} gives no probability for its choice, so there is none to check.")
        )
        return
    panels.chart(
        findings.calibration_title(view, calibration),
        figure(calibration, colours.tone()),
        table(calibration),
        "A dot is a tenth of the scale: of the inputs that the router is so sure of, the share that reaches its own "
        "ticket, with its 95 % interval. On the line it is as often right as it says. The error is positive even for a "
        "calibrated router, the more so the fewer the inputs.",
        "calibration",
    )


def figure(calibration: Calibration, tone: Tone) -> go.Figure:
    bins = table(calibration)
    drawn = go.Figure()
    drawn.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": tone.muted, "dash": "dot", "width": 1.4},
        hoverinfo="skip",
        showlegend=False,
    )
    drawn.add_scatter(
        x=100 * bins.confidence,
        y=100 * bins.agreement,
        mode="lines+markers+text",
        text=[f"n = {n:,}" for n in bins.n],
        textposition="top left",
        textfont={"size": 11, "color": tone.text},
        line={"color": tone.diverging[-1], "width": 1.4},
        marker={"size": 9},
        error_y=charts.error_bars(bins.agreement, bins.low, bins.high, 100, thickness=1.4, width=4),
        hovertemplate="says %{x:.0f} %, is right %{y:.1f} %<extra></extra>",
        showlegend=False,
    )
    drawn.update_xaxes(title="the router's confidence, %", range=[0, 102], zeroline=False)
    drawn.update_yaxes(title="sent to its own ticket, %", range=[0, 104], zeroline=False)
    return charts.calm(drawn, height=440)


def table(calibration: Calibration) -> pd.DataFrame:
    bins = pd.DataFrame(calibration.bins).rename(columns={"low": "from", "high": "to"})
    ends = pd.DataFrame(bins.ci.tolist(), columns=["low", "high"]).astype(float)
    return pd.concat([bins.drop(columns="ci"), ends], axis=1)
