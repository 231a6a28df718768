"""The parts of the Train page: the draft of a new run, the progress of the chosen one, the list of all."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from app import cache, demonstration, forms, nav, run_progress, session, suited, terms, training_cost, uploads
from app.markdown import plain
from rtl_core.config import Config, DataSettings, parse, preset, preset_names, preset_reason
from rtl_core.errors import BadInput
from rtl_core.runs import store
from rtl_core.runs.record import TrainingCost
from rtl_core.runs.status import ACTIVE

VIEWS = ("New run", "Progress", "All runs")
TABLE_FIELDS = ("data.target", "data.groups", "data.drop")
COMMON = (
    "data.spec",
    *TABLE_FIELDS,
    "partition.by",
    "partition.column",
    "partition.k",
    "model.name",
    "model.width",
    "task",
    "density",
    "extract.steps",
    "extract.score",
    "joint.steps",
    "seed",
    "controls",
    "preset",
    "mode",
)


def upload_root() -> Path:
    return session.runs_root() / "uploads"


def new_run() -> None:
    """Data, subsets, network, schedule; what it costs; start."""
    draft, version = _draft()
    form, summary = st.columns([6, 5], gap="large")
    with form:
        _presets()
        _data(draft, version)
        _subsets(draft, version)
        _network_and_schedule(draft, version)
    with summary:
        _summary(draft)


def _draft() -> tuple[forms.Draft, int]:
    if "draft" not in st.session_state:
        _start_from(next(iter(_preset_order())))
    return st.session_state["draft"], st.session_state["draft_version"]


def _preset_order() -> list[str]:
    return sorted(preset_names(), key=lambda name: (name != "demo", name))


def _start_from(name: str) -> None:
    st.session_state["draft"] = parse(preset(name)).model_dump(mode="json")
    st.session_state["draft_version"] = st.session_state.get("draft_version", 0) + 1


def _presets() -> None:
    names = _preset_order()
    chosen = st.session_state["draft"].get("preset")
    st.selectbox(
        "Start from",
        names,
        names.index(chosen) if chosen in names else 0,
        key="preset",
        on_change=lambda: _start_from(st.session_state["preset"]),
    )
    st.caption(plain(preset_reason(st.session_state["preset"])))


def _data(draft: forms.Draft, version: int) -> None:
    st.subheader("1 · Data", anchor=False)
    kept = {uploads.spec_of(folder): folder for folder in uploads.stored(upload_root()) if uploads.usable(folder)}
    specs = [*terms.BUNDLED, *kept]
    if draft["data"]["spec"] not in specs:
        specs.append(draft["data"]["spec"])
    labels = {spec: f"{title}: {what}" for spec, (title, what) in terms.BUNDLED.items()}
    labels |= {spec: f"Your upload {folder.name}" for spec, folder in kept.items()}
    before = draft["data"]["spec"]
    draft["data"]["spec"] = st.selectbox(
        "Data", specs, specs.index(before), key=f"spec-{version}", format_func=lambda s: labels.get(s, s)
    )
    if draft["data"]["spec"] != before:
        _settle(draft)
    with st.popover("Use your own data"):
        _upload(draft)
    if draft["data"]["spec"].startswith("csv:"):
        for path in TABLE_FIELDS:
            forms.draw(path, draft, version)


def _upload(draft: forms.Draft) -> None:
    st.write(
        "A zip with one folder of pictures per class or with pictures and their masks, a CSV table, or an npz with x "
        "and y. It stays on this machine."
    )
    file = demonstration.upload("Your data", ["zip", "csv", "npz"], label_visibility="collapsed")
    if file is None or st.session_state.get("stored_upload") == file.file_id:
        return
    try:
        spec = uploads.store(file.name, file.getvalue(), upload_root())
    except BadInput as error:
        st.error(plain(str(error)))
        return
    st.session_state["stored_upload"] = file.file_id
    draft["data"] = DataSettings(spec=spec).model_dump(mode="json")
    draft["partition"]["by"], draft["partition"]["column"] = "class", None
    draft["task"], draft["preset"] = "one_vs_rest", None
    draft["model"]["name"] = "mlp" if spec.startswith("csv:") else "convnet"
    _settle(draft)


def _settle(draft: forms.Draft) -> None:
    """Begins anew with the settings that go with the data and the task, where those of before do not."""
    with suppress(BadInput, ValidationError):  # the summary says what is wrong with the data
        suited.adapt(draft, cache.dataset(DataSettings.model_validate(draft["data"]), draft["seed"]))
    st.session_state["draft_version"] += 1
    st.rerun()


def _subsets(draft: forms.Draft, version: int) -> None:
    st.subheader("2 · Subsets: one ticket each", anchor=False)
    left, right = st.columns(2)
    with left:
        forms.draw("partition.by", draft, version)
    with right:
        if draft["partition"]["by"] in ("attribute", "quantiles"):
            _column(draft, version)
        if draft["partition"]["by"] in ("kmeans", "quantiles"):
            forms.draw("partition.k", draft, version)


def _column(draft: forms.Draft, version: int) -> None:
    """The attribute to split by, among those that the data have; where they cannot be read, the summary says why."""
    try:
        columns = list(cache.dataset(DataSettings.model_validate(draft["data"]), draft["seed"]).attributes.columns)
    except (BadInput, ValidationError):
        forms.draw("partition.column", draft, version)
        return
    if not columns:
        st.info("These data have no attributes to split by.")
        return
    now = draft["partition"]["column"]
    place = columns.index(now) if now in columns else 0
    key = f"column-{version}-{draft['data']['spec']}"
    draft["partition"]["column"] = st.selectbox("Column", columns, place, key=key)


def _network_and_schedule(draft: forms.Draft, version: int) -> None:
    st.subheader("3 · Network", anchor=False)
    _in_columns(("model.name", "model.width"), draft, version)
    st.subheader("4 · Schedule", anchor=False)
    _task(draft, version)
    _in_columns(("density", "extract.steps", "extract.score", "joint.steps", "seed"), draft, version)
    forms.draw("controls", draft, version)
    with st.expander("All other settings"):
        for title, paths in forms.remaining(set(COMMON)).items():
            st.markdown(f"**{plain(title)}**")
            _in_columns(tuple(paths), draft, version)


def _task(draft: forms.Draft, version: int) -> None:
    """What tickets are asked, among what the data can be asked; another task brings the network made for it."""
    before = draft["task"]
    try:
        fitting = suited.tasks(cache.dataset(DataSettings.model_validate(draft["data"]), draft["seed"]))
    except (BadInput, ValidationError):
        fitting = []
    forms.draw("task", draft, version, list(dict.fromkeys([*fitting, before])))
    if draft["task"] != before:
        _settle(draft)


def _in_columns(paths: tuple[str, ...], draft: forms.Draft, version: int) -> None:
    columns = st.columns(2)
    for i, path in enumerate(paths):
        with columns[i % 2]:
            forms.draw(path, draft, version)


def _summary(draft: forms.Draft) -> None:
    """The subsets with their sizes and the cost, before anything starts; the core's sentence where it refuses."""
    st.subheader("What this would train", anchor=False)
    try:
        config = parse(draft)
        _sizes(config)
        _reading_notes(config)
        cost = training_cost.estimate(config.model_dump_json())
    except BadInput as error:
        st.error(plain(f"This cannot start: {error}"))
        return
    st.html(_cost_tiles(cost))
    st.caption(
        "Time is an estimate for this machine, controls and evaluation included; it is measured once training runs."
    )
    demonstration.costly_button(
        "Start training",
        "start-training",
        lambda: _start(config),
        demonstration.NOT_TRAINED,
        type="primary",
        width="stretch",
    )


