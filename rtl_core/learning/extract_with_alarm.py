"""Algorithm 1 for all tickets in step, with a test for collapse after every round.

An extraction on its own cannot tell: one ticket's curve is too noisy, the mean of all is not (docs/collapse.md).
So all tickets train a round, an alarm is given what was measured of all, and a policy decides: go on (`warn`), keep the
last safe masks (`stop`), or go back to them and on with smaller cuts (`relax`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rtl_core.config import Config
from rtl_core.events import Event, Report
from rtl_core.learning.cut_together import Scored, cuts_together
from rtl_core.learning.extract import MAX_LEVELS, Extraction, Measure, Rounds, SideBySide, steps_down
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import nested, numbered

Figures = dict[str, Any]  # what was measured of a ticket after a round


@dataclass(frozen=True)
class Raised:
    """What an alarm says of the last round: figures for the event, and the ticket (its index) that fell most."""

    values: Figures
    falls_most: int


Alarm = Callable[[Sequence[Sequence[Figures]]], Raised | None]  # every round's tickets, densest first


@dataclass
class _WatchedLevel:
    """One density on the way down: masks (K, N), and after its round the trained subnetworks and their measurements."""

    density: float
    masks: np.ndarray
    trained: list[Subnetwork] = field(default_factory=list)
    measured: list[Figures] = field(default_factory=list)


def extract_watched(
    tickets: Sequence[Rounds],
    measures: Sequence[Measure],
    config: Config,
    alarm: Alarm,
    side_by_side: SideBySide,
    report: Report,
) -> list[Extraction]:
    """Every ticket's extraction, in the order of `tickets`; `measures`: how each is measured after a round.

    Differs from `extract`: the target's own masks are trained and watched too (one round more), the lighter levels rank
    what that round left, and after an alarm the target is the last safe density.
    """
    n, policy, settings = tickets[0].n, config.collapse, config.extract
    target, relaxed, spent, alarmed = kept_count(config.density, n), 0, 0, False
    path = [_WatchedLevel(1.0, np.ones((len(tickets), n), bool))]
    stops = [*steps_down(settings, n, target), target]
    while True:
        level, spent = path[-1], spent + 1
        _train_round(level, tickets, measures, spent, side_by_side)
        warning = alarm([each.measured for each in path])
        if warning is not None and not (alarmed and policy.policy == "warn"):
            alarmed = True
            _tell(report, policy.policy, path, spent, warning)
            if policy.policy != "warn":
                path.pop()
                stops = []
                if policy.policy == "relax" and relaxed < policy.relaxations:
                    relaxed += 1
                    settings = settings.model_copy(
                        update={"fraction": settings.fraction / 2, "count": max(1, settings.count // 2)}
                    )
                    stops = [*steps_down(settings, _kept(path[-1]), target), target]
        if not stops or len(path) == MAX_LEVELS:
            break
        path.append(_cut(path[-1], tickets, stops.pop(0) / n))
    below = sorted({d for d in config.lighter if d < path[-1].density}, reverse=True)
    lighter = _cuts(path[-1], tickets, below)
    return _extractions(path, lighter, spent * settings.steps, settings.sharing)


def _train_round(
    level: _WatchedLevel, tickets: Sequence[Rounds], measures: Sequence[Measure], round_: int, side_by_side: SideBySide
) -> None:
    def one(k: int) -> tuple[Subnetwork, dict[str, Any]]:
        (trained,) = tickets[k].train(level.masks[k], round_)
        figures = {"density": level.density, **measures[k](trained)}
        tickets[k].tell(round_, figures)
        return trained, figures

    done = side_by_side([lambda k=k: one(k) for k in range(len(tickets))])
    level.trained, level.measured = [subnetwork for subnetwork, _ in done], [figures for _, figures in done]


def _kept(level: _WatchedLevel) -> int:
    return int(level.masks[0].sum())


def _cut(level: _WatchedLevel, tickets: Sequence[Rounds], density: float) -> _WatchedLevel:
    return _cuts(level, tickets, [density])[0]


def _cuts(level: _WatchedLevel, tickets: Sequence[Rounds], densities: Sequence[float]) -> list[_WatchedLevel]:
    """Nested levels below, ranked by what the level's round has trained."""
    sharing = tickets[0].experiment.config.extract.sharing
    scored = Scored.of(tickets, [[each] for each in level.trained])
    masks = cuts_together(scored, level.masks, densities, sharing)
    return [_WatchedLevel(density, at) for density, at in zip(densities, masks, strict=True)]


def _tell(report: Report, policy: str, path: Sequence[_WatchedLevel], round_: int, warning: Raised) -> None:
    """The alarm as an event: what it went by, where, and which ticket fell most."""
    now = path[-1]
    values = {
        "policy": policy,
        **warning.values,
        "density": now.density,
        "safe_density": path[-2].density,
        "falls_most": now.trained[warning.falls_most].subset,
    }
    report(Event("collapse", "rtl", round=round_, values=values))


def _extractions(
    path: Sequence[_WatchedLevel], lighter: Sequence[_WatchedLevel], steps: int, sharing: float
) -> list[Extraction]:
    kinds = ["denser"] * (len(path) - 1) + ["target"] + ["lighter"] * len(lighter)
    every = [*path, *lighter]
    levels = numbered((each.density, kind) for each, kind in zip(every, kinds, strict=True))
    at = dict(zip(levels, every, strict=True))
    extractions = []
    for k in range(len(path[0].masks)):
        pruned_at = nested(levels, path[0].masks.shape[1], lambda level, k=k: at[level].masks[k])
        records = tuple(
            {"rung": level.index, "measure": "retrained", **each.measured[k]}
            for level, each in zip(levels, path, strict=False)
        )
        extractions.append(Extraction(pruned_at, levels, records, (path[-1].trained[k],), steps, sharing))
    return extractions
