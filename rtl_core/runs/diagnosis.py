"""What a diagnosis holds: levels and layers on the way down, where something turned, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rtl_core.documents import INLINE
from rtl_core.runs.retraining_file import Relaxed
from rtl_core.statistics.estimates import Interval


@dataclass(frozen=True)
class Round:
    """One level: overlap of the pairs, NaN where none defines it, and means over the tickets of what was measured.

    round, kind    the level's index, and whether it is denser, target or lighter
    chance_low     with chance_high: 95 % of random masks
    figures, ci    balanced accuracy, accuracy and the run's metric with [low, high]; None where not measured
    confidence     None as above; drop: how far it lies below its best so far, of retrained levels
    brier          mean Brier score; doubt_spread: of the rows' doubt, for answers that are not one of a few
    off_best       how far the alarm's signal is off its best so far, of retrained levels
    measure        how: "retrained", "extraction" or "final"; None
    """

    round: int
    density: float
    kind: str
    iou_mean: float
    chance_mean: float
    chance_low: float
    chance_high: float
    excess_mean: float
    figures: dict[str, float | None] = field(metadata=INLINE)
    confidence: float | None
    ci: dict[str, Interval]
    drop: float | None
    measure: str | None
    brier: float | None = None
    doubt_spread: float | None = None
    off_best: float | None = None


@dataclass(frozen=True)
class LayerRound:
    """One layer at one level, as `similarity.layer_profile` gives it: NaN where no pair defines a value."""

    round: int
    density: float
    layer: str
    iou_mean: float
    chance_mean: float
    excess_mean: float
    density_mean: float
    empty_tickets: int


@dataclass(frozen=True)
class Place:
    """A level."""

    round: int
    density: float


@dataclass(frozen=True)
class Alarm(Place):
    """The first level whose signal is `drop` off its best so far, `threshold` or more."""

    drop: float
    threshold: float


@dataclass(frozen=True)
class Flag(Place):
    """Where something turned: "up" or "down", of which signal, in which layer (None: all); whether it is the alarm."""

    direction: str
    signal: str
    layer: str | None
    alarm: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PolicyEvent:
    """An alarm that a run noted while it trained: its `signal` was `drop` off its best so far; `falls_most` is the
    subset whose ticket fell most. Runs of earlier versions wrote no signal, which was confidence, and no threshold."""

    time: float | None = None
    phase: Literal["collapse"]
    method: str = "rtl"
    ticket: str | None = None
    round: int
    step: int = 0
    steps: int = 0
    policy: str
    confidence: float | None = None
    drop: float
    density: float
    safe_density: float
    falls_most: str
    signal: str = "confidence"
    threshold: float | None = None
    brier: float | None = None


@dataclass(frozen=True)
class Probe:
    """What retraining the levels took: steps a ticket and level, and seconds."""

    steps: int
    seconds: float


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` finds.

    metric             the task's headline figure
    watched            whether confidence was measured on retrained levels, so that an alarm can be given
    signal             what the alarm goes by: "brier", "doubt", or "confidence" alone where no more was recorded; None
                       where the task has no doubt
    threshold          how far off its best so far the signal is an alarm
    n                  validation rows a ticket, at least; None where nothing was measured
    rounds, layers     densest first
    flags              the alarm first, then by round
    fall               where `metric` fell; lead: rounds that the alarm comes before it
    last_safe_density  the last retrained one before the alarm; None where no level was retrained
    relaxed, probe     what was measured by training again; None where it was not
    confidence_unit    "share": a probability; "": a doubt with its sign turned; None: the task has no doubt
    """

    run: str
    k: int
    metric: str
    watched: bool
    threshold: float
    n: int | None
    rounds: list[Round]
    layers: list[LayerRound]
    flags: list[Flag]
    alarm: Alarm | None
    fall: Place | None
    lead: int | None
    last_safe_density: float | None
    policy: str
    policy_events: list[PolicyEvent]
    relaxed: Relaxed | None
    probe: Probe | None
    advice: str = ""
    confidence_unit: str | None = "share"
    signal: str | None = "confidence"
