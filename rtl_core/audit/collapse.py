"""Collapse of tickets: what is measured of their answers, an alarm, and the round in which accuracy fell.

The alarm goes by the Brier score of the tickets' answers to validation rows: retrained after every cut, they give less
probability to what is right before they err more, while a network that was only too sure of itself and grows less so
scores no worse. Answers that are not one of a few have a doubt instead, and runs of earlier versions the confidence
alone. Overlap of the masks is computed and shown; it changes too late to warn, or not at all (docs/collapse.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rtl_core.config import CollapseSettings
from rtl_core.tasks.classification import ACCURACY
from rtl_core.tasks.task import Figure, Task


def signals(
    task: Task, answers: np.ndarray, doubt: np.ndarray | None, truth: np.ndarray | None = None
) -> dict[str, float | None]:
    """What a ticket's answers to n inputs, and its doubt (n,), say of it; only `brier` needs their truth.

    confidence    mean over the inputs of the largest probability among the possible answers; where an answer is not one
                  of a few, the mean doubt with its sign turned; None where the task has no doubt either
    entropy       mean entropy of the answers over its largest possible value, 0 to 1; None where there is none
    brier         mean squared distance of the probabilities from 1 for what is right and 0 for the rest (Brier, 1950),
                  0 to 2; missing where an answer is not one of a few, or without a truth
    doubt_spread  standard deviation of the doubt over the inputs; only where an answer is not one of a few
    """
    if task.log_p is None:
        if doubt is None:
            return {"confidence": None, "entropy": None}
        return {"confidence": -float(doubt.mean()), "entropy": None, "doubt_spread": float(doubt.std())}
    log_p = task.log_p(answers)
    p = np.exp(log_p)
    entropy = -(p * np.maximum(log_p, np.log(np.finfo(float).tiny))).sum(axis=1).mean() / np.log(p.shape[1])
    measured = {"confidence": float(p.max(axis=1).mean()), "entropy": float(entropy)}
    return measured if truth is None else {**measured, "brier": _brier(p, truth)}


def _brier(p: np.ndarray, truth: np.ndarray) -> float:
    """Of probabilities (n, choices); truth: n indices of the right choices."""
    right = p[np.arange(len(p)), truth.reshape(len(p)).astype(int)]
    return float(((p**2).sum(axis=1) - 2 * right + 1).mean())


Figures = Mapping[str, float | None]  # what `signals` gives, or its means over the tickets


@dataclass(frozen=True)
class Signal:
    """What an alarm goes by.

    name       "brier", "confidence" or "doubt"
    needs      the figures of `signals` that it is computed from
    off_best   those figures of every round, densest first -> (rounds,) how far each is off the best so far, 0 or more
    threshold  the settings -> how far off is an alarm
    """

    name: str
    needs: tuple[str, ...]
    off_best: Callable[[Sequence[Figures]], np.ndarray]
    threshold: Callable[[CollapseSettings], float]


def _doubt_risen(rounds: Sequence[Figures]) -> np.ndarray:
    """The rise of the mean doubt over its least so far, in standard deviations of the rows' doubt in that round: a
    doubt has no unit that a threshold could be given in for every task."""
    sure = np.array([figures["confidence"] for figures in rounds])
    best = [int(np.argmax(sure[: i + 1])) for i in range(len(sure))]
    spread = np.array([rounds[i]["doubt_spread"] for i in best])
    return (sure[best] - sure) / np.maximum(spread, np.finfo(float).tiny)


BRIER = Signal(
    "brier",
    ("brier",),
    lambda rounds: drops([-figures["brier"] for figures in rounds]),
    lambda settings: settings.brier_threshold,
)
DOUBT = Signal("doubt", ("confidence", "doubt_spread"), _doubt_risen, lambda settings: settings.doubt_threshold)
CONFIDENCE = Signal(
    "confidence",
    ("confidence",),
    lambda rounds: drops([figures["confidence"] for figures in rounds]),
    lambda settings: settings.threshold,
)


def signal_of(task: Task, rounds: Sequence[Figures], settings: CollapseSettings) -> Signal | None:
    """The signal that an alarm goes by in rounds of which some figures are known: confidence alone where the settings
    say so or an earlier version recorded no more; None where the task has no doubt."""
    if confidence_unit(task) is None:
        return None
    if settings.signal == "confidence":
        return CONFIDENCE
    better = BRIER if task.log_p is not None else DOUBT
    known = all(figures.get(name) is not None for figures in rounds for name in better.needs)
    return better if known else CONFIDENCE


@dataclass(frozen=True)
class Warned:
    """An alarm in the last of some rounds: the means over the tickets there, how far the signal is off its best, the
    threshold, and the ticket (its index) that fell most since the best round."""

    signal: str
    figures: Figures
    off_best: float
    threshold: float
    falls_most: int


def warning(task: Task, rounds: Sequence[Sequence[Figures]], settings: CollapseSettings) -> Warned | None:
    """Whether the last round warns, by every ticket's `signals` in every round, densest first; None where it does
    not."""
    means = [_means(tickets) for tickets in rounds]
    signal = signal_of(task, means, settings)
    off_best, threshold = signal.off_best(means), signal.threshold(settings)
    if off_best[-1] < threshold:
        return None
    best = int(np.flatnonzero(off_best == 0)[-1])
    each = [signal.off_best([rounds[best][k], rounds[-1][k]])[-1] for k in range(len(rounds[-1]))]
    return Warned(signal.name, means[-1], float(off_best[-1]), threshold, int(np.argmax(each)))


def _means(tickets: Sequence[Figures]) -> dict[str, float]:
    names = ("brier", "confidence", "doubt_spread")
    known = {name: [figures.get(name) for figures in tickets] for name in names}
    return {name: float(np.mean(values)) for name, values in known.items() if None not in values}


def confidence_unit(task: Task) -> str | None:
    """Of `signals`' confidence: "share" where it is a probability, "" where it is a doubt with its sign turned."""
    if task.log_p is not None:
        return "share"
    return None if task.doubt is None else ""


def drops(values: Sequence[float]) -> np.ndarray:
    """(rounds,) how far each value lies below the best up to it."""
    values = np.asarray(values, float)
    return np.maximum.accumulate(values) - values


def first_alarm(off_best: Sequence[float], threshold: float) -> int | None:
    """The first round, from 0, whose signal is `threshold` or more off its best so far; None where none is."""
    above = np.flatnonzero(np.asarray(off_best) >= threshold)
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


def judge(off_best: Sequence[float], accuracy: Sequence[float], threshold: float) -> Judged:
    """How the alarm did in one run: in time is 1 to `EARLY_ROUNDS` rounds before accuracy falls."""
    alarm, at = first_alarm(off_best, threshold), fall(accuracy)
    if at is None:
        return Judged(alarm, None, None, SILENT if alarm is None else FALSE_ALARM)
    if alarm is None:
        return Judged(None, at, None, MISSED)
    lead = at - alarm
    return Judged(alarm, at, lead, TOO_LATE if lead < 1 else IN_TIME if lead <= EARLY_ROUNDS else TOO_EARLY)


def stopping_before(values: Sequence[float], rounds: int, figure: Figure = ACCURACY) -> int | None:
    """How many of a run's rounds another one has that stopped `rounds` before the fall and did not fall itself: the
    hardest kind of run to be silent in. All of them where nothing falls; None where fewer than three would be left."""
    at = fall(values, figure)
    if at is None:
        return len(values)
    return next((n for n in range(at - rounds + 1, 2, -1) if fall(values[:n], figure) is None), None)


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
