"""The one row of controls above the matrix. What is chosen lives in widgets bound to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import panels, terms
from app.routing.view import View
from app.segmented import one_of
from rtl_core.display_names import router_words

if TYPE_CHECKING:
    from rtl_core.runs.routing import Routing

_SLOW = "{} (slow)"


def router(routing: Routing) -> str:
    """Who chooses the ticket; the learned gate at first."""
    from rtl_core.runs.routing import SLOW

    labels = {}
    for name in routing.routers:
        title = router_words(name)[0]
        labels[_SLOW.format(title) if name in SLOW else title] = name
    if st.session_state.get("router") not in labels:
        st.session_state.pop("router", None)  # another run's, or another page's
    label = st.selectbox(
        "Ticket chosen by",
        list(labels),
        list(labels.values()).index("gate"),
        key="router",
        bind="query-params",
        width=250,
        help=panels.term("router"),
    )
    return labels[label]


def budget(view: View) -> View:
    """The same view under the budget that is chosen here; nothing is asked where there are no lighter tickets."""
    if not view.has_lighter:
        return view
    cost = view.routing.offered.cost("macs")
    least = int(np.ceil(100 * cost.min() / cost[:, 0].min()))  # enough for any router
    low_power = st.session_state.get("low", False)
    percent = st.slider(
        "Budget, % of the tickets' own cost",
        least,
        100,
        100,
        key="budget",
        bind="query-params",
        disabled=low_power,
        width=330,
        help=panels.term("budget"),
    )
    low_power = st.toggle(
        "Low power",
        key="low",
        bind="query-params",
        help="The budget that the lightest level of every ticket costs: "
        f"{terms.percent(view.lightest_share, 0)} with this router.",
    )
    if low_power:
        return View(view.routing, view.router, view.lightest_share)
    return view if percent == 100 else View(view.routing, view.router, percent / 100)


def by_class(view: View) -> bool:
    """Whether the matrix has a row per class; False: a row per subset. Nothing is asked where these are the same."""
    if view.dataset.classes == view.eval_set.names:
        return True
    rows = one_of(
        "Rows",
        ("Own ticket", "Class"),
        key="rows",
        help="Own ticket: the one that was trained for the input's subset.",
    )
    return rows == "Class"
