"""What was measured by training a run again, kept in its audits: checked when it is read, of the same masks only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from rtl_core.audit.collapse import confidence_unit
from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs import store
from rtl_core.runs.atomic import read_json, write_json
from rtl_core.runs.checkpoint import Run
from rtl_core.statistics.estimates import Interval
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.task import figure_value

PROBE, RELAX = "collapse-probe.json", "collapse-relax.json"


class _Record(BaseModel):
    ticket: int
    rung: int
    measure: Literal["retrained"]
    n: int
    accuracy: FiniteFloat | None = None
    balanced_accuracy: FiniteFloat | None = None
    figures: dict[str, FiniteFloat | None] | None = None
    confidence: FiniteFloat | None = None
    brier: FiniteFloat | None = None
    doubt_spread: FiniteFloat | None = None
    ci: dict[str, Interval]


class _Records(BaseModel):
    records: list[_Record]


@dataclass(frozen=True)
class Probed:
    """What `probe` keeps. masks: digest of the masks; records: of each ticket at each level, as extraction's; steps a
    ticket and level; seconds in all."""

    masks: str
    records: list[dict[str, Any]]
    steps: int
    seconds: FiniteFloat


@dataclass(frozen=True)
class BeforeAndAfter:
    """Intervals of 95 %."""

    before: Interval
    after: Interval


@dataclass(frozen=True)
class Relaxed:
    """What `relax` keeps: `metric` of the run's own tickets and of those of the level at `density`, trained together.

    masks: digest of the run's masks; n validation rows; gradient steps and seconds of the training
    """

    masks: str
    density: FiniteFloat
    metric: str
    before: FiniteFloat
    after: FiniteFloat
    ci: BeforeAndAfter
    n: int
    steps: int
    seconds: FiniteFloat


_PROBED, _RELAXED, _OF_PROBE = TypeAdapter(Probed), TypeAdapter(Relaxed), TypeAdapter(_Records)


def read_probed(run: Run, root: Path) -> Probed | None:
    """An earlier probe of the same masks; None where there is none. BadInput where it is damaged."""
    document = _read(run, root, PROBE)
    if document is None:
        return None
    with _refused(run, root, PROBE):
        checked = _OF_PROBE.validate_python(document)
        places = [(level.index, k) for level in run.tickets.levels for k in range(run.tickets.k)]
        if sorted((record.rung, record.ticket) for record in checked.records) != places:
            raise BadInput(f"{PROBE} does not hold one record per level and ticket")
        task = task_named(run.config.task)
        needed = [task.headline.name, *(["confidence"] if confidence_unit(task) is not None else [])]
        for name in needed:
            if any(_lacks(record, name) for record in checked.records):
                raise BadInput(f"{PROBE} lacks '{name}' of a level, which task '{task.name}' is measured by")
        return _PROBED.validate_python(document)


def _lacks(record: _Record, name: str) -> bool:
    """Whether a number was never written; a figure may be null, as of a ticket with no box in its pictures."""
    return name not in (record.figures or {}) and figure_value(record.model_dump(), name) is None


def read_relaxed(run: Run, root: Path) -> Relaxed | None:
    """An earlier measurement of going back from the same masks; None where there is none. BadInput where damaged."""
    document = _read(run, root, RELAX)
    if document is None:
        return None
    with _refused(run, root, RELAX):
        relaxed = _RELAXED.validate_python(document)
        known = [figure.name for figure in task_named(run.config.task).figures]
        if relaxed.metric not in known:
            raise BadInput(f"{RELAX}, 'metric': '{relaxed.metric}' is none of {', '.join(known)}")
        return relaxed


def _read(run: Run, root: Path, name: str) -> dict[str, Any] | None:
    path = store.audits_folder(run.folder, root) / name
    if not path.is_file():
        return None
    with _refused(run, root, name):
        document = read_json(path, store.MAX_AUDIT_BYTES)
    return document if document.get("masks") == masks_digest(run) else None


@contextmanager
def _refused(run: Run, root: Path, name: str) -> Iterator[None]:
    """What is wrong with a file, with what to do about it."""
    path = store.audits_folder(run.folder, root) / name
    again = f"delete {path} and measure again (diagnose --{'probe' if name == PROBE else 'relax'})"
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{error}; {again}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{name}, '{'.'.join(map(str, first['loc']))}': {first['msg']}; {again}") from None


@refused_in_public("keeping a measurement")
def write(run: Run, root: Path | None, name: str, measured: Probed | Relaxed) -> None:
    write_json(place(run, root) / name, measured)


@refused_in_public("keeping a measurement")
def place(run: Run, root: Path | None) -> Path:
    """The folder of the run's audits, made where it is missing; BadInput before any work where it cannot be."""
    folder = store.audits_folder(run.folder, root or run.folder.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made, so nothing could be kept there: {error.strerror}") from None
    return folder


def masks_digest(run: Run) -> str:
    """Tells the masks of a run from others."""
    return hashlib.sha256(run.tickets.pruned_at.tobytes()).hexdigest()[:16]
