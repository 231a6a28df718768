"""The command line: `python -m rtl_core VERB`. Settings are drawn from `rtl_core.config`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core import config as settings
from rtl_core.errors import BadInput
from rtl_core.events import Event, Stopped

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout")]
Runs = Annotated[
    Path | None, typer.Option("--runs", help="Folder of the runs; runs/ at the project's root unless given")
]
RunName = Annotated[str, typer.Argument(help="A run's name, its folder, or a sample's name")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, e.g. extract.steps=100; `settings` lists them")
]
Data = Annotated[str | None, typer.Option(help=settings.DataSettings.model_fields["spec"].description)]


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
            document = training.train_folder(store.find_run(resume, _root(runs)), report)
    else:
        wanted = _config(preset or ("demo" if config is None else None), config, data, set_)
        with progress() as report:
            document = training.train_new(wanted, _root(runs), again, report)
    _say(document, as_json, lambda d: f"{'had' if d['reused'] else 'trained'} {d['run']} ({d['seconds']:.0f} s)")


@app.command()
def demo(set_: Set = None, again: bool = False, runs: Runs = None, as_json: AsJson = False) -> None:
    """Train the small preset and print the figures beside those to expect."""
    from rtl_core.runs import expected, store, training

    root = _root(runs)
    with progress() as report:
        document = training.train_new(_config("demo", None, None, set_), root, again, report)
    run = training.open_run(store.find_run(document["run"], root))
    document = {**document, **training.evaluate_run(run), "expected": expected.demo()}
    _say(document, as_json, _demo_text)


@app.command("runs")
def list_(runs: Runs = None, as_json: AsJson = False) -> None:
    """List the runs and the samples."""
    from rtl_core.runs import store

    found = [*store.list_runs(_root(runs)), *map(store.summary, store.samples().values())]
    document = {
        "runs": [
            {"run": r.name, "title": r.title, "state": r.state, "task": r.task, "data": r.data, "density": r.density}
            | {"bytes": r.bytes, "created": r.created, "note": r.note, "problem": r.problem or None}
            for r in found
        ]
    }
    _say(document, as_json, lambda d: _table(d["runs"], ("run", "state", "task", "data", "density", "note")))


@app.command()
def show(run: RunName, runs: Runs = None, as_json: AsJson = False) -> None:
    """One run's settings, state and headline."""
    from rtl_core.runs import store, training

    folder = store.find_run(run, _root(runs))
    state = store.run_state(folder)
    if state == "done":
        document = {**training.headline(training.open_run(folder)), "state": state}
    else:
        known = store.read_config(folder)
        document = {"run": folder.name, "state": state, "task": known.task, "mode": known.mode, "tickets": []}
        document |= {"n_prunable": None, "model": known.model.model_dump(), "data": {"spec": known.data.spec}}
    _say({**document, "config": store.read_config(folder).model_dump(mode="json")}, as_json, _show_text)


@app.command()
def evaluate(run: RunName, data: Data = None, runs: Runs = None, as_json: AsJson = False) -> None:
    """Figures per ticket, per method and per router, also on other data."""
    from rtl_core.runs import store, training

    document = training.evaluate_run(training.open_run(store.find_run(run, _root(runs))), data)
    _say(document, as_json, _evaluate_text)


