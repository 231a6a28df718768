"""Options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def runs_root(runs: Path | None) -> Path:
    from rtl_core.runs import store

    if runs is not None and runs.exists() and not runs.is_dir():
        raise BadInput(f"--runs {runs}: a folder is wanted, this is a file")
    return runs if runs is not None else store.project_runs()
