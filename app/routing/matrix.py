"""How many inputs go to which ticket: rows x tickets as a heatmap or a flow to click, and as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import colours, panels
from app.colours import Tone
from app.markdown import plain
from app.routing import findings, samples, sankey
from app.routing.view import View

_LABELLED = 12  # tickets up to which cells show their numbers
_SPACED = 40  # rows up to which there is room for lines between cells


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
    """Rows against tickets as an ECharts heatmap; colour is the share of the row, the chosen cell is framed.

    The position of a cell in the data is row * K + ticket, which is what a click reports.
    """
    tickets = view.names
    small = max(len(rows), len(tickets)) <= _SPACED
    label = {
        "color": tone.text,
        "interval": 0 if small else "auto",
        "fontSize": 12,
        "width": 130,
        "overflow": "truncate",
    }
    axis = {
        "type": "category",
        "splitArea": {"show": False},
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        "nameLocation": "middle",
        "nameTextStyle": {"color": tone.muted},
    }
    tilted = 40 if len(tickets) > 6 and max(map(len, tickets)) > 3 else 0
    border = {"borderColor": tone.surface, "borderWidth": 2 if small else 0}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 88, "top": 26, "bottom": 8, "containLabel": True},
        "tooltip": {"formatter": "{b}<br/><b>{@[3]}</b> of {@[4]}<br/>{@[2]} % of the row"},
        "xAxis": {**axis, "data": list(tickets), "axisLabel": {**label, "rotate": tilted}},
        "yAxis": {
            **axis,
            "data": list(rows),
            "axisLabel": label,
            "inverse": True,
            "name": "of each row, sent to the ticket below",
            "nameLocation": "start",
            "nameTextStyle": {"color": tone.muted, "align": "left"},
        },
        "visualMap": {
            "min": 0,
            "max": 100,
            "dimension": 2,
            "seriesIndex": 0,
            "calculable": False,
            "right": 0,
            "top": "middle",
            "itemHeight": 240,
            "itemWidth": 14,
            "inRange": {"color": list(tone.sequential)},
            "text": ["100 %", "0 %"],
            "textStyle": {"color": tone.text},
        },
        "series": [
            {
                "type": "heatmap",
                "data": _data(rows, tickets, counts, tone),
                "selectedMode": "single",
                "label": {"show": len(tickets) <= _LABELLED, "formatter": "{@[3]}", "fontSize": 13},
                "itemStyle": border,
                "select": {"itemStyle": border},  # the frame says what is chosen
            },
            _frame(rows, tickets, chosen, tone),
        ],
    }


def _data(rows: tuple[str, ...], tickets: tuple[str, ...], counts: np.ndarray, tone: Tone) -> list[dict[str, Any]]:
    """The cells, row by row. Their names are unique: otherwise a whole row lights up under the mouse."""
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


def _frame(rows: tuple[str, ...], tickets: tuple[str, ...], chosen: tuple[str, str], tone: Tone) -> dict[str, Any]:
    """A frame around the chosen cell, or around each cell of the chosen row."""
    row, ticket = chosen
    columns = [tickets.index(ticket)] if ticket in tickets else range(len(tickets))
    return {
        "type": "heatmap",
        "silent": True,
        "data": [[k, rows.index(row), 0] for k in columns] if row in rows else [],
        "itemStyle": {"color": "transparent", "borderColor": tone.text, "borderWidth": 3},
        "emphasis": {"disabled": True},
    }
