"""The same counts as a flow: a band from each row to each ticket, as wide as the inputs that go there."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from app import colours
from app.colours import Tone
from app.routing import samples


def draw(rows: tuple[str, ...], tickets: tuple[str, ...], counts: np.ndarray, key: str) -> None:
    links = [(int(i), int(k)) for i, k in np.argwhere(counts > 0)]
    st.echarts_chart(
        spec(rows, tickets, counts, links, colours.tone()),
        key="routing-flow",
        on_select=lambda: _take(rows, tickets, links, key),
        height=min(900, max(430, 34 * max(len(rows), len(tickets)))),
        alt="Bands from rows to tickets; the same numbers stand in the table view",
    )


def spec(
    rows: tuple[str, ...], tickets: tuple[str, ...], counts: np.ndarray, links: list[tuple[int, int]], tone: Tone
) -> dict[str, Any]:
    """Nodes: the rows, then the tickets; the position of a band is that of its link, which is what a click reports."""
    label = {"color": tone.text, "fontSize": 12}
    nodes = [_node(f"{name} (sent)", name, tone.muted, 0) for name in rows]
    nodes += [
        _node(f"{name} (ticket)", name, colour, 1)
        for name, colour in zip(tickets, colours.of_tickets(len(tickets)), strict=True)
    ]
    return {
        "animation": False,
        "tooltip": {"formatter": "{b}: <b>{c}</b>"},
        "series": [
            {
                "type": "sankey",
                "left": 110,
                "right": 130,
                "top": 12,
                "bottom": 12,
                "nodeWidth": 14,
                "layoutIterations": 0,  # rows and tickets stay in their order
                "draggable": False,
                "selectedMode": "single",
                "label": label,
                "lineStyle": {"color": "target", "opacity": 0.35},
                "select": {"lineStyle": {"opacity": 0.75}, "itemStyle": {"borderColor": tone.text, "borderWidth": 2}},
                "data": nodes,
                "links": [{"source": i, "target": len(rows) + k, "value": int(counts[i, k])} for i, k in links],
            }
        ],
    }


def _node(name: str, shown: str, colour: str, depth: int) -> dict[str, Any]:
    side = "left" if depth == 0 else "right"
    return {
        "name": name,
        "depth": depth,
        "itemStyle": {"color": colour},
        "label": {"position": side, "formatter": shown.replace("{", "(").replace("}", ")")},
    }


def _take(rows: tuple[str, ...], tickets: tuple[str, ...], links: list[tuple[int, int]], key: str) -> None:
    picked = st.session_state["routing-flow"]["selection"]["selected"]
    if not picked or not picked[0]["data_indices"]:
        return
    at = picked[0]["data_indices"][0]
    if picked[0]["data_type"] == "edge" and at < len(links):
        i, k = links[at]
        samples.choose(key, rows[i], tickets[k])
    elif picked[0]["data_type"] == "node" and at < len(rows):
        samples.choose(key, rows[at], samples.ANY)
