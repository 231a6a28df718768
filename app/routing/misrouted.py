"""Misrouted inputs: those that another ticket than their own answers, with the reason for one of them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import panels, terms
from app.attribution import heatmaps
from app.markdown import plain
from app.routing import choice_explained, findings
from app.routing.samples import MOST, frame
from app.routing.view import View
from app.segmented import one_of

_ORDERS = ("Surest first", "Least sure first", "As they come")


def draw(view: View) -> None:
    positions = np.flatnonzero(view.ticket != view.eval_set.subset)
    st.subheader(plain(findings.misrouted_title(view, positions)), anchor=False)
    if len(positions) == 0:
        return
    shown = _ordered(view, positions)[:MOST]
    table = frame(view, shown)
    if view.kind.picture:
        table.insert(0, "picture", [_picture(view, position) for position in shown])
    chosen = st.dataframe(
        table,
        hide_index=True,
        height=330,
        row_height=44 if view.kind.picture else None,
        column_config={"picture": st.column_config.ImageColumn(width="small")},
        on_select="rerun",
        selection_mode="single-row",
        key="misrouted",
    )
    first = f"The first {MOST} of {terms.count(len(positions))}. " if len(positions) > MOST else ""
    panels.reading(
        f"{first}Click the box beside a row to see why it went there; at first it is the topmost.",
        table.drop(columns="picture", errors="ignore"),
        "astray-rows",
    )
    picked = chosen["selection"]["rows"]
    at = picked[0] if picked and picked[0] < len(shown) else 0
    choice_explained.of_position(view, int(shown[at]), "misrouted")


def _ordered(view: View, positions: np.ndarray) -> np.ndarray:
    """In the chosen order; nothing is asked of routers that give no confidence."""
    confidence = view.routed.choice.confidence[positions]
    if np.isnan(confidence).all():
        return positions
    order = one_of(
        "Order",
        _ORDERS,
        key="astray-order",
        label_visibility="collapsed",
    )
    if order == _ORDERS[2]:
        return positions
    return positions[np.argsort(-confidence if order == _ORDERS[0] else confidence, kind="stable")]


def _picture(view: View, position: int) -> str:
    return heatmaps.address(view.kind.picture(view.dataset.x[view.eval_set.rows[position]]))
