"""Verbs that evaluate and audit a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core.cli.fairness_text import fairness_text
from rtl_core.cli.options import (
    AsJson,
    Data,
    Method,
    Permutations,
    Positive,
    Reference,
    Router,
    RunName,
    Runs,
    Score,
    Seed,
    Threshold,
    Ticket,
    YPred,
    YTrue,
    runs_root,
    table_roles,
)
from rtl_core.cli.output import own_figures, say, table, with_interval
from rtl_core.comma_lists import listed
from rtl_core.errors import BadInput

app = typer.Typer()


@app.command()
def evaluate(run: RunName, data: Data = None, runs: Runs = None, as_json: AsJson = False) -> None:
    """Figures per ticket, per method and per router, also on other data."""
    from rtl_core.runs import store, training
    from rtl_core.runs.checkpoint import finished_run

    document = training.evaluate_run(finished_run(store.find_run(run, runs_root(runs))), data)
    say(document, as_json, _evaluate_text)


def _evaluate_text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    figures = own_figures(document["tickets"][0], ("balanced_accuracy", "accuracy"))
    for row in (*document["tickets"], *document["methods"], *document["routers"]):
        row.update({metric: with_interval(row, metric) for metric in figures})
    return Group(
        table(document["tickets"], ("name", "density", "n", *figures)),
        "",
        table(document["methods"], ("method", "density", "params_total", "steps_extract", "steps_joint", *figures)),
        "",
        table(document["routers"], ("router", "uses_label", "flops_share", *figures)),
        *document.get("notes", ()),
    )


@app.command()
def fairness(
    run: Annotated[str | None, typer.Argument(help="A run's name, its folder, or a sample's name")] = None,
    groups: Annotated[str, typer.Option(help="Group columns with commas; their intersection is audited, too")] = "",
    table_: Annotated[Path | None, typer.Option("--table", help="CSV or Parquet of predictions, not a run")] = None,
    data: Data = None,
    method: Method = "rtl",
    router: Router = "context",
    reference: Reference = None,
    metrics: Annotated[str, typer.Option(help="Metrics with commas, e.g. tpr,fpr; all unless given")] = "",
    extras: Annotated[
        str, typer.Option(help="Further questions with commas: routing, decomposition, where, density, methods")
    ] = "",
    y_true: YTrue = None,
    y_pred: YPred = None,
    score: Score = None,
    ticket: Ticket = None,
    threshold: Threshold = None,
    positive: Positive = None,
    permutations: Permutations = 10_000,
    seed: Seed = 0,
    runs: Runs = None,
    as_json: AsJson = False,
) -> None:
    """Which ticket fails which group: sizes, rates and gaps, with intervals."""
    from rtl_core.audit.fairness.audit_settings import AuditSettings
    from rtl_core.runs import fairness as audits
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    roles = table_roles(
        run, table_, y_true=y_true, y_pred=y_pred, score=score, ticket=ticket, threshold=threshold, positive=positive
    )
    if not groups:
        raise BadInput("name the group columns, e.g. --groups sex,race")
    columns = listed(groups)
    settings = AuditSettings(tuple(reference or ()), tuple(listed(metrics)) or None, permutations, seed)
    further = ["by_density" if name == "density" else name for name in listed(extras)]
    if table_ is not None:
        if data is not None or method != "rtl" or router != "context":
            raise BadInput("--data, --method and --router belong to a run; a table has its decisions already")
        document = audits.audit_table(table_, roles, columns, settings, further)
    else:
        audited = audits.Audited.of(finished_run(store.find_run(run, runs_root(runs))), data)
        document = audits.audit(audited, columns, method, router, settings, further)
    say(document, as_json, fairness_text)
