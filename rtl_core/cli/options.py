"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rtl_core import config as settings
from rtl_core.errors import BadInput

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout")]
Runs = Annotated[
    Path | None, typer.Option("--runs", help="Folder of the runs; runs/ at the project's root unless given")
]
RunName = Annotated[str, typer.Argument(help="A run's name, its folder, or a sample's name")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, e.g. extract.steps=100; `settings` lists them")
]
Data = Annotated[str | None, typer.Option(help=settings.DataSettings.model_fields["spec"].description)]

# Who is audited, and of a table of predictions which column plays which role.
Method = Annotated[str, typer.Option(help="rtl, or a control that the run has: dense, imp_single, ...")]
Router = Annotated[str, typer.Option(help="Who chooses the ticket: context, min_entropy, max_response")]
Reference = Annotated[
    list[str] | None, typer.Option(help="Group to compare with, e.g. sex=Male; the largest unless given")
]
YTrue = Annotated[str | None, typer.Option(help="Of a table: column of true labels; y_true if it is there")]
YPred = Annotated[str | None, typer.Option(help="Of a table: column of predictions")]
Score = Annotated[str | None, typer.Option(help="Of a table: column of scores")]
Ticket = Annotated[str | None, typer.Option(help="Of a table: column that names each row's ticket")]
Threshold = Annotated[float | None, typer.Option(help="Of a table: yes is a score above this")]
Positive = Annotated[str | None, typer.Option(help="Of a table: the class that counts as yes")]
Permutations = Annotated[int, typer.Option(help="Draws of each permutation test")]
Seed = Annotated[int, typer.Option(help="Of whatever is drawn")]


def table_roles(run: str | None, table: Path | None, **roles: Any) -> dict[str, Any]:
    """The roles that were given. BadInput unless either a run or a table is named, and roles only with a table."""
    if (run is None) == (table is None):
        raise BadInput("name a run, or a table of predictions with --table FILE; one of the two")
    given = {name: value for name, value in roles.items() if value is not None}
    if given and table is None:
        raise BadInput(f"--{next(iter(given)).replace('_', '-')} describes a table; use it with --table FILE")
    return given


def runs_root(runs: Path | None) -> Path:
    from rtl_core.runs import store

    if runs is not None and runs.exists() and not runs.is_dir():
        raise BadInput(f"--runs {runs}: a folder is wanted, this is a file")
    return runs if runs is not None else store.project_runs()
