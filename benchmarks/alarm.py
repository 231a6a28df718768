"""Which rule rings before tickets collapse and is silent just above: `python -m benchmarks.alarm`.

Thresholds are chosen on the tuning runs and meet the held-out ones, which have other seeds and other data or partitions
(alarm_runs.py). Every descent is judged twice: to its end, and as the run that would have stopped shortly before its
accuracy fell. The page is docs/results/alarm.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rtl_core.audit import collapse

Rounds = dict[str, list[float]]
Runs = dict[str, dict]

OLD = 0.02  # the alarm's threshold before this study


@dataclass(frozen=True)
class Rule:
    """An alarm that rings in the first round in which `rise` reaches a threshold.

    sees  which labels it is told
    rise  per round, densest first: more is nearer to collapse
    """

    sees: str
    rise: Callable[[Rounds], np.ndarray]


def falling(name: str) -> Callable[[Rounds], np.ndarray]:
    return lambda rounds: collapse.drops(rounds[name])


def rising(name: str) -> Callable[[Rounds], np.ndarray]:
    return lambda rounds: collapse.drops(-np.array(rounds[name]))


def relative(name: str) -> Callable[[Rounds], np.ndarray]:
    """A loss over its least so far."""
    return lambda rounds: collapse.drops(-np.log(np.maximum(rounds[name], 1e-3)))


def since_best(name: str, of: str) -> Callable[[Rounds], np.ndarray]:
    """How far `of` lies below what `name` was at its best so far: what a cut is going to do, before it is trained."""
    return lambda rounds: np.maximum.accumulate(rounds[name]) - np.array(rounds[of])


def both(a: Callable[[Rounds], np.ndarray], b: Callable[[Rounds], np.ndarray]) -> Callable[[Rounds], np.ndarray]:
    return lambda rounds: np.minimum(a(rounds), b(rounds))


def in_spreads(rounds: Rounds) -> np.ndarray:
    """The rise of the mean doubt over its least so far, in standard deviations of the rows' doubt at that round."""
    doubt, spread = np.array(rounds["doubt"]), np.array(rounds["doubt_spread"])
    least = [int(np.argmin(doubt[: i + 1])) for i in range(len(doubt))]
    return (doubt - doubt[least]) / spread[least]


def less_overconfidence(rounds: Rounds) -> np.ndarray:
    """The drop of confidence on validation rows, less what training rows have more of it than they are right."""
    over = np.array(rounds["train_confidence"]) - np.array(rounds["confidence"])
    best = [int(np.argmax(rounds["confidence"][: i + 1])) for i in range(len(over))]
    return collapse.drops(rounds["confidence"]) - np.maximum(over[best] - over, 0)


RULES: dict[str, Rule] = {
    "confidence": Rule("none", falling("confidence")),
    "confidence on training rows": Rule("none", falling("train_confidence")),
    "confidence, on validation and training rows": Rule(
        "none", both(falling("confidence"), falling("train_confidence"))
    ),
    "confidence, less the gap to training rows": Rule("none", less_overconfidence),
    "doubt, in spreads": Rule("none", in_spreads),
    "confidence after the next cut": Rule("none", since_best("confidence", "next_confidence")),
    "answers that the next cut changes": Rule("none", lambda rounds: 1 - np.array(rounds["next_agreement"])),
    "divergence after the next cut": Rule("none", lambda rounds: np.array(rounds["next_divergence"])),
    "accuracy on training rows": Rule("training rows", falling("train_accuracy")),
    "loss on training rows": Rule("training rows", rising("train_loss")),
    "accuracy": Rule("validation rows", falling("accuracy")),
    "loss": Rule("validation rows", rising("loss")),
    "calibrated loss": Rule("validation rows", rising("calibrated_loss")),
    "calibrated loss, relative": Rule("validation rows", relative("calibrated_loss")),
    "Brier score": Rule("validation rows", rising("brier")),
    "accuracy after the next cut": Rule("validation rows", since_best("accuracy", "next_accuracy")),
}


def prefix(run: dict, margin: int) -> int | None:
    """How many rounds of a descent are a run that stopped `margin` rounds before its fall and did not fall; all of one
    that never falls; None where nothing is left."""
    values = run["rounds"][run["metric"]]
    at = collapse.fall(values)
    if at is None:
        return len(values)
    for rounds in range(at - margin + 1, 2, -1):
        if collapse.fall(values[:rounds]) is None:
            return rounds
    return None


def first(rise: np.ndarray, threshold: float) -> int | None:
    above = np.flatnonzero(rise >= threshold)
    return int(above[0]) if above.size else None
