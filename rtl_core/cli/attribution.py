"""The verb that asks what a ticket looks at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core.cli.options import AsJson, RunName, Runs, runs_root
from rtl_core.cli.output import progress, say, table
from rtl_core.errors import BadInput
from rtl_core.files import replacing

app = typer.Typer()


@app.command()
def attribute(
    run: RunName,
    ticket: Annotated[str, typer.Option(help="Name of a ticket; `show` lists them")],
    method: Annotated[
        str, typer.Option(help="integrated_gradients, saliency, occlusion, ...")
    ] = "integrated_gradients",
    samples: Annotated[str, typer.Option(help="Places in the test split with commas, or FROM-TO")] = "0",
    baseline: Annotated[
        str | None, typer.Option(help="black, mean, blurred, noise, average; of tables median, average; row:NUMBER")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Class to explain; the predicted one unless given")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting of the method, e.g. steps=64; repeat for more")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of whatever is drawn")] = 0,
    out: Annotated[Path | None, typer.Option(help="An .npz file for the maps")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the document with the run's audits")] = False,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Maps or feature scores of a ticket, each with the checks that say whether it deserves trust."""
    import numpy as np

    from rtl_core.audit.attribution.map_request import MapRequest
    from rtl_core.runs import attribution as attributions
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    if out is not None and not (out.suffix == ".npz" and out.resolve().parent.is_dir()):
        raise BadInput(f"--out wants an .npz file in a folder that exists, not {out}")
    root = runs_root(runs)
    opened = finished_run(store.find_run(run, root))
    request = MapRequest(method, baseline, target, seed, _settings(set_ or []))
    with progress() as report:
        explained = attributions.Explained.of(opened)
        document, arrays = attributions.explain_samples(explained, ticket, _numbers(samples), request, report)
    if save:
        file = attributions.save_audit(store.audits_folder(opened.folder, root), document, arrays)
        document["saved"] = str(file)
    if out is not None:
        with replacing(out) as draft, open(draft, "wb") as file:
            np.savez_compressed(file, **arrays)
        document["out"] = str(out)
    say(document, as_json, _text)


def _numbers(text: str) -> list[int]:
    """0,3,10-12 -> the numbers, in the order given."""
    numbers: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise BadInput(f"--samples wants numbers such as 0,1,2 or 0-9, not '{text}'")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _settings(given: list[str]) -> tuple[tuple[str, Any], ...]:
    wrong = [setting for setting in given if "=" not in setting]
    if wrong:
        raise BadInput(f"--set wants NAME=VALUE, such as steps=64, not '{wrong[0]}'")
    return tuple((name.strip(), value.strip()) for name, _, value in (setting.partition("=") for setting in given))


def _text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    columns = ("index", "target", "output", "confidence", "weight_randomisation", "random_mask", "verdict", "reason")
    rows = [{**sample, **sample["sanity"]} for sample in document["samples"]]
    counts = Counter(row["verdict"] for row in rows)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    about = f"{document['method']} of ticket {document['ticket']} against {document['baseline']}: {verdicts}"
    written = [f"{document[key]} written" for key in ("out", "saved") if key in document]
    return Group(about, "", table(rows, columns), *written)
