"""The verb about routing: which input goes to which ticket, and what a budget buys."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from rtl_core.cli.options import AsJson, Data, RunName, Runs, runs_root
from rtl_core.cli.output import own_figures, say, table, with_interval

app = typer.Typer()


@app.command()
def route(
    run: RunName,
    router: Annotated[str, typer.Option(help="gate, context, top2, centroid, ...; see docs/routing.md")] = "gate",
    budget: Annotated[
        float | None,
        typer.Option(help="Mean cost an input may have, as a share of what the tickets cost at their own density"),
    ] = None,
    curve: Annotated[int, typer.Option(help="So many points of accuracy against cost")] = 0,
    choices: Annotated[bool, typer.Option(help="Also list what was chosen for every row")] = False,
    data: Data = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Class x ticket table of a router, what it is worth, and what it costs."""
    from rtl_core.runs import routing, store
    from rtl_core.runs.checkpoint import finished_run
    from rtl_core.runs.open_run import open_run

    opened = finished_run(store.find_run(run, runs_root(runs)))
    over = routing.Routing.of(open_run(opened, data))
    result = routing.route(over, router, budget, curve)
    if choices:
        result = replace(result, choices=routing.chosen_rows(over.routed(router)))
    say(result, as_json, _route_text)


def _route_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    reads = "is told the label or the subset" if document["uses_label"] else "sees the input alone"
    figures = own_figures(document, ("accuracy",))
    reached = "".join(f"{name} {with_interval(document, name)}, " for name in figures)
    own = with_interval(document, "agreement_with_oracle")
    head = f"{document['router']} ({reads}), n = {document['n']:,}: {reached}own ticket {own}"
    rows = [
        {"class": name, **{ticket: str(n) for ticket, n in zip(document["tickets"], counts, strict=True)}}
        for name, counts in zip(document["classes"], document["counts"], strict=True)
    ]
    points = document.get("curve") or ([document["budget"]] if "budget" in document else [])
    worth = "credit" if document.get("figures") else "accuracy"  # what a budget counts: the mean credit of the answers
    bought = [{**point, worth: with_interval(point, "accuracy")} for point in points]
    by_class = ["", table(rows, ("class", *document["tickets"]))] if rows else []
    curve = ["", table(bought, ("bound", "cost", worth))] if bought else []
    return Group(head, *document["notes"], *by_class, *curve)
