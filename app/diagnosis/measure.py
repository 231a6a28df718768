"""Long measurements that the page offers: retraining every level, and training the last safe masks together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import cache, retraining, session, terms
from app.diagnosis.view import View
from app.retraining import Offer, Shown
from rtl_core.runs import retrain

if TYPE_CHECKING:
    from rtl_core.events import Event
    from rtl_core.runs.checkpoint import Run


def probe(view: View) -> None:
    """The button that retrains the levels, with its cost; once pressed, the work itself."""
    retraining.offer(
        view.run,
        Offer(
            "probe",
            "Retrain every level and watch for the alarm",
            "Every level's masks are trained from theta_0, each ticket alone, and asked on validation inputs. The run "
            "itself stays as it is; what was heard is kept in its audits.",
            lambda: _cost(view.run, "probe"),
            lambda on_event: retrain.probe(view.run, session.runs_root(), on_event),
            _masks_retrained,
        ),
    )


def relax(view: View, density: float) -> None:
    """The button that trains the masks of a denser level together, with its cost; once pressed, the work itself."""
    retraining.offer(
        view.run,
        Offer(
            "relax",
            f"Train the masks of {terms.density(density)} density together",
            "They are rewound to theta_0 and trained jointly for as many steps as the run's own tickets were. The run "
            "itself stays as it is; the figures are kept in its audits.",
            lambda: _cost(view.run, "relax"),
            lambda on_event: retrain.relax(view.run, density, session.runs_root(), on_event),
            _steps_together,
        ),
    )


def _masks_retrained(event: Event) -> Shown | None:
    if event.phase != "probe":
        return None
    return event.step / event.steps, f"{event.step} of {event.steps} masks retrained"


def _steps_together(event: Event) -> Shown | None:
    if event.phase != "joint" or not event.steps:
        return None
    return event.step / event.steps, f"{event.step} of {event.steps} steps"


@cache.of_run(kind=st.cache_data, max_entries=64, show_spinner="Estimating the time")
def _cost(run: Run, name: str) -> retrain.Cost:
    return retrain.cost(run) if name == "probe" else retrain.relax_cost(run)
