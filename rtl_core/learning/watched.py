"""Algorithm 1 for all tickets in step, listening after every round whether they still know what they did.

An extraction on its own cannot tell: one ticket's curve is too noisy, the mean of all is not (docs/collapse.md).
So all tickets train a round, an alarm hears their mean signal, and a policy decides: go on (`warn`), keep the
last safe masks (`stop`), or go back to them and on with smaller cuts (`relax`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rtl_core.config import Config
from rtl_core.events import Event, Report
from rtl_core.learning.extract import MAX_RUNGS, Extraction, Measure, Rounds, steps_down
from rtl_core.learning.parts import Part
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import nested, numbered

SIGNAL = "confidence"  # what of a measurement the alarm hears

Alarm = Callable[[Sequence[float]], bool]  # a signal's values, densest first -> does the last one warn?
SideBySide = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@dataclass
class _Rung:
    """One density on the way down: masks (K, N), and after its round the trained parts and the mean signal."""

    density: float
    masks: np.ndarray
    trained: list[Part] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)

    @property
    def signal(self) -> float:
        return float(np.mean([found[SIGNAL] for found in self.found]))


def extract_watched(
    tickets: Sequence[Rounds],
    measures: Sequence[Measure],
    config: Config,
    alarm: Alarm,
    side_by_side: SideBySide,
    report: Report,
) -> list[Extraction]:
    """Every ticket's extraction, in the order of `tickets`; `measures`: how each is measured after a round.

    Differs from `extract`: the target's own masks are trained and heard too (one round more), the lighter rungs rank
    what that round left, and after an alarm the target is the last safe density.
    """
    n, policy, settings = tickets[0].n, config.collapse, config.extract
    target, relaxed, spent, rang = kept_count(config.density, n), 0, 0, False
    path = [_Rung(1.0, np.ones((len(tickets), n), bool))]
    stops = [*steps_down(settings, n, target), target]
    while True:
        rung, spent = path[-1], spent + 1
        _train_round(rung, tickets, measures, spent, side_by_side)
        if alarm([each.signal for each in path]) and not (rang and policy.policy == "warn"):
            rang = True
            _tell(report, policy.policy, path, spent)
            if policy.policy != "warn":
                path.pop()
                stops = []
                if policy.policy == "relax" and relaxed < policy.relaxations:
                    relaxed += 1
                    settings = settings.model_copy(
                        update={"fraction": settings.fraction / 2, "count": max(1, settings.count // 2)}
                    )
                    stops = [*steps_down(settings, _kept(path[-1]), target), target]
        if not stops or len(path) == MAX_RUNGS:
            break
        path.append(_cut(path[-1], tickets, stops.pop(0) / n))
    lighter = _lighter(path[-1], tickets, [d for d in config.lighter if d < path[-1].density])
    return _extractions(path, lighter, spent * settings.steps)


def _train_round(
    rung: _Rung, tickets: Sequence[Rounds], measures: Sequence[Measure], round_: int, side_by_side: SideBySide
) -> None:
    def one(k: int) -> tuple[Part, dict[str, Any]]:
        trained = tickets[k].train(rung.masks[k], round_)
        found = {"density": rung.density, **measures[k](trained)}
        tickets[k].tell(round_, found)
        return trained, found

    done = side_by_side([lambda k=k: one(k) for k in range(len(tickets))])
    rung.trained, rung.found = [part for part, _ in done], [found for _, found in done]


def _kept(rung: _Rung) -> int:
    return int(rung.masks[0].sum())


def _cut(rung: _Rung, tickets: Sequence[Rounds], density: float) -> _Rung:
    masks = [each.cut(part, mask, density) for each, part, mask in zip(tickets, rung.trained, rung.masks, strict=True)]
    return _Rung(density, np.stack(masks))


def _lighter(rung: _Rung, tickets: Sequence[Rounds], densities: Sequence[float]) -> list[_Rung]:
    """Nested below the target, ranked by what its round has trained."""
    found = []
    for density in sorted(set(densities), reverse=True):
        rung = replace(_cut(rung, tickets, density), trained=rung.trained)
        found.append(rung)
    return found


def _tell(report: Report, policy: str, path: Sequence[_Rung], round_: int) -> None:
    """The alarm as an event: what was heard, where, and which tickets fell most."""
    now, best = path[-1], max(path, key=lambda rung: rung.signal)
    drops = [a[SIGNAL] - b[SIGNAL] for a, b in zip(best.found, now.found, strict=True)]
    most = now.trained[int(np.argmax(drops))].subset
    values = {
        "policy": policy,
        SIGNAL: now.signal,
        "drop": best.signal - now.signal,
        "density": now.density,
        "safe_density": path[-2].density,
        "falls_most": most,
    }
    report(Event("collapse", "rtl", round=round_, values=values))


def _extractions(path: Sequence[_Rung], lighter: Sequence[_Rung], steps: int) -> list[Extraction]:
    kinds = ["denser"] * (len(path) - 1) + ["target"] + ["lighter"] * len(lighter)
    every = [*path, *lighter]
    rungs = numbered((each.density, kind) for each, kind in zip(every, kinds, strict=True))
    at = dict(zip(rungs, every, strict=True))
    extractions = []
    for k in range(len(path[0].masks)):
        pruned_at = nested(rungs, path[0].masks.shape[1], lambda rung, k=k: at[rung].masks[k])
        records = tuple(
            {"rung": rung.index, "measure": "retrained", **each.found[k]}
            for rung, each in zip(rungs, path, strict=False)
        )
        extractions.append(Extraction(pruned_at, rungs, records, path[-1].trained[k], steps))
    return extractions
