"""Verbs that find out how good, and for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core.cli.fairness_text import fairness_text
from rtl_core.cli.options import AsJson, Data, RunName, Runs, runs_root
from rtl_core.cli.output import say, table, with_interval
from rtl_core.errors import BadInput

app = typer.Typer()


@app.command()
def evaluate(run: RunName, data: Data = None, runs: Runs = None, as_json: AsJson = False) -> None:
    """Figures per ticket, per method and per router, also on other data."""
    from rtl_core.runs import store, training

    document = training.evaluate_run(training.open_run(store.find_run(run, runs_root(runs))), data)
    say(document, as_json, _evaluate_text)


def _evaluate_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    figures = ("balanced_accuracy", "accuracy")
    for row in (*document["tickets"], *document["methods"], *document["routers"]):
        row.update({metric: with_interval(row, metric) for metric in figures})
    return Group(
        table(document["tickets"], ("name", "density", "n", *figures)),
        "",
        table(document["methods"], ("method", "density", "params_total", "steps_extract", "steps_joint", *figures)),
        "",
        table(document["routers"], ("router", "uses_label", "flops_share", *figures)),
    )


@app.command()
def fairness(
    run: Annotated[str | None, typer.Argument(help="A run's name, its folder, or a sample's name")] = None,
    groups: Annotated[str, typer.Option(help="Group columns with commas; their intersection is audited, too")] = "",
    table_: Annotated[Path | None, typer.Option("--table", help="CSV or Parquet of predictions, not a run")] = None,
    data: Data = None,
    method: Annotated[str, typer.Option(help="rtl, or a control that the run has: dense, imp_single, ...")] = "rtl",
    router: Annotated[str, typer.Option(help="Who chooses the ticket: context, min_entropy, max_response")] = "context",
    reference: Annotated[
        list[str] | None, typer.Option(help="Group to compare with, e.g. sex=Male; the largest unless given")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Metrics with commas, e.g. tpr,fpr; all unless given")] = "",
    extras: Annotated[
        str, typer.Option(help="Further questions with commas: routing, decomposition, where, density, methods")
    ] = "",
    y_true: Annotated[str | None, typer.Option(help="Of a table: column of true labels; y_true if it is there")] = None,
    y_pred: Annotated[str | None, typer.Option(help="Of a table: column of predictions")] = None,
    score: Annotated[str | None, typer.Option(help="Of a table: column of scores")] = None,
    ticket: Annotated[str | None, typer.Option(help="Of a table: column that names each row's ticket")] = None,
    threshold: Annotated[float | None, typer.Option(help="Of a table: yes is a score above this")] = None,
    positive: Annotated[str | None, typer.Option(help="Of a table: the class that counts as yes")] = None,
    permutations: Annotated[int, typer.Option(help="Draws of each permutation test")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of whatever is drawn")] = 0,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Which ticket fails which group: sizes, rates and gaps, with intervals."""
    from rtl_core.runs import fairness as audit
    from rtl_core.runs import store, training

    roles = {"y_true": y_true, "y_pred": y_pred, "score": score, "ticket": ticket}
    roles = {
        name: value
        for name, value in {**roles, "threshold": threshold, "positive": positive}.items()
        if value is not None
    }
    if (run is None) == (table_ is None):
        raise BadInput("name a run, or a table of predictions with --table FILE; one of the two")
    if not groups:
        raise BadInput("name the group columns, e.g. --groups sex,race")
    ask = {
        "groups": _listed(groups),
        "reference": reference,
        "metrics": _listed(metrics) or None,
        "permutations": permutations,
        "seed": seed,
        "extras": ["by_density" if name == "density" else name for name in _listed(extras)],
    }
    if table_ is not None:
        if data is not None or method != "rtl" or router != "context":
            raise BadInput("--data, --method and --router belong to a run; a table has its decisions already")
        document = audit.audit_table(table_, roles, **ask)
    else:
        if roles:
            raise BadInput(f"--{next(iter(roles)).replace('_', '-')} describes a table; use it with --table FILE")
        opened = training.open_run(store.find_run(run, runs_root(runs)))
        document = audit.audit_run(opened, method=method, router=router, data=data, **ask)
    say(document, as_json, fairness_text)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
