"""The verb that hands everything over as one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core.cli.options import AsJson, Runs, runs_root
from rtl_core.cli.output import say
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
    method: Annotated[str, typer.Option(help="rtl, or a control that the run has: dense, imp_single, ...")] = "rtl",
    router: Annotated[str, typer.Option(help="Who chooses the ticket: context, min_entropy, max_response")] = "context",
    reference: Annotated[
        list[str] | None, typer.Option(help="Group to compare with, e.g. sex=Male; the largest unless given")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Metrics with commas, e.g. tpr,fpr; the usual ones unless given")] = "",
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
    """One offline HTML file about a run, or about a table of any model's predictions."""
    from rtl_core.runs import report as reports
    from rtl_core.runs import store, training

    began = time.monotonic()
    if (run is None) == (table is None):
        raise BadInput("name a run, or a table of predictions with --table FILE; one of the two")
    named = {"y_true": y_true, "y_pred": y_pred, "score": score, "ticket": ticket}
    roles = {**named, "threshold": threshold, "positive": positive}
    given = {name: value for name, value in roles.items() if value is not None}
    asked = reports.Asked(
        groups=_listed(groups),
        reference=tuple(reference or ()),
        metrics=_listed(metrics) or reports.METRICS,
        method=method,
        router=router,
        permutations=permutations,
        seed=seed,
    )
    reports.check_place(out)
    if table is not None:
        if method != "rtl" or router != "context":
            raise BadInput("--method and --router belong to a run; a table has its decisions already")
        document = reports.table_document(table, given, asked)
    else:
        if given:
            raise BadInput(f"--{next(iter(given)).replace('_', '-')} describes a table; use it with --table FILE")
        document = reports.run_document(training.open_run(store.find_run(run, runs_root(runs))), asked)
    written = reports.write_report(document, out)
    said = {"run": run, "table": table and table.name, "out": str(out), "bytes": written}
    said |= {"seconds": time.monotonic() - began, "skipped": document["skipped"]}
    say(said, as_json, _report_text)


def _report_text(document: dict[str, Any]) -> str:
    about = f"{document['out']} ({document['bytes'] / 1000:,.0f} kB)"
    return "\n".join([about, *(f"not made: {row['check']}, because {row['reason']}" for row in document["skipped"])])


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
