"""Training inside a lesson: what it costs, the start, the curves while it runs, and then the finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, demonstration, run_progress, session, terms, training_cost
from app.lessons import frame
from app.markdown import plain
from rtl_core.config import Config, DataSettings
from rtl_core.display_names import METHODS, method_words
from rtl_core.errors import BadInput
from rtl_core.read_only import is_public
from rtl_core.runs import queue, store
from rtl_core.runs.status import ACTIVE, effective_status

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


def training(
    key: str,
    config: Config,
    label: str = "Train",
    budget_seconds: float | None = None,
    instead: Callable[[], None] = lambda: None,
) -> Run | None:
    """The finished run of a config; None until there is one, and then the page shows what leads to it.

    Whoever asks for the same config gets the same run, so a link whose address makes the config ends where it was.

    key             of the lesson; its widgets' keys begin with it
    label           of the start button
    budget_seconds  what the lesson has time for; a training that is longer by estimate says so before its start
    instead         draws what can be told where nothing is trained
    """
    if is_public():
        st.info(demonstration.NOT_TRAINED)
        instead()
        return None
    refused = st.session_state.pop(f"{key}-refused", None)
    if refused:
        st.error(plain(refused))
    try:
        folder = _folder(config)
        if not _holds_anything(folder):
            _before(key, config, label, budget_seconds)
            return None
    except BadInput as error:
        st.error(plain(f"This cannot be trained: {error}"))
        return None
    try:
        if store.read_config(folder) != config:
            raise BadInput(f"{store.CONFIG_FILE} in {folder} was changed after the start")
    except BadInput as error:
        unreadable(key, folder, config, error)
        return None
    if store.run_state(folder) != "done":
        _under_way(key, folder, config)
        return None
    try:
        return cache.load_run(folder)
    except BadInput as error:
        unreadable(key, folder, config, error)
        return None


def unreadable(key: str, folder: Path, config: Config, error: BadInput) -> None:
    """What is wrong with the run of a config, and the button that trains it anew in its place."""
    st.error(plain(f"The run cannot be read: {error}. Start over, or put its files back."))
    _over_again(key, folder, config)


def curves(metrics: Sequence[dict[str, Any]], tickets: Sequence[str]) -> go.Figure:
    """Training loss over steps in the phase that goes on: a line per ticket of RTL while masks are being found, a
    line per method after that, each named at its end. No losses, no lines.

    metrics  lines of `metrics.jsonl`
    tickets  their names in the order of the partition, which gives them their colours
    """
    points = _points(pd.DataFrame(metrics))
    order = tickets if points.line.isin(tickets).any() else METHODS
    names = list(dict.fromkeys([*order, *points.line]))
    palette = dict(zip(names, colours.of_tickets(len(names)), strict=True))
    figure = go.Figure()
    ends = points.groupby("line", sort=False).last()
    heights = _apart(ends.loss, 0.09 * points.loss.max())
    for name, (step, height) in zip(ends.index, zip(ends.step, heights, strict=True), strict=True):
        own = points[points.line == name]
        title = method_words(name)[0]
        figure.add_scatter(x=own.step, y=own.loss, name=title, mode="lines", line={"color": palette[name], "width": 2})
        figure.add_annotation(
            x=step, y=height, text=title, xanchor="left", showarrow=False, font={"color": palette[name]}
        )
    if len(points):
        figure.update_xaxes(range=[0, 1.45 * points.end.max()])  # room for names at the right
    figure.update_xaxes(title="step")
    figure.update_yaxes(title="loss: how wrong the answers are", rangemode="tozero")
    return figure.update_layout(showlegend=False)


def _points(losses: pd.DataFrame) -> pd.DataFrame:
    """(line, step, loss, end) of the last phase in which a loss was written; rounds stand one after another, and
    `end` is where the round ends."""
    if "loss" not in losses:
        return pd.DataFrame({"line": [], "step": [], "loss": [], "end": []})
    losses = losses.dropna(subset=["loss"])
    losses = losses[losses.phase == losses.phase.iloc[-1]]
    before = (losses["round"].fillna(1) - 1) * losses.steps
    line = losses.ticket.where(losses.method == "rtl").fillna(losses.method)
    placed = losses.assign(line=line, step=before + losses.step, end=before + losses.steps)
    return placed.groupby(["line", "step"], sort=False, as_index=False).agg(loss=("loss", "mean"), end=("end", "max"))


def _apart(values: pd.Series, gap: float) -> list[float]:
    """The values, moved up as far as needed to lie at least a gap apart."""
    moved, last = {}, -gap
    for name, value in values.sort_values().items():
        moved[name] = last = max(value, last + gap)
    return [moved[name] for name in values.index]


def _folder(config: Config) -> Path:
    """Where the run of a config is, or would be."""
    name = store.run_name(config, _fingerprint(config.data, config.seed))
    return session.runs_root() / name


@st.cache_data(max_entries=512, show_spinner="Reading the data")
def _fingerprint(settings: DataSettings, seed: int) -> str:
    return cache.dataset(settings, seed).fingerprint


def _holds_anything(folder: Path) -> bool:
    """Whether a run was started here; one that is being created has no more than a hidden draft."""
    return folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir())


def _before(key: str, config: Config, label: str, budget: float | None) -> None:
    """Steps and seconds, then the button."""
    cost = training_cost.estimate(config.model_copy(update={"seed": 0}).model_dump_json())  # as long with any seed
    ahead = len(queue.waiting(session.runs_root()))
    st.caption(
        plain(
            f"{terms.count(cost.steps)} training steps, about {terms.duration(cost.seconds)} on this machine by "
            f"a short trial{f', after {ahead} that wait already' if ahead else ''}. It can be stopped and go on later."
        )
    )
    if budget is not None and cost.seconds > budget:
        st.warning(
            f"That is longer than the {terms.duration(budget)} this lesson was made for: this machine is slow, or busy."
        )
    st.button(plain(label), key=f"{key}-start", type="primary", on_click=_start, args=(key, config))


def _under_way(key: str, folder: Path, config: Config) -> None:
    """The run as it stands, once a second while it is active."""
    status = effective_status(folder)
    active = status is not None and status.state in ACTIVE
    tickets = run_progress.ticket_names(folder)

    @st.fragment(run_every=run_progress.POLL_SECONDS if active else None)
    def poll() -> None:
        now = effective_status(folder)
        if active and (now is None or now.state not in ACTIVE):
            st.rerun()  # the whole lesson once more: it goes on, or offers to resume
        run_progress.bar(folder, now)
        figure = curves(store.read_metrics(folder), tickets)
        if figure.data:
            frame.plot(figure, f"{key}-curves", 300)
        if active:
            stopping = store.stop_requested(folder)
            st.button("Stop", key=f"{key}-stop", on_click=_stop, args=(key, folder), disabled=stopping)

    poll()
    if not active:
        with st.container(horizontal=True):
            st.button("Go on", key=f"{key}-resume", type="primary", on_click=_resume, args=(key, folder))
            _over_again(key, folder, config)


def _over_again(key: str, folder: Path, config: Config) -> None:
    st.button("Start over", key=f"{key}-again", on_click=_start, args=(key, config, folder))


def _start(key: str, config: Config, instead_of: Path | None = None) -> None:
    from rtl_core.runs import worker

    try:
        if instead_of is not None:
            store.delete_run(instead_of, session.runs_root())
        worker.start(config, session.runs_root())
    except BadInput as error:
        st.session_state[f"{key}-refused"] = f"This cannot start: {error}"


def _resume(key: str, folder: Path) -> None:
    from rtl_core.runs import worker

    try:
        worker.resume(folder)
    except BadInput as error:
        st.session_state[f"{key}-refused"] = f"This cannot go on: {error}"


def _stop(key: str, folder: Path) -> None:
    from rtl_core.runs import worker

    try:
        worker.stop(folder)
    except BadInput as error:
        st.session_state[f"{key}-refused"] = f"This cannot be stopped: {error}"
