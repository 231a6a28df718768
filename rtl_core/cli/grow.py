"""Verbs that change which tickets there are; each writes a new run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rtl_core import config as settings
from rtl_core.cli.options import AsJson, RunName, Runs, Set, runs_root
from rtl_core.cli.output import own_figures, progress, say, short, table, with_interval
from rtl_core.comma_lists import listed
from rtl_core.documents import plain
from rtl_core.events import Event

app = typer.Typer()


@app.command()
def grow(
    run: RunName,
    data: Annotated[str, typer.Option(help=settings.DataSettings.model_fields["spec"].description)],
    name: Annotated[str | None, typer.Option(help="The new value, where the data have several")] = None,
    set_: Set = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """A ticket for new data beside the tickets of a run, which stay as they are."""
    from rtl_core.runs import grow as growing
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    root = runs_root(runs)
    opened = finished_run(store.find_run(run, root))
    with progress() as report:
        document = growing.grow(opened, data, root, name, set_ or (), report)
    say(document, as_json, _grow_text)


@app.command()
def remove(
    run: RunName,
    ticket: Annotated[str, typer.Option(help="The ticket's name")],
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """A run without one of its tickets."""
    from rtl_core.runs import merge as merging
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    root = runs_root(runs)
    document = merging.remove(finished_run(store.find_run(run, root)), ticket, root)
    say(document, as_json, _routed_text)


@app.command()
def merge(
    run: RunName,
    tickets: Annotated[str, typer.Option(help="Names of tickets with commas")],
    how: Annotated[str, typer.Option(help="union, intersection or majority")] = "union",
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """A run with several tickets as one."""
    from rtl_core.runs import merge as merging
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    root = runs_root(runs)
    document = merging.merge(finished_run(store.find_run(run, root)), listed(tickets), how, root)
    say(document, as_json, _merge_text)


@app.command()
def redundancy(
    run: RunName,
    pairs: Annotated[int | None, typer.Option(min=1, help="Only so many, most overlap first; all unless given")] = None,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Pairs of tickets that could be one without loss, measured on validation rows."""
    from rtl_core.runs import merge as merging
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    opened = finished_run(store.find_run(run, runs_root(runs)))
    with progress() as report:
        k = opened.tickets.k
        report(Event("start", "pairs", steps=min(pairs or k * k, k * (k - 1) // 2)))
        redundant = merging.redundancy_of(opened, pairs, report)
    say({"run": opened.name, **plain(redundant)}, as_json, _redundancy_text)


def _grow_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    grown = document["grown"]
    kept = f"'{grown['ticket']}', {grown['params']:,} weights, n = {grown['n']:,}"
    names = own_figures(grown, ("balanced_accuracy",))
    figures = ", ".join(f"{name.replace('_', ' ')} {with_interval(grown, name)}" for name in names)
    most = max(document["forgetting"])
    return Group(
        _head(document),
        f"new ticket {kept}: {figures}",
        f"largest change of any old ticket's logit on the old test rows: {most:g}",
        _routers(document),
    )


def _merge_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    rows = [_spans(row, ("before", "after", "change")) for row in document["subsets"]]
    shown = table(rows, ("subset", "metric", "n", "before", "after", "change"))
    return Group(_head(document), f"{document['merged']['params']:,} weights", shown, "", _routers(document))


def _routed_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    return Group(_head(document), _routers(document))


def _redundancy_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    rows = [
        {**row, **{f"on {side}": _change(changes) for side, changes in zip("ab", row["subsets"], strict=True)}}
        for row in document["pairs"]
    ]
    shown = table(rows, ("a", "b", "how", "params", "excess", "on a", "on b", "verdict"))
    about = f"changes on {document['split']} rows; a merge may cost {document['margin']:g}"
    return Group(about, shown, *document["warnings"])


def _head(document: dict[str, Any]) -> str:
    verb = "had" if document["reused"] else "made"
    return f"{verb} {document['run']} from {document['from']} ({document['seconds']:.0f} s)"


def _routers(document: dict[str, Any]) -> Any:
    rows = [_spans(row, ("before", "after", "change")) for row in document["routers"]]
    return table(rows, ("router", "n", "before", "after", "change"))


def _spans(row: dict[str, Any], metrics: tuple[str, ...]) -> dict[str, Any]:
    return {**row, **{metric: with_interval(row, metric) for metric in metrics}}


def _change(change: dict[str, Any]) -> str:
    low, high = change["ci"]["change"]
    return f"{short(change['change'])} [{short(low)}, {short(high)}]"
