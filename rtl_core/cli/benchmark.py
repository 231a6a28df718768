"""The verb that runs a benchmark and writes its pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from rtl_core.cli.options import AsJson, Data, Set
from rtl_core.cli.output import say, table
from rtl_core.comma_lists import listed
from rtl_core.errors import BadInput

app = typer.Typer()
PRINTED = ("name", "metric", "seeds", "densities", "rows", "summary")

T = TypeVar("T", int, float)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="domains, fashion_classes, digits_classes, cifar10_paper, ...")],
    seeds: Annotated[str | None, typer.Option(help="With commas; the benchmark's own unless given")] = None,
    densities: Annotated[str | None, typer.Option(help="With commas; the benchmark's own unless given")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Seeds at a time; one per core unless given")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pages; docs/results unless given")] = None,
    data: Data = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """RTL against its controls, over densities and seeds; goes on where it was interrupted."""
    from rtl_core.runs.store import project_root
    from rtl_core.studies import benchmark as benchmarks
    from rtl_core.studies import benchmark_jobs, benchmark_report

    chosen_seeds, chosen_densities = _numbers("--seeds", seeds, int), _numbers("--densities", densities, float)
    study = benchmarks.study(name, chosen_seeds, chosen_densities, data, set_ or ())
    folder = out or project_root() / "docs" / "results"
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out {folder}: a folder is wanted, this is a file")
    at_a_time = min(workers or os.cpu_count() or 1, len(study.seeds))
    study_document = benchmark_jobs.run(study, folder, at_a_time, _tell)
    files = [folder / f"{name}.json", *benchmark_report.write(study_document, folder)]
    document = {**{key: study_document[key] for key in PRINTED}, "files": list(map(str, files))}
    say(document, as_json, _text)


def _tell(cell: dict[str, Any]) -> None:
    print(
        f"{cell['done']} of {cell['cells']}: seed {cell['seed']}, density {cell['density']:g} in "
        f"{cell['seconds']:.0f} s; about {cell['eta_seconds'] / 60:.0f} min left",
        file=sys.stderr,
        flush=True,
    )


def _numbers(option: str, text: str | None, kind: Callable[[str], T]) -> list[T] | None:
    if text is None:
        return None
    try:
        return [kind(piece) for piece in listed(text)]
    except ValueError:
        example = "21,22,23" if kind is int else ".75,.5,.1"
        raise BadInput(f"{option} wants numbers with commas, for example {example} (got {text!r})") from None


def _text(document: dict[str, Any]) -> Any:
    from rich.console import Group

    rows = [{**row, "RTL - method": _lead(row)} for row in document["summary"]]
    shown = table(rows, ("density", "method", "seeds", "mean", "RTL - method"))
    return Group(f"{document['name']}: {document['metric'].replace('_', ' ')}", shown, *document["files"])


def _lead(row: dict[str, Any]) -> str:
    low, high = row["ci"]
    if row["difference"] is None:
        return "-"
    return f"{row['difference']:+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if low is not None else "")
