"""The verb that hands everything over as one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core.cli.options import (
    AsJson,
    Method,
    Permutations,
    Positive,
    Reference,
    Router,
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
from rtl_core.cli.output import say
from rtl_core.comma_lists import listed
from rtl_core.errors import BadInput

app = typer.Typer()


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A run's name, its folder, or a sample's name")] = None,
    out: Annotated[Path, typer.Option(help="The HTML file to write")] = Path("report.html"),
    groups: Annotated[
        str, typer.Option(help="Group columns with commas; of a run, columns of few categories unless given")
    ] = "",
    table: Annotated[Path | None, typer.Option(help="CSV or Parquet of predictions, not a run")] = None,
    method: Method = "rtl",
    router: Router = "context",
    reference: Reference = None,
    metrics: Annotated[str, typer.Option(help="Metrics with commas, e.g. tpr,fpr; the usual ones unless given")] = "",
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
    """One offline HTML file about a run, or about a table of any model's predictions."""
    from rtl_core.audit.fairness.audit_settings import AuditSettings
    from rtl_core.runs import report as reports
    from rtl_core.runs import store
    from rtl_core.runs.checkpoint import finished_run

    began, root = time.monotonic(), runs_root(runs)
    roles = table_roles(
        run, table, y_true=y_true, y_pred=y_pred, score=score, ticket=ticket, threshold=threshold, positive=positive
    )
    request = reports.ReportRequest(
        tuple(listed(groups)),
        method,
        router,
        AuditSettings(tuple(reference or ()), tuple(listed(metrics)) or None, permutations, seed),
    )
    reports.check_place(out)
    if table is not None:
        if method != "rtl" or router != "context":
            raise BadInput("--method and --router belong to a run; a table has its decisions already")
        document = reports.table_document(table, roles, request)
    else:
        document = reports.run_document(finished_run(store.find_run(run, root)), request, root)
    written = reports.write_report(document, out)
    result = {"run": run, "table": table and table.name, "out": str(out), "bytes": written}
    result |= {"seconds": time.monotonic() - began, "skipped": document["skipped"]}
    say(result, as_json, _report_text)


def _report_text(document: dict[str, Any]) -> str:
    about = f"{document['out']} ({document['bytes'] / 1000:,.0f} kB)"
    return "\n".join([about, *(f"not made: {row['check']}, because {row['reason']}" for row in document["skipped"])])
