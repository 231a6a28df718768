"""Verbs that find out how good, and for whom."""

from __future__ import annotations

from typing import Any

import typer

from rtl_core.cli.options import AsJson, Data, RunName, Runs, runs_root
from rtl_core.cli.output import say, table, with_interval

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
