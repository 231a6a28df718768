"""The one row of controls above the matrix. What is chosen lives in widgets bound to the address."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from app import panels, terms
from app.headlines import short
from app.markdown import plain
from app.segmented import one_of
from rtl_core.overlap.overlap import depth_groups
from rtl_core.tickets.ticket_set import Level, TicketSet

WHOLE = "whole network"
_ORDERS = ("as trained", "by similarity")
_SECONDS = 1.0  # that a density is shown for while playing


@dataclass(frozen=True)
class Measure:
    """One way to say how much two tickets share.

    field      of Similarity
    centred    0 is chance and both directions count; otherwise the values run from 0 to 1
    low, high  what the ends of the colour scale are called
    """

    label: str
    field: str
    centred: bool
    low: str
    high: str
    reading: str


MEASURES = (
    Measure(
        "against chance",
        "excess",
        True,
        "less",
        "more",
        "0 is chance: independent masks of the same layer densities. 1 is identical.",
    ),
    Measure("overlap", "iou", False, "disjoint", "identical", "IoU: shared by both, of all that either keeps."),
    Measure(
        "containment",
        "coefficient",
        False,
        "disjoint",
        "nested",
        "Overlap coefficient: shared by both, of all that the smaller ticket keeps; 1 where one lies within the other.",
    ),
    Measure("Hamming", "hamming", False, "identical", "different", "The share of weights on which two masks disagree."),
)


def density(tickets: TicketSet) -> Level:
    """The density to look at, over the levels that the masks are known at, and a button that steps through them."""
    by_label = {
        terms.density(one_level.density): one_level
        for one_level in sorted(tickets.levels, key=lambda level: -level.density)
    }
    if len(by_label) == 1:
        return tickets.target
    labels, state = list(by_label), st.session_state
    following = state.pop("next_rung", None)
    if following in labels:  # a widget's value can be set only before the widget is drawn
        state["rung"] = following
    resting = (terms.density(tickets.target.density), labels[-1])
    playing = state.get("playing", False)
    st.button(
        "❚❚ Pause" if playing else "▶ Play",
        key="play",
        on_click=_pause if playing else lambda: _play(labels, resting),
        help="Steps through all densities, from the densest to the lightest.",
        width=95,
    )
    label = st.select_slider(
        "Density",
        labels,
        resting[0],
        format_func=plain,
        key="rung",
        bind="query-params",
        help=panels.term("density")
        + " Denser levels replay how the masks came about; lighter ones are nested in them.",
    )
    if playing:
        _step(labels, label)
    return by_label[label]


def _play(labels: list[str], resting: tuple[str, ...]) -> None:
    """Goes on where the slider was left, or from the densest on where it rests."""
    state = st.session_state
    state["playing"] = True
    if state["rung"] in resting:
        state["rung"] = labels[0]
    state["shown_since"] = time.monotonic()


def _pause() -> None:
    st.session_state["playing"] = False


@st.fragment(run_every=_SECONDS)
def _step(labels: list[str], label: str) -> None:
    """Once a second, while playing: the whole page again at the next density."""
    state = st.session_state
    if time.monotonic() - state["shown_since"] < 0.8 * _SECONDS:
        return  # drawn with the page, not by the clock
    following = labels.index(label) + 1
    if following < len(labels):
        state["next_rung"], state["shown_since"] = labels[following], time.monotonic()
    else:
        state["playing"] = False
    st.rerun()


def where(tickets: TicketSet) -> tuple[tuple[str, ...] | None, str]:
    """The layers to look at (None: all) and how sentences call them."""
    layers = tickets.layout.names
    stages = {
        f"{stage} ({len(names)} layers)": names for stage, names in depth_groups(layers).items() if len(names) > 1
    }
    choices = {WHOLE: None, **stages, **{short(name): (name,) for name in layers}}
    label = st.selectbox("Where", list(choices), key="layer", bind="query-params", width=190)
    return choices[label], "" if label == WHOLE else f" in {label}"


def measure() -> Measure:
    by_label = {measure.label: measure for measure in MEASURES}
    label = st.selectbox(
        "Measure",
        list(by_label),
        key="show",
        bind="query-params",
        width=170,
        help="\n".join(f"- **{plain(measure.label)}**: {plain(measure.reading)}" for measure in MEASURES),
    )
    return by_label[label]


def by_similarity() -> bool:
    """Whether tickets stand in the order of their tree."""
    with st.popover("More", width=85):
        order = one_of(
            "Order of the tickets",
            _ORDERS,
            key="order",
            help="By similarity: tickets that share most stand side by side (the order of the tree's leaves at the "
            "tickets' own density, so that it stays while you play).",
        )
    return order == _ORDERS[1]