def _sizes(config: Config) -> None:
    if config.partition.by in ("kmeans", "hdbscan") and config.partition.features == "backbone":
        st.info("The sizes are known once the backbone is trained; empty or tiny subsets stop the run with a sentence.")
        return
    sizes, silhouette = cache.partition_sizes(config.data, config.partition, config.seed)
    st.dataframe(sizes, hide_index=True)
    silhouette_note = "" if silhouette is None else f" Silhouette {silhouette:.2f} (1: well apart, 0: touching)."
    st.caption(plain(f"{len(sizes)} subsets, one ticket each; rows per subset.{silhouette_note}"))


def _reading_notes(config: Config) -> None:
    """What is left out of the data, or read otherwise than it stands there."""
    notes = cache.dataset(config.data, config.seed).notes
    if notes:
        st.info(plain("How these data are read: " + " ".join(map(terms.sentence, notes))))


def _cost_tiles(cost: TrainingCost) -> str:
    facts = (
        ("prunable weights", terms.count(cost.n_prunable)),
        ("parameters", terms.count(cost.params_total)),
        ("MFLOPs per input", f"{cost.flops_executed / 1e6:.3g}"),
        ("training steps", terms.count(cost.steps)),
        ("estimated time", terms.duration(cost.seconds)),
    )
    tiles = (f'<div><div class="value">{value}</div><div class="small">{name}</div></div>' for name, value in facts)
    return f'<div class="lab-facts">{"".join(tiles)}</div>'


