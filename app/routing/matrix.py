"""How many inputs go to which ticket: rows x tickets as a heatmap or a flow to click, and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import colours, heatmap, panels
from app.colours import Tone
from app.markdown import plain
from app.routing import findings, samples, sankey
from app.routing.view import View


def draw(view: View, by_class: bool, chosen: tuple[str, str]) -> None:
    """A click puts row and ticket into the select boxes of the samples."""
    st.subheader(plain(findings.matrix_title(view, by_class)), anchor=False)
    names, _ = view.rows_of_matrix(by_class)
    counts = view.counts(by_class)
    key = samples.row_key(by_class)
    as_matrix, as_flow, as_table = st.tabs(["Matrix", "Flow", "Table"])
    with as_matrix:
        st.echarts_chart(
            cells_spec(view, names, counts, chosen, colours.tone()),
            key="routing-matrix",
            on_select=lambda: _take_cell(key, names, view.names),
            height=_height(len(names)),
            alt="How many inputs of each row go to each ticket; the same numbers stand in the table view",
        )
    with as_flow:
        sankey.draw(names, view.names, counts, key)
    with as_table:
        st.dataframe(
            pd.DataFrame(counts, columns=view.names).set_axis(list(names)),
            height=min(430, 38 + 35 * len(names)),
            on_select=lambda: _take_row(key, names),
            selection_mode="single-row",
            key="routing-table",
        )
    panels.reading(
        "Each row adds up to 100 %; the number in a cell counts inputs. Click a cell, a band of the flow or a row of "
        "the table to see whom it counts.",
        long(names, view.names, counts),
        "routing",
    )


def long(rows: tuple[str, ...], tickets: tuple[str, ...], counts: np.ndarray) -> pd.DataFrame:
    """One line per row and ticket: n, and its share of the row."""
    sizes = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "row": np.repeat(rows, len(tickets)),
            "ticket": np.tile(tickets, len(rows)),
            "n": counts.ravel(),
            "share": (counts / sizes).ravel().round(4),
        }
    )


def _height(rows: int) -> int:
    return 430 if rows <= 14 else min(900, 110 + 22 * rows)


def _take_cell(key: str, names: tuple[str, ...], tickets: tuple[str, ...]) -> None:
    picked = st.session_state["routing-matrix"]["selection"]["selected"]
    if not picked or not picked[0]["data_indices"]:
        return
    i, k = divmod(picked[0]["data_indices"][0], len(tickets))
    if i < len(names):
        samples.choose(key, names[i], tickets[k])


def _take_row(key: str, names: tuple[str, ...]) -> None:
    picked = st.session_state["routing-table"]["selection"]["rows"]
    if picked and picked[0] < len(names):
        samples.choose(key, names[picked[0]], samples.ANY)


def cells_spec(
    view: View, rows: tuple[str, ...], counts: np.ndarray, chosen: tuple[str, str], tone: Tone
) -> dict[str, Any]:
    """Rows against tickets; colour is the share of the row, the chosen cell, or each of the chosen row, is framed."""
    row, ticket = chosen
    framed = [view.names.index(ticket)] if ticket in view.names else range(len(view.names))
    matrix = heatmap.Matrix(
        rows,
        view.names,
        _data(rows, view.names, counts, tone),
        [(k, rows.index(row)) for k in framed] if row in rows else [],
    )
    spec = heatmap.spec(
        matrix,
        heatmap.Scale(tone.sequential, 0, 100, "0 %", "100 %", {"itemHeight": 240}),
        tone,
        "{b}<br/><b>{@[3]}</b> of {@[4]}<br/>{@[2]} % of the row",
        "{@[3]}",
    )
    spec["grid"] |= {"right": 88, "top": 26}
    spec["yAxis"] |= {
        "name": "of each row, sent to the ticket below",
        "nameLocation": "start",
        "nameTextStyle": {"color": tone.muted, "align": "left"},
    }
    return spec


def _data(rows: tuple[str, ...], tickets: tuple[str, ...], counts: np.ndarray, tone: Tone) -> list[dict[str, Any]]:
    """The cells, row by row."""
    sizes = counts.sum(axis=1)
    share = counts / np.maximum(sizes, 1)[:, None]
    return [
        {
            "name": f"{row} → {ticket}",
            "value": [k, i, round(100 * float(share[i, k]), 1), int(counts[i, k]), int(sizes[i])],
            "label": {"color": colours.readable_on(colours.on_scale(tone.sequential, share[i, k]))},
        }
        for i, row in enumerate(rows)
        for k, ticket in enumerate(tickets)
    ]
