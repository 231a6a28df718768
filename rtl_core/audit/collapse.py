"""Collapse of tickets: signals without labels, an alarm, and the round in which accuracy fell.

The alarm hears the tickets' mean confidence: retrained after every cut, they grow less sure of their answers before
they err more. Overlap of the masks is computed and shown beside it; it changes too late to warn, or not at all
(docs/collapse.md has the measurement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtl_core.tasks.classification import ACCURACY
from rtl_core.tasks.task import Figure, Task


def signals(task: Task, answers: np.ndarray, doubt: np.ndarray | None) -> dict[str, float | None]:
    """What a ticket's answers to n inputs without labels, and its doubt (n,), say of it.

    confidence  mean over the inputs of the largest probability among the possible answers; where an answer is not one
                of a few, the mean doubt with its sign turned; None where the task has no doubt either
    entropy     mean entropy of the answers over its largest possible value, 0 to 1; None where there is none
    """
    if task.log_p is None:
        return {"confidence": None if doubt is None else -float(doubt.mean()), "entropy": None}
    log_p = task.log_p(answers)
    p = np.exp(log_p)
    entropy = -(p * np.maximum(log_p, np.log(np.finfo(float).tiny))).sum(axis=1).mean() / np.log(p.shape[1])
    return {"confidence": float(p.max(axis=1).mean()), "entropy": float(entropy)}


def confidence_unit(task: Task) -> str | None:
    """Of `signals`' confidence: "share" where it is a probability, "" where it is a doubt with its sign turned."""
    if task.log_p is not None:
        return "share"
    return None if task.doubt is None else ""


def drops(values: Sequence[float]) -> np.ndarray:
    """(rounds,) how far each value lies below the best up to it."""
    values = np.asarray(values, float)
    return np.maximum.accumulate(values) - values


def warns(values: Sequence[float], threshold: float) -> bool:
    """Whether the last of the values, densest round first, lies `threshold` or more below the best so far."""
    return bool(drops(values)[-1] >= threshold)


def first_alarm(values: Sequence[float], threshold: float) -> int | None:
    """The first round, from 0, in which the values warn; None where none does."""
    above = np.flatnonzero(drops(values) >= threshold)
    return int(above[0]) if above.size else None


def fall(values: Sequence[float], figure: Figure = ACCURACY) -> int | None:
    """Collapse, by definition: the first round, from 0, whose figure lies `Figure.fall` off its best so far and is
    followed by another one that does, or by none; labels are needed for this, so it confirms and never warns."""
    fallen = drops(figure.sign * np.asarray(values, float)) >= figure.fall
    for round_ in np.flatnonzero(fallen):
        if fallen[round_ : round_ + 2].all():
            return int(round_)
    return None


EARLY_ROUNDS = 4  # an alarm that rings longer before the fall than this is too early to be of use
IN_TIME, TOO_EARLY, TOO_LATE, MISSED = "in time", "too early", "too late", "missed"
FALSE_ALARM, SILENT = "false alarm", "rightly silent"


@dataclass(frozen=True)
class Judged:
    """An alarm beside what accuracy did: rounds from 0, None where there is none; lead in rounds of warning."""

    alarm: int | None
    fall: int | None
    lead: int | None
    verdict: str


def judge(signal: Sequence[float], accuracy: Sequence[float], threshold: float) -> Judged:
    """How the alarm did in one run: in time is 1 to `EARLY_ROUNDS` rounds before accuracy falls."""
    alarm, at = first_alarm(signal, threshold), fall(accuracy)
    if at is None:
        return Judged(alarm, None, None, SILENT if alarm is None else FALSE_ALARM)
    if alarm is None:
        return Judged(None, at, None, MISSED)
    lead = at - alarm
    return Judged(alarm, at, lead, TOO_LATE if lead < 1 else IN_TIME if lead <= EARLY_ROUNDS else TOO_EARLY)


@dataclass(frozen=True)
class Turn:
    """Where a curve turns: the round (from 0), "up" or "down", and by how much."""

    round: int
    direction: str
    change: float


RISE = 0.02  # above the least value so far
DROP = 0.05  # in one round, and three times what a round usually takes


def turns(values: Sequence[float | None]) -> list[Turn]:
    """The first rise above the least value so far and the first sudden drop of an overlap's curve, densest first.

    Overlap falls on the way down as it must; a rise says that what is left is the same in all tickets, a sudden drop
    that they part. Neither warns in time, both tell what happened. NaN (no pair, or nothing left) is passed over.
    """
    known = [(i, float(v)) for i, v in enumerate(values) if v is not None and np.isfinite(v)]
    if len(known) < 3:
        return []
    rounds, curve = np.array([i for i, _ in known]), np.array([v for _, v in known])
    least, steps = np.minimum.accumulate(curve), np.diff(curve)
    turning = []
    risen = np.flatnonzero(curve >= least + RISE)
    if risen.size:
        turning.append(Turn(int(rounds[risen[0]]), "up", float(curve[risen[0]] - least[risen[0]])))
    usual = np.median(np.abs(steps))
    dropped = np.flatnonzero(-steps >= max(DROP, 3 * usual))
    if dropped.size:
        turning.append(Turn(int(rounds[dropped[0] + 1]), "down", float(steps[dropped[0]])))
    return turning
