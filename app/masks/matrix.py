"""The matrix of all pairs: cells to click up to _CLICKABLE tickets, beyond that an overview and a part to click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, heatmap, panels
from app.colours import Tone
from app.headlines import p_value
from app.markdown import plain
from app.masks import dendrogram, findings
from app.masks.controls import Measure
from app.masks.view import Compared, View
from rtl_core.overlap.similarity import Similarity

_CLICKABLE = 100  # tickets up to which every cell is an object that can be clicked
_NEAREST = 40  # tickets shown around A where there are more
SIDE_BY_SIDE_UP_TO = 24  # tickets up to which the pair fits beside the matrix


def draw(view: View, measure: Measure, by_similarity: bool, chosen: tuple[int, int]) -> None:
    """The K x K matrix under its finding, with its table beside it. A click puts the pair into the select boxes."""
    compared = view.compared
    st.subheader(plain(findings.matrix_title(compared, view.where)), anchor=False)
    dead = [name for name, kept in zip(view.names, compared.measures.size, strict=True) if kept == 0]
    if dead:
        st.warning(plain(findings.dead_tickets(dead, view.where)))
    order = list(dendrogram.leaves(view)) if by_similarity else list(range(view.tickets.k))
    large = view.tickets.k > _CLICKABLE
    listed = _around(list(dendrogram.leaves(view)), chosen[0]) if large else order
    as_matrix, as_table = st.tabs(["Matrix", "Table"])
    with as_matrix:
        if large:
            _overview(compared.measures, measure, order, chosen)
            st.caption(f"**{plain(view.names[chosen[0]])}** and the {len(listed) - 1} tickets nearest to it:")
        _cells(compared, measure, listed, chosen, _height(len(listed)))
    with as_table:
        _table(compared.measures, measure, listed)
    note = f" Table and numbers: the {len(listed)} tickets nearest to A." if large else ""
    panels.reading(f"Click a cell to see the pair. {measure.reading}{note}", pairs_frame(compared, listed), "overlap")


def pairs_frame(compared: Compared, tickets: list[int]) -> pd.DataFrame:
    """One row per pair among some tickets."""
    similarities = compared.measures
    first, second = np.triu_indices(len(tickets), 1)
    i, j = np.array(tickets)[first], np.array(tickets)[second]
    names = np.array(similarities.names)
    measures = ("iou", "chance", "excess", "coefficient", "hamming")
    return pd.DataFrame(
        {
            "a": names[i],
            "b": names[j],
            **{name: getattr(similarities, name)[i, j] for name in measures},
            "shared": similarities.intersection[i, j],
            "kept_a": similarities.size[i],
            "kept_b": similarities.size[j],
            "p_holm": compared.p[i, j],
        }
    )


def _height(k: int) -> int:
    return 430 if k <= SIDE_BY_SIDE_UP_TO else min(900, 110 + 15 * k)


def _around(leaves: list[int], a: int) -> list[int]:
    """The _NEAREST tickets around A in the order of the tree."""
    start = min(max(0, leaves.index(a) - _NEAREST // 2), len(leaves) - _NEAREST)
    return leaves[start : start + _NEAREST]


def _cells(compared: Compared, measure: Measure, order: list[int], chosen: tuple[int, int], height: int) -> None:
    names = [compared.measures.names[k] for k in order]
    st.echarts_chart(
        cells_spec(compared, measure, order, chosen, colours.tone()),
        key="matrix",
        on_select=lambda: _take_click(names),
        height=height,
        alt=f"{measure.label} of {len(names)} tickets; the same numbers stand in the table view",
    )


def _take_click(names: list[str]) -> None:
    picked = st.session_state["matrix"]["selection"]["selected"]
    if not picked or not picked[0]["data_indices"]:
        return
    i, j = divmod(picked[0]["data_indices"][0], len(names))
    if i < len(names) and i != j:
        st.session_state["a"], st.session_state["b"] = names[i], names[j]


def _table(measures: Similarity, measure: Measure, order: list[int]) -> None:
    names = [measures.names[k] for k in order]
    values = getattr(measures, measure.field)[np.ix_(order, order)]
    st.dataframe(pd.DataFrame(values, index=names, columns=names).round(3), height=430)


def cells_spec(
    compared: Compared, measure: Measure, order: list[int], chosen: tuple[int, int], tone: Tone
) -> dict[str, Any]:
    """The tickets of `order` against each other; the chosen pair is framed."""
    names = [compared.measures.names[k] for k in order]
    scale, low, high = _scale(compared.measures, measure, tone)
    places = [order.index(ticket) for ticket in chosen if ticket in order]
    matrix = heatmap.Matrix(
        names,
        names,
        _data(compared, measure, order, lambda v: colours.on_scale(scale, (v - low) / (high - low))),
        [(places[1], places[0]), (places[0], places[1])] if len(set(places)) == 2 else [],
    )
    return heatmap.spec(
        matrix,
        heatmap.Scale(scale, low, high, measure.low, measure.high, {"itemHeight": 260, "precision": 2}),
        tone,
        "{b}<br/>overlap (IoU) <b>{@[3]}</b><br/>chance {@[4]}<br/>excess {@[5]}<br/>{@[6]} weights shared<br/>"
        "{@[7]} among all pairs",
        "{@[2]}",
        12 if len(names) <= SIDE_BY_SIDE_UP_TO else 10,
    )


def _data(compared: Compared, measure: Measure, order: list[int], fill: Callable[[float], str]) -> list[dict[str, Any]]:
    """The cells, row by row."""
    measures = compared.measures
    values = getattr(measures, measure.field)
    labelled = len(order) <= heatmap.LABELLED
    cells = []
    for row, i in enumerate(order):
        for column, j in enumerate(order):
            cell = {"name": f"{measures.names[i]} ∩ {measures.names[j]}", "value": [column, row, "-"]}
            if i != j and not np.isnan(values[i, j]):
                hover = [_rounded(m[i, j]) for m in (measures.iou, measures.chance, measures.excess)]
                shared, p = int(measures.intersection[i, j]), p_value(compared.p[i, j])
                cell["value"] = [column, row, _rounded(values[i, j], 2 if labelled else 3), *hover, shared, p]
                if labelled:
                    cell["label"] = {"color": colours.readable_on(fill(values[i, j]))}
            cells.append(cell)
    return cells


def _scale(measures: Similarity, measure: Measure, tone: Tone) -> tuple[tuple[str, ...], float, float]:
    """Colours and the values of their ends. One scale for the chosen layers, whatever part of the tickets is drawn."""
    values = getattr(measures, measure.field)
    pairs = values[~np.eye(len(values), dtype=bool)]
    reach = float(np.nanmax(np.abs(pairs), initial=0.0)) if not np.isnan(pairs).all() else 0.0
    rounded = max(0.1, float(np.ceil(reach * 10) / 10))
    if measure.centred:
        return tone.diverging, -rounded, rounded
    return tone.sequential, 0.0, rounded if measure.field == "hamming" else 1.0


def _overview(measures: Similarity, measure: Measure, order: list[int], chosen: tuple[int, int]) -> None:
    """All pairs at once: too many cells to click."""
    scale, low, high = _scale(measures, measure, colours.tone())
    names = [measures.names[k] for k in order]
    values = getattr(measures, measure.field)[np.ix_(order, order)].astype(np.float32)
    np.fill_diagonal(values, np.nan)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            zmin=low,
            zmax=high,
            colorscale=[[i / (len(scale) - 1), colour] for i, colour in enumerate(scale)],
            colorbar={"thickness": 14, "len": 0.6},
            hovertemplate="%{y} ∩ %{x}: %{z:.3f}<extra></extra>",
            x=names,
            y=names,
        )
    )
    figure.update_yaxes(type="category", autorange="reversed", scaleanchor="x", constrain="domain")
    figure.update_xaxes(type="category", constrain="domain", showticklabels=False)
    a, b = (order.index(ticket) for ticket in chosen)
    figure.add_scatter(
        x=[names[b], names[a]],
        y=[names[a], names[b]],
        mode="markers",
        marker={"symbol": "square-open", "size": 11, "color": colours.tone().text, "line": {"width": 2}},
        hoverinfo="skip",
    )
    charts.show(charts.calm(figure, height=720), key="overview", width=860)


def _rounded(value: float, digits: int = 3) -> float | str:
    return "-" if np.isnan(value) else round(float(value), digits)
