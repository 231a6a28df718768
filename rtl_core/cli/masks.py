"""Verbs about masks: overlap, and tickets in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtl_core.cli.options import AsJson, RunName, Runs, runs_root
from rtl_core.cli.output import how_masks_were_read, progress, say, table
from rtl_core.comma_lists import listed
from rtl_core.errors import BadInput
from rtl_core.events import Event

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

app = typer.Typer()


@app.command()
def similarity(
    run: RunName,
    density: Annotated[
        float | None, typer.Option(help="The level nearest to this density; the tickets' own unless given")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="One layer instead of the whole network")] = None,
    compact: Annotated[bool, typer.Option("--compact", help="In --json each pair once, to five decimals")] = False,
    twins: Annotated[
        bool, typer.Option("--twins", help="Train twins first: tickets that differ in nothing but luck, for a floor")
    ] = False,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Overlap of the tickets against chance, and their twins where these were trained, overall and per layer."""
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run
    from rtl_core.runs.twins import similarity_document

    root = runs_root(runs)
    opened = finished_run(store.find_run(run, root))
    tickets = opened.tickets
    if density is not None and not 0 < density <= 1:
        raise BadInput(f"--density is the share of weights kept, above 0 and at most 1 (got {density:g})")
    level = None if density is None else tickets.level_at(density)
    if layer is not None and layer not in tickets.layout.names:
        raise BadInput(f"there is no layer '{layer}'; the prunable layers are: {', '.join(tickets.layout.names)}")
    if twins:
        _train_twins(opened, root)
    say(similarity_document(opened, root, level, layer, compact), as_json, _similarity_text)


def _train_twins(run: Run, root: Path) -> None:
    """Says what it costs, then trains."""
    from rtl_core.runs import twins

    cost = twins.cost(run)
    print(f"training twins: {cost.steps:,} steps, about {cost.seconds:.0f} s", file=sys.stderr)
    with progress() as report:
        twins.measure_twins(run, root, report)


def _similarity_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    if document["twins"] is None:
        return table(document["layers"], ("name", "iou_mean", "chance_mean", "density_mean"))
    columns = ("name", "iou_mean", "chance_mean", "twin_mean", "position", "density_mean")
    subsets = ("name", "rows_half", "halves_iou", "halves_excess", "order_iou", "order_excess")
    twins = document["twins"]
    return Group(table(document["layers"], columns), table(twins["subsets"], subsets), f"{twins['finding']}.")


@app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Pruned networks or masks: torch, pickle, safetensors, .npz, .npy, tickets")
    ],
    name: Annotated[str, typer.Option(help="What the run is to be called")] = "",
    tensors: Annotated[
        list[str] | None,
        typer.Option(help="Only tensors of this name, with * and ?; may be repeated. Else those that are pruned"),
    ] = None,
    arrays: Annotated[
        str, typer.Option("--as", help="What arrays without telling names are: layers of one network, or tickets")
    ] = "",
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Pruned networks made elsewhere become a run of masks."""
    from rtl_core.interchange.import_masks_ticket import choice_of
    from rtl_core.runs.imports import import_masks

    choice = choice_of(tensors or (), arrays)
    with progress() as report:
        report(Event("start", "import", steps=len(files)))
        document = import_masks(
            files,
            runs_root(runs),
            name,
            lambda done, total, file: report(Event("reading", "files", done, total)),
            choice=choice,
        )
    say(document, as_json, _import_text)


@app.command()
def export(
    run: RunName,
    ticket: Annotated[str, typer.Option(help="The ticket's name")],
    format_: Annotated[str, typer.Option("--format", help="ticket, safetensors, or both with a comma")] = "ticket",
    out: Annotated[Path | None, typer.Option(help="Folder to write into; the current one unless given")] = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """One ticket out of a run: the portable mask, or the masked weights."""
    from rtl_core.runs import exports, store
    from rtl_core.runs.checkpoint import finished_run

    opened = finished_run(store.find_run(run, runs_root(runs)))
    files = exports.export(opened, ticket, listed(format_), out or Path())
    document = {"run": opened.name, "ticket": ticket, "files": files}
    say(document, as_json, lambda d: "\n".join(f"{kind}: {path}" for kind, path in d["files"].items()))


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="A ticket file, or RUN:TICKET")],
    b: Annotated[str, typer.Argument(help="Another one")],
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """What two tickets share, layer by layer."""
    from rtl_core.runs import exports

    root = runs_root(runs)
    document = exports.diff(exports.open_ticket(a, root), exports.open_ticket(b, root))
    say(document, as_json, _diff_text)


def _import_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    verb = "had" if document["reused"] else "imported"
    head = f"{verb} {document['run']}: {document['n_prunable']:,} weights in {len(document['tickets'])} tickets"
    return Group(head, table(document["tickets"], ("name", "density", "params")), *how_masks_were_read(document))


def _diff_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    theta = {True: "the same weights", False: "different weights", None: "weights unknown"}[document["same_theta"]]
    head = f"a = {document['a']}, b = {document['b']}: for {theta}"
    total = {"name": "all layers", **{key: document[key] for key in ("shared", "only_a", "only_b", "iou", "chance")}}
    return Group(head, table([*document["layers"], total], ("name", "shared", "only_a", "only_b", "iou", "chance")))