def _start(config: Config) -> None:
    from rtl_core.runs import worker

    try:
        folder = worker.start(config, session.runs_root())
    except BadInput as error:
        st.session_state["start_refused"] = str(error)
        return
    session.choose(folder.name)
    st.session_state["view"] = "Progress"


def progress() -> None:
    """The chosen run, live, with stop and resume."""
    summary = session.current()
    if summary is None or summary.name not in {run.name for run in store.list_runs(session.runs_root())}:
        st.info("The chosen run is a sample: it is finished. Start a run of your own to watch it here.")
        return
    st.subheader(plain(summary.title), anchor=False)
    run_progress.progress(summary.folder)
    _controls(summary)


def _controls(summary: store.RunSummary) -> None:
    from rtl_core.runs import worker

    if summary.state in ("starting", "running"):
        st.button("Stop and keep what is done", on_click=worker.stop, args=(summary.folder,))
    elif summary.state in ("stopped", "failed") and not summary.problem:
        st.button("Resume", type="primary", on_click=_resume, args=(summary.folder,))
    elif summary.state == "done":
        here = {"run": summary.name}
        st.page_link(nav.OVERVIEW, label="See what it reaches", query_params=here)
        st.page_link(nav.MASKS, label="See what its tickets share", query_params=here)


def _resume(folder: Path) -> None:
    from rtl_core.runs import worker

    try:
        worker.resume(folder)
    except BadInput as error:
        st.session_state["start_refused"] = str(error)


def all_runs() -> None:
    """Every run with its disk use; rename, note, delete. Uploads can be deleted here too."""
    runs = store.list_runs(session.runs_root())
    if not runs:
        st.info("No run of your own yet. “New run” starts one; the samples are in the sidebar.")
    else:
        st.dataframe(_runs_table(runs), hide_index=True)
        _edit({run.name: run for run in runs})
    _stored_uploads()


def _runs_table(runs: list[store.RunSummary]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "run": run.title,
                "state": terms.STATES[run.state][0],
                "data": run.data,
                "density": "" if run.density is None else terms.density(run.density),
                "made": datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M"),
                "on disk": terms.size(run.bytes),
                "note": run.problem or run.note,
            }
            for run in runs
        ]
    )


def _edit(runs: dict[str, store.RunSummary]) -> None:
    st.subheader("Change a run", anchor=False)
    chosen = st.session_state.get("run")
    names = list(runs)
    run = runs[st.selectbox("Run to change", names, names.index(chosen) if chosen in names else 0)]
    left, right = st.columns(2)
    left.text_input("Title", run.title, max_chars=200, key=f"title-{run.name}")
    right.text_input("Note", run.note, max_chars=2_000, key=f"note-{run.name}")
    save, delete, _ = st.columns([1, 1, 3])
    save.button("Save", on_click=_save, args=(run,), width="stretch")
    with delete.popover("Delete", width="stretch"):
        st.write(plain(f"Delete “{run.title}” and its {terms.size(run.bytes)} for good?"))
        st.button("Delete for good", type="primary", on_click=_delete, args=(run,), disabled=run.state in ACTIVE)
    refused = st.session_state.pop("edit_refused", None)
    if refused:
        st.error(plain(refused))


def _save(run: store.RunSummary) -> None:
    store.rename_run(run.folder, st.session_state[f"title-{run.name}"])
    store.annotate_run(run.folder, st.session_state[f"note-{run.name}"])


def _delete(run: store.RunSummary) -> None:
    try:
        store.delete_run(run.folder, session.runs_root())
    except BadInput as error:
        st.session_state["edit_refused"] = str(error)


def _stored_uploads() -> None:
    kept = uploads.stored(upload_root())
    if not kept:
        return
    st.subheader("Your uploads", anchor=False)
    for folder in kept:
        name, button = st.columns([5, 1], vertical_alignment="center")
        earlier = "" if uploads.usable(folder) else " · kept by an earlier version; upload the zip again to train on it"
        name.write(plain(f"{folder.name} · {terms.size(store.disk_use(folder))}{earlier}"))
        button.button("Delete", key=f"delete-{folder.name}", on_click=uploads.delete, args=(folder, upload_root()))
