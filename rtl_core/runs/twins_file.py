"""The twins of a run, kept in its audits or beside a sample: counts only, checked when read, of the same masks only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from rtl_core.errors import BadInput
from rtl_core.overlap.twins import TwinCounts
from rtl_core.runs import store
from rtl_core.runs.atomic import read_json
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.retraining_file import masks_digest
from rtl_core.tickets.ticket_set import Level

TWINS = "overlap-twins.json"


@dataclass(frozen=True)
class KeptCounts:
    """`TwinCounts` at one level as JSON has them.

    across  per layer the pairs (0, 1), (0, 2), ..., (1, 2), ... of subsets
    """

    level: int
    kept: list[list[list[int]]]
    halves: list[list[int]]
    order: list[list[int]]
    again: list[list[int]]
    across: list[list[int]]


@dataclass(frozen=True)
class KeptTwins:
    """What measuring the twins keeps.

    masks           digest of the run's masks
    rows            training rows of each subset, and of its smaller half, of the kind of row that the ticket is for
    steps, seconds  gradient steps of all twins, and how long they took
    """

    masks: str
    rows: list[int]
    rows_half: list[int]
    levels: list[KeptCounts]
    steps: int
    seconds: FiniteFloat

    def at(self, run: Run, level: Level) -> TwinCounts:
        """The counts at a level of the run."""
        one, layout, k = next(one for one in self.levels if one.level == level.index), run.tickets.layout, run.tickets.k
        across = np.zeros((len(layout.names), k, k), np.int64)
        i, j = np.triu_indices(k, 1)
        across[:, i, j] = across[:, j, i] = np.reshape(one.across, (len(layout.names), len(i)))
        kept, halves, order, again = (
            np.array(counts, np.int64) for counts in (one.kept, one.halves, one.order, one.again)
        )
        return TwinCounts(layout.names, np.array(layout.sizes), kept, halves, order, again, across)


_KEPT = TypeAdapter(KeptTwins)


def as_kept(level: Level, counts: TwinCounts) -> KeptCounts:
    i, j = np.triu_indices(counts.across.shape[1], 1)
    arrays = (counts.kept, counts.halves, counts.order, counts.again, counts.across[:, i, j])
    return KeptCounts(level.index, *(array.tolist() for array in arrays))


def read_twins(run: Run, root: Path) -> KeptTwins | None:
    """The twins of the same masks, of the user's own measurement or as they came with a sample; None where there are
    none. BadInput where the file is damaged."""
    for path in (store.audits_folder(run.folder, root) / TWINS, run.folder / TWINS):
        if not path.is_file():
            continue
        try:
            document = read_json(path, store.MAX_AUDIT_BYTES)
            if document.get("masks") == masks_digest(run):
                return _checked(run, document)
        except (BadInput, ValidationError) as error:
            what = _first(error) if isinstance(error, ValidationError) else str(error)
            raise BadInput(f"{what}; delete {path} and measure again (similarity --twins)") from None
    return None


def _checked(run: Run, document: dict[str, Any]) -> KeptTwins:
    kept, tickets = _KEPT.validate_python(document), run.tickets
    layers, k = len(tickets.layout.names), tickets.k
    shapes = {
        "kept": (layers, 4, k),
        **dict.fromkeys(("halves", "order", "again"), (layers, k)),
        "across": (layers, k * (k - 1) // 2),
    }
    if [one.level for one in kept.levels] != [level.index for level in tickets.levels]:
        raise BadInput(f"{TWINS} does not hold every level of the run once")
    for one in kept.levels:
        for name, shape in shapes.items():
            if not _has_shape(getattr(one, name), shape):
                raise BadInput(f"{TWINS}, '{name}' of level {one.level}: there should be {' x '.join(map(str, shape))}")
    if not len(kept.rows) == len(kept.rows_half) == k:
        raise BadInput(f"{TWINS}: there should be rows of {k} subsets")
    return kept


def _has_shape(values: list[Any], shape: tuple[int, ...]) -> bool:
    if len(values) != shape[0]:
        return False
    return len(shape) == 1 or all(_has_shape(each, shape[1:]) for each in values)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{TWINS}, '{'.'.join(map(str, first['loc']))}': {first['msg']}"
