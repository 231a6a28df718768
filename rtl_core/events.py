"""What loops tell the outside: progress events, and a journal that lets them stop and go on.

A training loop knows nothing of files, screens or logging. It calls `report(event)` to say where it
is and `journal.mark(...)` after every step; whoever started it decides what to do with either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, pi
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import torch  # the command line and the app know events, but load torch only where it computes

Tensors: TypeAlias = "dict[str, torch.Tensor]"


class Stopped(Exception):
    """Raised by a journal after it has saved the state, when somebody asked the run to stop."""


@dataclass(frozen=True)
class Stage:
    """A stretch of training, and its place in the whole run.

    steps   batches per ticket
    ticket  whose extraction it belongs to; round: of the extraction, and how many weights its mask keeps
    decay   "cosine": the learning rate falls to 0 along half a cosine; "none": it stays
    """

    phase: str
    method: str
    steps: int
    learning_rate: float
    seed: int
    ticket: str | None = None
    round: int | None = None
    kept: int | None = None
    decay: str = "none"

    def rate(self, step: int) -> float:
        """The share of the learning rate with which a step, counted from 0, is taken."""
        return (1 + cos(pi * step / self.steps)) / 2 if self.decay == "cosine" else 1.0

    @property
    def key(self) -> str:
        """Unique in the run: what a journal keeps the state under, in interrupted runs on disk too."""
        place = (value for value in (self.ticket, self.round, self.kept) if value is not None)
        return "/".join([*dict.fromkeys((self.method, self.phase)), *map(str, place)])  # "backbone" is both, said once


class Diverged(ArithmeticError):
    """Raised by a loop whose loss is infinite or no number: nothing that it could train on is left."""

    def __init__(self, stage: Stage, step: int, loss: float):
        super().__init__(f"the loss of '{stage.method}' became {loss} in step {step} of {stage.phase}")
        self.stage = stage


@dataclass(frozen=True)
class Event:
    """One thing that happened: a step, a pruning round, a measurement."""

    phase: str  # "warm_start", "extract", "joint", "recalibrate", "evaluate"
    method: str  # "rtl", "random", ... : for whom
    step: int = 0  # steps done in this stage
    steps: int = 0  # steps of this stage in all
    ticket: str | None = None
    round: int | None = None
    values: dict[str, float | int | str | None] = field(default_factory=dict)  # loss, density, balanced_accuracy ...


Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """A report that tells nobody."""


class Journal(Protocol):
    """Where a loop leaves its state so that it can be stopped at any step and resumed bit for bit.

    `state` is everything needed to go on from step `step` of a stage (randomness is a function of the step, so no
    generator state is among it).
    """

    def recall(self, stage: Stage) -> tuple[int, Tensors] | None:
        """The last (step, state) kept for `stage`, or None where it has not begun."""

    def mark(self, stage: Stage, step: int, last: bool, state: Callable[[], Tensors]) -> None:
        """Called after every step. May keep `state()`; always does when `last`. May raise Stopped."""


class MemoryJournal:
    """Keeps the finished stages in memory: for scripts, notebooks and tests."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[int, Tensors]] = {}

    def recall(self, stage: Stage) -> tuple[int, Tensors] | None:
        return self._stages.get(stage.key)

    def mark(self, stage: Stage, step: int, last: bool, state: Callable[[], Tensors]) -> None:
        if last:
            self._stages[stage.key] = (step, {name: t.detach().clone() for name, t in state().items()})
