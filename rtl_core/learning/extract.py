"""Algorithm 1: how a ticket is extracted on its own subset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from rtl_core.config import ExtractSettings, OptimiserSettings
from rtl_core.errors import BadInput
from rtl_core.events import Event, Journal, Report
from rtl_core.learning.joint import Inputs, Stage, train_jointly
from rtl_core.learning.parts import Part
from rtl_core.learning.subsets import Subset
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count, prune
from rtl_core.tickets.ticket_set import KEPT, Rung

MAX_RUNGS = 255  # `pruned_at` is one byte

Measure = Callable[[Part], dict[str, float]]  # how well the weights just trained do when cut to a mask


@dataclass(frozen=True)
class Ladder:
    """The rungs from dense to lightest, and after which round of training each is cut."""

    rungs: tuple[Rung, ...]
    rounds: tuple[tuple[Rung, ...], ...]  # per round of training, the rungs cut after it


def ladder(
    settings: ExtractSettings, density: float, n: int, denser: Sequence[float], lighter: Sequence[float]
) -> Ladder:
    """Which densities an extraction passes on its way to the target and below.

    one_shot cuts every rung from the same trained weights; fraction and count train before every cut
    down to the target (the paper). Lighter rungs go on ranking the last weights in any case.
    """
    below = [(d, "lighter") for d in sorted(set(lighter), reverse=True) if d < density]
    last = [(density, "target"), *below]
    if settings.schedule == "one_shot":
        groups = [[*((d, "denser") for d in sorted(set(denser), reverse=True) if d > density), *last]]
    else:
        groups = [*([(d, "denser")] for d in _steps_down(settings, density, n)), last]
        groups[0].insert(0, (1.0, "denser"))  # what the first round's training reached before any cut
    if sum(map(len, groups)) > MAX_RUNGS:
        raise BadInput(
            f"this schedule has {sum(map(len, groups))} rungs and at most {MAX_RUNGS} can be kept; "
            "remove more weights per round (extract.fraction or extract.count)"
        )
    index = count(1)
    rounds = tuple(tuple(Rung(next(index), d, kind) for d, kind in group) for group in groups)
    return Ladder(tuple(rung for group in rounds for rung in group), rounds)


def _steps_down(settings: ExtractSettings, density: float, n: int) -> list[float]:
    """Densities strictly between 1 and the target that rounds of pruning stop at."""
    target, kept, stops = kept_count(density, n), n, []
    while len(stops) <= MAX_RUNGS:
        kept -= settings.count if settings.schedule == "count" else max(1, round(kept * settings.fraction))
        if kept <= target:
            return stops
        stops.append(kept / n)
    return stops


@dataclass(frozen=True)
class Extraction:
    """pruned_at uint8 (N,) as in `TicketSet`; records: per rung what `measure` found, with its rung's index."""

    pruned_at: np.ndarray
    records: tuple[dict, ...]


def extract(
    network: Network,
    rewind: Callable[[np.ndarray], Sequence[Part]],
    subsets: Sequence[Subset],
    layout: Layout,
    inputs: Inputs,
    rungs: Ladder,
    settings: ExtractSettings,
    optimiser: OptimiserSettings,
    stage: Stage,
    report: Report,
    journal: Journal,
    measure: Measure | None = None,
) -> Extraction:
    """Algorithm 1 of the paper.

    rewind   mask -> fresh parts at theta_0 with that mask: one part for a ticket, one per subset (over the
             same weights) for a single mask that serves all
    Line by line: m <- 1; repeat: rewind W to theta_0; train T steps with m; prune the lowest scores among
    the weights still kept; until the target density. Deviations: the score and the schedule are settings;
    ranking goes on below the target for the lighter rungs, without more training.
    """
    mask = np.ones(layout.n, dtype=bool)  # m <- 1
    pruned_at = np.full(layout.n, KEPT, dtype=np.uint8)
    records = []
    for round_, cuts in enumerate(rungs.rounds, start=1):
        parts = rewind(mask)  # W <- theta_0
        kept = int(mask.sum())
        here = replace(stage, name=f"{stage.name}/{kept}", round=round_)
        train_jointly(network, parts, subsets, layout, inputs, here, optimiser, report, journal)
        weights = layout.flatten(parts[0].shared).cpu().numpy()
        for rung in cuts:
            smaller = prune(
                weights, mask, kept_count(rung.density, layout.n), settings.score, layout, settings.layer_floor
            )
            pruned_at[mask & ~smaller] = rung.index
            mask = smaller
            if measure is not None and rung.kind != "lighter":
                found = {"density": rung.density, **measure(replace(parts[0], mask=mask))}
                records.append({"rung": rung.index, **found})
                report(
                    Event(
                        "extract",
                        stage.method,
                        here.steps * len(parts),
                        here.steps * len(parts),
                        stage.ticket,
                        round_,
                        found,
                    )
                )
    return Extraction(pruned_at, tuple(records))
