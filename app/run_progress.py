"""A run's progress, polled from its folder while its process lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import cache, charts, terms
from app.markdown import plain
from rtl_core.display_names import method_words
from rtl_core.errors import BadInput
from rtl_core.runs import queue, store
from rtl_core.runs.status import ACTIVE, Status, effective_status

POLL_SECONDS = 1.0
_PHASES = {
    "warm_start": "Warm start: a few steps with all weights on all data",
    "extract": "Finding each ticket's mask (Algorithm 1)",
    "joint": "Training the shared weights with the masks fixed (Algorithm 2)",
    "recalibrate": "Measuring each ticket's norm statistics anew",
    "evaluate": "Evaluating on the test data",
}


def progress(folder: Path) -> None:
    """Where the run stands. Polls once a second while it is active, and not at all afterwards."""
    status = effective_status(folder)
    live = status is not None and status.state in ACTIVE
    names = ticket_names(folder)

    @st.fragment(run_every=POLL_SECONDS if live else None)
    def poll() -> None:
        now = effective_status(folder)
        if live and (now is None or now.state not in ACTIVE):
            st.rerun()  # the whole page once more: buttons change, and polling ends
        bar(folder, now)
        _curves(store.read_metrics(folder), names)

    poll()


def bar(folder: Path, status: Status | None) -> None:
    """What a run is doing, and how far it is; its place in the queue while it waits for its turn."""
    if status is None:
        st.info("This run has left no word about its progress.")
        return
    place = queue.place(folder) if status.active and status.phase == queue.QUEUED else None
    if place is not None:
        turn = "its turn is next" if place == 1 else f"place {place} in the queue"
        st.markdown(f"**◔ Waiting** · {plain(turn)}; others train at the moment")
        return
    word, mark = terms.STATES[status.state]
    what = _PHASES.get(status.phase, status.phase.replace("_", " ").capitalize() or "Getting ready")
    method = method_words(status.method)[0]
    st.markdown(f"**{plain(f'{mark} {word.capitalize()}')}** · {plain(f'{what} · {method}' if method else what)}")
    if status.total:
        share = min(1.0, status.done / status.total)
        left = f" · about {terms.duration(status.eta_seconds)} left" if status.eta_seconds and status.active else ""
        st.progress(share, text=plain(f"{terms.count(status.done)} of {terms.count(status.total)} steps{left}"))
    if status.error:
        st.error(plain(status.error))


def ticket_names(folder: Path) -> tuple[str, ...]:
    """The tickets in the order of the partition, which gives them their colours; empty where it is not known yet."""
    try:
        config = store.read_config(folder)
        return tuple(cache.partition_sizes(config.data, config.partition, config.seed)[0].subset)
    except BadInput:
        return ()


def _curves(metrics: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    frame = pd.DataFrame(metrics)
    if frame.empty or "ticket" not in frame:
        st.caption("Curves appear with the first steps.")
        return
    frame = frame[(frame.get("method", "rtl") == "rtl") & frame.ticket.notna()]
    names = names or tuple(frame.ticket.unique())
    left, right = st.columns(2, gap="large")
    with left:
        _curve(frame, "loss", "step", "Training loss per ticket", ("step of the phase", "loss"), names)
    with right:
        _curve(frame, "accuracy", "density", "Accuracy on the way down", ("density", "validation accuracy"), names)


def _curve(frame: pd.DataFrame, y: str, x: str, title: str, axes: tuple[str, str], names: tuple[str, ...]) -> None:
    """One curve per ticket of the phase that is going on, where it has been measured."""
    if y not in frame or x not in frame:
        return
    points = frame.dropna(subset=[x, y])
    if points.empty:
        return
    points = points[points.phase == points.phase.iloc[-1]]
    st.subheader(plain(title), anchor=False)
    charts.show(charts.curves(points, x, y, axes, names), key=f"live-{y}")
