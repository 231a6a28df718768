"""Measurements that train a run again: a button that says the cost, then the work under a bar that Stop interrupts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import cache, demonstration, panels, terms
from app.markdown import plain
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.events import Event, Report
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.retrain import Cost

GETTING_READY = "Getting ready: the common start is trained again"
Shown = tuple[float, str]  # a share of the work, and what the bar says


@dataclass(frozen=True)
class Offer:
    """One such measurement.

    name      of the button and of what the session remembers
    label     on the button, before the time; about: what is trained, and what is kept
    cost      gradient steps and seconds; may raise BadInput
    work      does it, and keeps what it has measured; may raise BadInput
    progress  an event of the work -> what the bar shows; None for other events
    """

    name: str
    label: str
    about: str
    cost: Callable[[], Cost]
    work: Callable[[Report], Any]
    progress: Callable[[Event], Shown | None]


def offer(run: Run, measurement: Offer) -> None:
    """The button with its cost, or the reason why there is none; once pressed the work, and then the page once more."""
    name = measurement.name
    key, mine, place = f"{name}_requested", (str(run.folder), cache.changed(run.folder)), st.empty()
    if st.session_state.get(key) != mine:
        with place.container():
            _button(measurement, lambda: st.session_state.update({key: mine}))
        return
    bar = panels.stoppable_bar(place, GETTING_READY, name, key)
    try:
        measurement.work(lambda event: _show_progress(bar, measurement, event))
    except BadInput as error:
        st.session_state.pop(key)
        place.warning(plain(f"{error}."))
        return
    st.session_state.pop(key)
    st.rerun()  # with what was measured


def _button(measurement: Offer, on_click: Callable[[], None]) -> None:
    try:
        cost = measurement.cost()
    except BadInput as error:
        st.info(plain(terms.sentence(str(error))))
        return
    demonstration.costly_button(
        f"{measurement.label}: about {terms.duration(max(cost.seconds, 1))}",
        measurement.name,
        on_click,
        type="primary",
        help=plain(f"{measurement.about} {terms.count(cost.steps)} gradient steps."),
    )


def _show_progress(bar: Any, measurement: Offer, event: Event) -> None:
    """How far the common start is, then the work itself; a redrawn bar lets Stop through."""
    if event.phase == "warm_start" and event.steps:
        bar.progress(min(1.0, event.step / event.steps), GETTING_READY)
    elif (shown := measurement.progress(event)) is not None:
        share, text = shown
        bar.progress(min(1.0, share), plain(text))
