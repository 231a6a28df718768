"""Long measurements that the page offers: retraining every level, and training the last safe masks together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import cache, demonstration, panels, session, terms
from app.diagnosis.view import View
from app.markdown import plain
from rtl_core.errors import BadInput
from rtl_core.runs import retrain

if TYPE_CHECKING:
    from rtl_core.events import Event, Report
    from rtl_core.runs.checkpoint import Run

GETTING_READY = "Getting ready: the common start is trained again"


def probe(view: View) -> None:
    """The button that retrains the levels, with its cost; once pressed, the work itself."""
    _offer(
        view,
        "probe",
        "Retrain every level and watch for the alarm",
        "Every level's masks are trained from theta_0, each ticket alone, and asked on validation inputs. The run "
        "itself stays as it is; what was heard is kept in its audits.",
        lambda on_event: retrain.probe(view.run, session.runs_root(), on_event),
    )


def relax(view: View, density: float) -> None:
    """The button that trains the masks of a denser level together, with its cost; once pressed, the work itself."""
    _offer(
        view,
        "relax",
        f"Train the masks of {terms.density(density)} density together",
        "They are rewound to theta_0 and trained jointly for as many steps as the run's own tickets were. The run "
        "itself stays as it is; the figures are kept in its audits.",
        lambda on_event: retrain.relax(view.run, density, session.runs_root(), on_event),
    )


def _offer(view: View, name: str, label: str, about: str, work: Callable[[Report], Any]) -> None:
    """A button with its cost; once pressed the work, under a bar that Stop or any click interrupts."""
    key, mine, place = f"{name}_requested", (str(view.run.folder), cache.changed(view.run.folder)), st.empty()
    if st.session_state.get(key) != mine:
        cost = _cost(view.run, name)
        with place.container():
            demonstration.costly_button(
                f"{label}: about {terms.duration(max(cost.seconds, 1))}",
                name,
                lambda: st.session_state.update({key: mine}),
                type="primary",
                help=plain(f"{about} {terms.count(cost.steps)} gradient steps."),
            )
        return
    bar = panels.stoppable_bar(place, GETTING_READY, name, key)
    try:
        work(lambda event: _show_progress(bar, name, event))
    except BadInput as error:
        st.session_state.pop(key)
        place.warning(plain(f"{error}."))
        return
    st.session_state.pop(key)
    st.rerun()  # the page once more, with what was found


def _show_progress(bar: Any, name: str, event: Event) -> None:
    """How far the common start is, then masks while levels are retrained or steps while tickets train together; a
    redrawn bar lets Stop through."""
    if event.phase == "warm_start" and event.steps:
        bar.progress(min(1.0, event.step / event.steps), GETTING_READY)
    elif name == "probe" and event.phase == "probe":
        bar.progress(event.step / event.steps, plain(f"{event.step} of {event.steps} masks retrained"))
    elif name == "relax" and event.phase == "joint" and event.steps:
        bar.progress(min(1.0, event.step / event.steps), plain(f"{event.step} of {event.steps} steps"))


@cache.of_run(kind=st.cache_data, max_entries=64, show_spinner="Estimating the time")
def _cost(run: Run, name: str) -> retrain.Cost:
    return retrain.cost(run) if name == "probe" else retrain.relax_cost(run)
