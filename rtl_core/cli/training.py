"""Verbs that train, and those that list what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core import config as settings
from rtl_core.cli.options import AsJson, Data, RunName, Runs, Set, runs_root
from rtl_core.cli.output import how_masks_were_read, progress, say, table, with_interval
from rtl_core.errors import BadInput

app = typer.Typer()


@app.command()
def train(
    preset: Annotated[str | None, typer.Argument(help="demo, domains, classes, adult, ...")] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON file of settings, only what differs from the defaults")
    ] = None,
    data: Data = None,
    set_: Set = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run instead of starting one")] = None,
    again: Annotated[bool, typer.Option(help="Train anew even if the same run is there already")] = False,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Train tickets and their controls."""
    from rtl_core.runs import store, training

    if resume is not None:
        if preset or config or data or set_:
            raise BadInput(
                "--resume goes on with the run's own settings; leave out the preset, --config, --data and --set"
            )
        with progress() as report:
            document = training.train_folder(store.find_run(resume, runs_root(runs)), report)
    else:
        wanted = _config(preset or ("demo" if config is None else None), config, data, set_)
        with progress() as report:
            document = training.train_new(wanted, runs_root(runs), again, report)
    say(document, as_json, _train_text)


def _train_text(document: dict[str, Any]) -> str:
    about = f"{'had' if document['reused'] else 'trained'} {document['run']} ({document['seconds']:.0f} s)"
    return "\n".join([about, *document["notes"]])


@app.command()
def demo(set_: Set = None, again: bool = False, runs: Runs = None, as_json: AsJson = False) -> None:
    """Train the small preset and print the figures beside those to expect."""
    from rtl_core.runs import demo_figures, store, training
    from rtl_core.runs.checkpoint import finished_run

    root = runs_root(runs)
    with progress() as report:
        document = training.train_new(_config("demo", None, None, set_), root, again, report)
    run = finished_run(store.find_run(document["run"], root))
    document = {**document, **training.evaluate_run(run), "expected": demo_figures.demo()}
    say(document, as_json, _demo_text)


@app.command("runs")
def list_(runs: Runs = None, as_json: AsJson = False) -> None:
    """List the runs and the samples."""
    from rtl_core.runs import store

    runs_ = [*store.list_runs(runs_root(runs)), *map(store.summary, store.samples().values())]
    document = {
        "runs": [
            {"run": r.name, "title": r.title, "state": r.state, "task": r.task, "data": r.data, "density": r.density}
            | {"bytes": r.bytes, "created": r.created, "note": r.note, "problem": r.problem or None}
            for r in runs_
        ]
    }
    say(document, as_json, lambda d: table(d["runs"], ("run", "state", "task", "data", "density", "note")))


@app.command()
def show(name: RunName, runs: Runs = None, as_json: AsJson = False) -> None:
    """One run's settings, state and headline."""
    from rtl_core.runs import store, training
    from rtl_core.runs.checkpoint import finished_run

    folder = store.find_run(name, runs_root(runs))
    state = store.run_state(folder)
    if state == "done":
        run = finished_run(folder)
        known, document = run.config, {**training.headline(run), "state": state}
    else:
        known = store.read_config(folder)
        document = {"run": folder.name, "state": state, "task": known.task, "mode": known.mode, "tickets": []}
        document |= {"n_prunable": None, "model": known.model.model_dump(), "data": {"spec": known.data.spec}}
    say({**document, "config": known and known.model_dump(mode="json")}, as_json, _show_text)


@app.command("settings")
def list_settings(as_json: AsJson = False) -> None:
    """Every setting with its default and what it means."""
    say(
        {"settings": list(_described(settings.Config))},
        as_json,
        lambda d: table(d["settings"], ("key", "default", "about")),
    )


def _config(preset: str | None, file: Path | None, data: str | None, assignments: list[str] | None) -> settings.Config:
    values = settings.preset(preset) if preset else {}
    if file is not None:
        values = settings.merged(values, _settings_file(file))
    if data is not None:
        values = settings.with_setting(values, f"data.spec={json.dumps(data)}")
    for assignment in assignments or []:
        values = settings.with_setting(values, assignment)
    return settings.parse(values)


def _settings_file(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"--config {file}: not a readable JSON object of settings ({error})") from None
    if not isinstance(values, dict):
        raise BadInput(f'--config {file}: a JSON object of settings is wanted, such as {{"density": 0.1}}')
    return values


def _described(model: Any, prefix: str = "") -> list[dict[str, Any]]:
    descriptions = []
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            descriptions += _described(field.annotation, f"{prefix}{name}.")
        else:
            descriptions.append(
                {"key": prefix + name, "default": field.default, "about": field.description or field.title}
            )
    return descriptions


def _show_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    data = (document["data"] or {}).get("spec", "imported")
    head = f"{document['run']}: {document['state']}, {document['task']}, {data}"
    notes = [note for place in ("data", "partition") for note in (document.get(place) or {}).get("notes", ())]
    tickets = table(document["tickets"], ("name", "density", "params"))
    return Group(head, tickets, *(document.get("warnings") or []), *notes, *how_masks_were_read(document))


def _demo_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    expected = {row["method"]: row for row in document["expected"]["methods"]}
    for row in document["methods"]:
        row["expected"] = expected.get(row["method"], {}).get("text", "-")
    about = f"{document['run']} ({document['seconds']:.0f} s); expected: {document['expected']['source']}"
    rows = [{**row, "accuracy": with_interval(row, "accuracy")} for row in document["methods"]]
    return Group(about, table(rows, ("method", "params_total", "steps_extract", "steps_joint", "accuracy", "expected")))
