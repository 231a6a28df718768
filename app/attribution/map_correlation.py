"""How similar attribution maps are: rank correlation and the overlap of their largest pixels, as small matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels
from app.attribution import findings, tiles
from app.attribution.view import View
from app.charts import calm
from app.colours import Tone
from app.markdown import plain


def draw(view: View) -> None:
    from rtl_core.audit.attribution.compare_tickets import TOP

    comparison, tone = view.side_by_side, colours.tone()
    names = [tiles.called(name) for name in comparison.names]
    st.subheader(plain(findings.matrix_title(comparison, len(view.tickets))), anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.caption("Rank correlation of two maps: 1 is the same order, 0 none")
        charts.show(matrix(comparison.correlation, names, -1.0, tone), key="chart-correlation")
    with right:
        st.caption(f"Share of the top {TOP:.0%} of two maps that is the same; chance is {TOP:.0%}")
        charts.show(matrix(comparison.overlap, names, 0.0, tone), key="chart-top")
    panels.reading(
        "Tickets whose maps differ have different reasons. Where a random mask of equal densities has a map like the "
        "ticket's, the reason is not what the ticket learned to keep.",
        numbers(comparison.correlation, comparison.overlap, names),
        "maps-alike",
    )


def matrix(values: np.ndarray, names: list[str], low: float, tone: Tone) -> go.Figure:
    """A square matrix with its numbers; `low` is -1 for a scale that is neutral at 0, else 0. The diagonal is empty."""
    shown = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    scale = tone.diverging if low < 0 else tone.sequential
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=names,
            y=names,
            zmin=low,
            zmax=1,
            colorscale=[[i / (len(scale) - 1), colour] for i, colour in enumerate(scale)],
            texttemplate="%{z:.2f}",
            hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
            hoverongaps=False,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figure.update_xaxes(showgrid=False, type="category", tickangle=-40 if len(names) > 5 else 0)
    return calm(figure, height=min(130 + 38 * len(names), 560))


def numbers(correlation: np.ndarray, overlap: np.ndarray, names: list[str]) -> pd.DataFrame:
    """One row a pair."""
    i, j = np.triu_indices(len(names), 1)
    return pd.DataFrame(
        {
            "a": [names[k] for k in i],
            "b": [names[k] for k in j],
            "rank_correlation": correlation[i, j],
            "top_overlap": overlap[i, j],
        }
    )
