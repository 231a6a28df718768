"""What was measured by training a run again, kept in its audits: checked when it is read, of the same masks only."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, FiniteFloat, ValidationError

from rtl_core.errors import BadInput
from rtl_core.runs import store
from rtl_core.runs.atomic import plain, read_json, write_json
from rtl_core.runs.checkpoint import Run

PROBE, RELAX = "collapse-probe.json", "collapse-relax.json"


class _Intervals(BaseModel):
    before: tuple[float | None, float | None]
    after: tuple[float | None, float | None]


class _Record(BaseModel):
    ticket: int
    rung: int
    measure: Literal["retrained"]
    n: int
    accuracy: FiniteFloat
    balanced_accuracy: FiniteFloat | None
    confidence: FiniteFloat
    ci: dict[str, tuple[float | None, float | None]]


class _Probed(BaseModel):
    """What `probe` keeps."""

    records: list[_Record]
    steps: int
    seconds: FiniteFloat


class _Relaxed(BaseModel):
    """What `relax` keeps."""

    density: FiniteFloat
    metric: Literal["accuracy", "balanced_accuracy"]
    before: FiniteFloat
    after: FiniteFloat
    ci: _Intervals
    n: int
    steps: int
    seconds: FiniteFloat


_SCHEMAS: dict[str, type[BaseModel]] = {PROBE: _Probed, RELAX: _Relaxed}


def read(run: Run, root: Path, name: str) -> dict[str, Any] | None:
    """An earlier result on the same masks; None where there is none. BadInput where it is damaged."""
    path = store.audits_folder(run.folder, root) / name
    if not path.is_file():
        return None
    again = f"delete {path} and measure again (diagnose --{'probe' if name == PROBE else 'relax'})"
    try:
        document = read_json(path, store.MAX_AUDIT_BYTES)
    except BadInput as error:
        raise BadInput(f"{error}; {again}") from None
    if document.get("masks") != _masks_digest(run):
        return None
    try:
        checked = _SCHEMAS[name].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{name}, '{'.'.join(map(str, first['loc']))}': {first['msg']}; {again}") from None
    if isinstance(checked, _Probed):
        places = [(level.index, k) for level in run.tickets.levels for k in range(run.tickets.k)]
        if sorted((record.rung, record.ticket) for record in checked.records) != places:
            raise BadInput(f"{name} does not hold one record per level and ticket; {again}")
    return document


def write(run: Run, root: Path | None, name: str, document: dict[str, Any]) -> None:
    write_json(place(run, root) / name, plain({"masks": _masks_digest(run), **document}))


def place(run: Run, root: Path | None) -> Path:
    """The folder of the run's audits, made where it is missing; BadInput before any work where it cannot be."""
    folder = store.audits_folder(run.folder, root or run.folder.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made, so nothing could be kept there: {error.strerror}") from None
    return folder


def _masks_digest(run: Run) -> str:
    return hashlib.sha256(run.tickets.pruned_at.tobytes()).hexdigest()[:16]
