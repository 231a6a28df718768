"""The verb that looks for collapse."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rtl_core.cli.options import AsJson, RunName, Runs, runs_root
from rtl_core.cli.output import progress, say, short, table
from rtl_core.errors import BadInput

app = typer.Typer()

_COLUMNS = ("round", "density", "iou_mean", "chance_mean", "excess_mean", "confidence")
_GOES_BY = {  # what the alarm goes by -> its columns, and in words
    "brier": (("brier", "off_best"), "the Brier score, {} above its least"),
    "doubt": (("drop", "off_best"), "doubt, {} of its spread over the inputs above its least"),
    "confidence": (("drop",), "confidence, {} below its best"),
}


@app.command()
def diagnose(
    run: RunName,
    probe: Annotated[
        bool, typer.Option("--probe", help="Retrain every level first: for runs that were cut in one go")
    ] = False,
    relax: Annotated[
        bool, typer.Option("--relax", help="Measure what going back to the last safe density gives")
    ] = False,
    density: Annotated[float | None, typer.Option(help="With --relax: the density to go back to")] = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Overlap, confidence and accuracy on the way down, where they turn, and the last safe density."""
    from rtl_core.runs import diagnose as diagnosis
    from rtl_core.runs import retrain, store
    from rtl_core.runs.checkpoint import finished_run

    if density is not None and not relax:
        raise BadInput("--density says where --relax goes back to: give --relax too")
    root = runs_root(runs)
    opened = finished_run(store.find_run(run, root))
    with progress() as report:
        result = retrain.probe(opened, root, report) if probe else diagnosis.diagnose(opened, root)
        if relax:
            back = density if density is not None else result.last_safe_density
            if back is None:
                raise BadInput("no safe density is known: name one with --density, or retrain the levels with --probe")
            result = retrain.relax(opened, back, root, report)
    say(result, as_json, _text)


def _text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    flags = [f"{short(flag['density'])}: {flag['sentence']}" for flag in document["flags"]]
    relaxed = []
    if document["relaxed"]:
        back, metric = document["relaxed"], document["relaxed"]["metric"].replace("_", " ")
        relaxed = [
            f"back at density {short(back['density'])}: {metric} {back['before']:.3f} -> {back['after']:.3f} "
            f"(validation rows, {back['steps']} steps)"
        ]
    goes_by = []
    own, words = _GOES_BY.get(document["signal"], (("drop",), None))
    if document["watched"]:
        goes_by = [f"the alarm goes by {words.format(short(document['threshold']))}"]
    safe = f"last safe density: {short(document['last_safe_density'])}"
    columns = (*_COLUMNS, *own, document["metric"], "measure")
    return Group(table(document["rounds"], columns), *goes_by, *flags, safe, *relaxed, document["advice"])
