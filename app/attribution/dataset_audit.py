"""The audit over many inputs: made once behind a button, kept with the run, and opened again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from app import demonstration, nav, panels, session, terms
from app.attribution import dataset_audit_charts
from app.attribution.view import View
from app.markdown import plain
from rtl_core.errors import BadInput
from rtl_core.read_only import is_public

if TYPE_CHECKING:
    from rtl_core.events import Event
    from rtl_core.runs.dataset_audit import DatasetAudit

Made = tuple["DatasetAudit", np.ndarray]  # an audit and its mean maps

ALL = "all test rows"
_PROBE = 4  # inputs that the time is estimated from
_SAMPLE = "domains"


def of_masks() -> None:
    """What would be here, for a run that has masks only."""
    st.title("These masks have nothing to look at inputs with", anchor=False)
    st.write(
        "The run has masks only: a map shows which parts of an input an answer rests on, and without weights there is "
        "no answer. Train tickets, or look at a sample."
    )
    st.page_link(
        nav.ATTRIBUTION, label="See what the tickets of the domains sample look at", query_params={"run": _SAMPLE}
    )
    st.page_link(nav.TRAIN, label="Train tickets on your own data")
    st.stop()


def draw(view: View) -> None:
    rows, about = _choose(view)
    if len(rows) == 0:
        raise BadInput("No test row is both of this subset and of this class; choose another.")
    saved = _saved(view)
    wanted = _question(view, about, len(rows))
    made = next((place for place, audit in saved if {name: getattr(audit, name) for name in wanted} == wanted), None)
    if made is None:
        made = _make(view, rows, about)
    if made is None:
        _others(saved)
        return
    audit, evidence = _read(made) if isinstance(made, Path) else made
    dataset_audit_charts.draw(view, audit, evidence)
    dataset_audit_charts.how(audit, made.name if isinstance(made, Path) else None)


def _choose(view: View) -> tuple[np.ndarray, dict[str, Any]]:
    """Which test rows, evenly spaced, and how the audit calls them."""
    dataset = view.dataset
    with st.container(horizontal=True, vertical_alignment="bottom"):
        class_ = ALL
        if dataset.labels is not None:
            class_ = st.selectbox("Class", [ALL, *dataset.classes], key="many-class", bind="query-params", width=180)
        subsets = [ALL, *view.run.tickets.names]
        subset = ALL
        if view.explained.partition.by != "class":
            subset = st.selectbox("Subset", subsets, key="many-subset", bind="query-params", width=180)
        most = st.select_slider(
            "Inputs, at most", (32, 64, 128, 256, 512), 64, key="many", bind="query-params", width=260
        )
    class_, subset = (None if chosen == ALL else chosen for chosen in (class_, subset))
    rows = view.explained.rows(subset, class_)
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return rows, {"class": class_, "subset": subset, "tickets": list(view.tickets)}


def _question(view: View, about: dict[str, Any], n: int) -> dict[str, Any]:
    """By which fields of an audit it is known that it answers what is asked here."""
    request = view.request
    return {
        "method": request.method,
        "parameters": view.question.parameters.model_dump(),
        "baseline": request.baseline,
        "target": request.target or "predicted",
        "seed": request.seed,
        "of": about,
        "n": n,
    }


def _saved(view: View) -> list[tuple[Path, DatasetAudit]]:
    from rtl_core.runs.attribution import saved_audits

    return saved_audits(view.run, session.runs_root())


def _make(view: View, rows: np.ndarray, about: dict[str, Any]) -> Path | Made | None:
    """A button with an estimate; once pressed the audit, under a bar that Stop or any click interrupts.

    -> where it was saved, or the audit itself where it could not be; None while it is not asked for.
    """
    from rtl_core.runs.attribution import audit_many, save_audit
    from rtl_core.runs.store import audits_folder

    key = (*view.key[:2], view.request, view.tickets, tuple(rows))
    if st.session_state.get("many_kept_here", (None,))[0] == key:
        return st.session_state["many_kept_here"][1]
    if st.session_state.get("many_requested") != key:
        demonstration.costly_button(
            f"Audit {len(view.tickets)} tickets over {len(rows)} inputs{_about(key[:-1], view, len(rows))}",
            "audit-many",
            lambda: st.session_state.update(many_requested=key),
            type="primary",
            help="Deletion and insertion against random orders, where the maps lie, and how tickets agree.",
        )
        return None
    place = st.empty()
    bar = panels.stoppable_bar(place, "Explaining", "many", "many_requested")

    def show(event: Event) -> None:
        bar.progress(event.step / event.steps, plain(f"{event.step} of {event.steps} inputs"))

    made = audit_many(view.explained, view.tickets, rows, view.request, about, show)
    place.empty()
    try:
        return save_audit(audits_folder(view.run.folder, session.runs_root()), made[0], {"evidence": made[1]})
    except BadInput as error:
        st.warning(plain(f"{error}. It is shown here, and gone when you leave."))
        st.session_state["many_kept_here"] = (key, made)
        return made


def _about(key: tuple[Any, ...], view: View, n: int) -> str:
    """How long it takes; nothing where it is switched off, since it takes a trial to know."""
    if is_public():
        return ""
    return f": about {terms.duration(max(_seconds_an_input(key, view) * n, 1))}"


@st.cache_data(max_entries=64, show_spinner="Estimating the time")
def _seconds_an_input(key: tuple[Any, ...], _view: View) -> float:
    """Of an audit of all tickets, measured on a few inputs."""
    from rtl_core.runs.attribution import audit_many

    rows = _view.explained.rows()[:_PROBE]
    audit, _ = audit_many(_view.explained, _view.tickets[:1], rows, _view.request, {})
    at_once = min(os.cpu_count() or 1, len(_view.tickets))
    return audit.seconds / len(rows) * len(_view.tickets) / at_once


def _read(file: Path) -> Made:
    return _load(str(file), file.stat().st_mtime_ns)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load(file: str, changed: int) -> Made:
    from rtl_core.runs.attribution import load_arrays, read_audit

    return read_audit(Path(file)), load_arrays(Path(file))["evidence"]


def _others(saved: list[tuple[Path, DatasetAudit]]) -> None:
    if saved:
        st.caption("Audits that are kept, and open again when you choose the same:")
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "method": audit.method,
                        "baseline": audit.baseline,
                        "class": audit.of.get("class") or "all",
                        "subset": audit.of.get("subset") or "all",
                        "inputs": audit.n,
                        "seed": audit.seed,
                    }
                    for _, audit in saved
                ]
            ),
            hide_index=True,
        )
