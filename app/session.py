"""Which run and which ticket are looked at: owned by the entry file and the address, read by every page."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from app.markdown import plain
from rtl_core.errors import BadInput
from rtl_core.read_only import is_public
from rtl_core.runs import store
from rtl_core.runs.store import RunSummary

FIRST_SAMPLE = "domains"  # what the app opens on
_NEXT = "run_chosen_by_the_last_rerun"


def runs_root() -> Path:
    """Where runs are kept: RTL_RUNS, or `runs/` of the project; in public the samples' folder, where nobody writes."""
    if is_public():
        return store.samples_root()
    named = os.environ.get("RTL_RUNS")
    return Path(named).expanduser().resolve() if named else store.project_runs()


def sample_summaries() -> dict[str, RunSummary]:
    """The samples by name, the one to open on first."""
    folders = store.samples()
    names = sorted(folders, key=lambda name: (name != FIRST_SAMPLE, name))
    return {name: store.summary(folders[name]) for name in names}


def entries() -> dict[str, RunSummary]:
    """Samples, then the user's runs, newest first, by the name that stands in the address."""
    return sample_summaries() | {run.name: run for run in store.list_runs(runs_root())}


def run_picker() -> None:
    """The select box in the sidebar, bound to `?run=`. A name in the address that is no run is said, not dropped."""
    runs = entries()
    wanted = st.query_params.get("run")
    if wanted and wanted not in runs:
        st.session_state["run_not_there"] = wanted
    if not runs:
        return
    if _NEXT in st.session_state:
        st.session_state["run"] = st.session_state.pop(_NEXT)
    if st.session_state.get("run") not in runs:
        st.session_state.pop("run", None)  # deleted meanwhile
    samples = store.samples()
    st.sidebar.selectbox(
        "Run",
        list(runs),
        key="run",
        bind="query-params",
        help="Samples come with RTL Lab" + ("." if is_public() else "; your own runs follow, newest first."),
    )
    chosen = runs[st.session_state["run"]]
    kind = "Sample" if chosen.name in samples and chosen.folder == samples[chosen.name] else "Your run"
    st.sidebar.caption(plain(f"{kind} · {chosen.data or 'settings unreadable'}"))


def current() -> RunSummary | None:
    """The chosen run's line, or None where there is none at all."""
    name = st.session_state.get("run")
    if name is None:
        return None
    try:
        return store.summary(store.named_run(name, runs_root()))
    except BadInput:
        return None


def choose(name: str) -> None:
    """For callbacks: the run that every page shows from now on."""
    st.session_state["run"] = name


def choose_and_rerun(name: str) -> None:
    """The same outside callbacks, where the run picker has been drawn already."""
    st.session_state[_NEXT] = name
    st.rerun()


def chosen_ticket(names: tuple[str, ...]) -> int | None:
    """The index of the ticket whose chip is pressed, or None."""
    name = st.session_state.get("ticket")
    return names.index(name) if name in names else None