@app.command()
def similarity(
    run: RunName,
    density: Annotated[
        float | None, typer.Option(help="The rung nearest to this density; the tickets' own unless given")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="One layer instead of the whole network")] = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Overlap of the tickets against chance, overall and per layer."""
    from rtl_core.runs import store, training
    from rtl_core.tickets.overlap import overlap
    from rtl_core.tickets.similarity import as_json as similarity_json

    tickets = training.open_run(store.find_run(run, _root(runs))).tickets
    if density is not None and not 0 < density <= 1:
        raise BadInput(f"--density is the share of weights kept, above 0 and at most 1 (got {density:g})")
    document = similarity_json(overlap(tickets, None if density is None else tickets.rung_at(density)), layer)
    _say(document, as_json, lambda d: _table(d["layers"], ("name", "iou_mean", "chance_mean", "density_mean")))


@app.command("settings")
def list_settings(as_json: AsJson = False) -> None:
    """Every setting with its default and what it means."""
    _say(
        {"settings": list(_described(settings.Config))},
        as_json,
        lambda d: _table(d["settings"], ("key", "default", "about")),
    )


def main() -> None:
    """Runs a verb; exit code 0 for success, 2 for bad input in one line, 1 for a failure of ours."""
    try:
        app(standalone_mode=False)
    except BadInput as error:
        _fail(str(error))
    except Stopped as stopped:
        print(f"{stopped}; go on with: python -m rtl_core train --resume RUN", file=sys.stderr)
    except typer.Exit as exit_:
        raise SystemExit(exit_.exit_code) from None
    except KeyboardInterrupt:
        print("stopped; go on with: python -m rtl_core train --resume RUN", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")):  # a verb, an option or a value it does not know
            said = error.format_message() if hasattr(error, "format_message") else str(error)
            _fail(said or "no verb given; `python -m rtl_core --help` lists them")
        raise


def _fail(sentence: str) -> None:
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(2) from None


def _root(runs: Path | None) -> Path:
    from rtl_core.runs import store

    if runs is not None and runs.exists() and not runs.is_dir():
        raise BadInput(f"--runs {runs}: a folder is wanted, this is a file")
    return runs if runs is not None else store.project_runs()


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
    found = []
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            found += _described(field.annotation, f"{prefix}{name}.")
        else:
            found.append({"key": prefix + name, "default": field.default, "about": field.description or field.title})
    return found


class progress:
    """A bar on stderr, as a context that gives a `report`; nothing where stderr is no terminal."""

    def __enter__(self) -> Callable[[Event], None]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._bar.start()
        self._task = self._bar.add_task("loading", total=None)
        self._steps: dict[tuple, int] = {}
        return self._report

    def _report(self, event: Event) -> None:
        if event.phase == "start":
            self._bar.update(self._task, total=event.steps)
            return
        self._steps[event.phase, event.method, event.ticket, event.round] = event.step
        about = f"{event.phase} {event.ticket or event.method}".replace("_", " ")
        self._bar.update(self._task, completed=sum(self._steps.values()), description=f"{about:<28.28}")

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _say(document: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], Any]) -> None:
    """One JSON document, or something for people, on stdout."""
    if as_json:
        print(json.dumps(document, allow_nan=False))
        return
    from rich.console import Console

    Console().print(text(document))


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_short(row.get(column)) for column in columns))
    return table


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _with_interval(row: dict[str, Any], metric: str) -> str:
    low, high = (row.get("ci") or {}).get(metric) or (None, None)
    value = row.get(metric)
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")


def _show_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    head = f"{document['run']}: {document['state']}, {document['task']}, {document['data']['spec']}"
    return Group(head, _table(document["tickets"], ("name", "density", "params")), *document.get("warnings", []))


def _evaluate_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    figures = ("balanced_accuracy", "accuracy")
    for row in (*document["tickets"], *document["methods"], *document["routers"]):
        row.update({metric: _with_interval(row, metric) for metric in figures})
    return Group(
        _table(document["tickets"], ("name", "density", "n", *figures)),
        "",
        _table(document["methods"], ("method", "density", "params_total", "steps_extract", "steps_joint", *figures)),
        "",
        _table(document["routers"], ("router", "uses_label", "flops_share", *figures)),
    )


def _demo_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    expected = {row["method"]: row for row in document["expected"]["methods"]}
    for row in document["methods"]:
        row["expected"] = expected.get(row["method"], {}).get("text", "-")
    about = f"{document['run']} ({document['seconds']:.0f} s); expected: {document['expected']['source']}"
    rows = [{**row, "accuracy": _with_interval(row, "accuracy")} for row in document["methods"]]
    return Group(
        about, _table(rows, ("method", "params_total", "steps_extract", "steps_joint", "accuracy", "expected"))
    )
