"""Algorithm 1: how a ticket is extracted on its own subset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from rtl_core.config import ExtractSettings
from rtl_core.errors import BadInput
from rtl_core.events import Event, Stage
from rtl_core.learning.cut_together import Scored, cuts_together, least_sharing
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.gradients import gradients_for
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset
from rtl_core.storage_budget import Budget
from rtl_core.tickets.pruning import kept_count, scores_of
from rtl_core.tickets.ticket_set import KEPT, Level, around, numbered

MAX_LEVELS = 255  # `pruned_at` is one byte

SideBySide = Callable[[Sequence[Callable[[], Any]]], list[Any]]  # runs independent jobs, and gives what they return
Measure = Callable[[Subnetwork], dict[str, float]]  # how well the weights just trained do when cut to a mask


@dataclass(frozen=True)
class Schedule:
    """The levels from dense to lightest, and after which round of training each is cut."""

    levels: tuple[Level, ...]
    rounds: tuple[tuple[Level, ...], ...]  # per round of training, the levels cut after it


def density_schedule(
    settings: ExtractSettings, density: float, n: int, denser: Sequence[float], lighter: Sequence[float]
) -> Schedule:
    """Which densities an extraction passes on its way to the target and below.

    one_shot cuts every level from the same trained weights; fraction and count train before every cut
    down to the target (the paper). Lighter levels go on ranking the last weights in any case.
    """
    if settings.schedule == "one_shot":
        groups = [around(density, denser, lighter)]
    else:
        stops = steps_down(settings, n, kept_count(density, n))
        groups = [*([(kept / n, "denser")] for kept in stops), around(density, (), lighter)]
        groups[0] = [(1.0, "denser"), *groups[0]]  # what the first round's training reached before any cut
    every = numbered(place for group in groups for place in group)
    if len(every) > MAX_LEVELS:
        raise BadInput(
            f"this schedule has {len(every)} levels and at most {MAX_LEVELS} can be kept; "
            "remove more weights per round (extract.fraction or extract.count)"
        )
    left = iter(every)
    return Schedule(every, tuple(tuple(islice(left, len(group))) for group in groups))


def _down_to_target(cuts: Sequence[Level]) -> list[float]:
    return [level.density for level in cuts if level.kind != "lighter"]


def steps_down(settings: ExtractSettings, kept: int, target: int) -> list[int]:
    """How many weights rounds of pruning leave on their way from `kept` to `target`, strictly between the two."""
    stops = []
    while len(stops) <= MAX_LEVELS:
        kept -= settings.count if settings.schedule == "count" else max(1, round(kept * settings.fraction))
        if kept <= target:
            return stops
        stops.append(kept)
    return stops


@dataclass(frozen=True)
class Extraction:
    """One ticket as Algorithm 1 leaves it.

    pruned_at  uint8 (N,) as in `TicketSet`, over `levels`
    records    per level what `measure` found, with the level's index
    subnetworks  with the weights of the last round: one, or one per subset over the same weights for a single mask
    steps      gradient steps that were spent
    sharing    how far its scores were mixed with those of all tickets, 0 to 1
    """

    pruned_at: np.ndarray
    levels: tuple[Level, ...]
    records: tuple[dict, ...]
    subnetworks: tuple[Subnetwork, ...]
    steps: int
    sharing: float = 0.0

    @property
    def trained(self) -> Subnetwork:
        """What a ticket's own extraction has trained."""
        return self.subnetworks[0]


@dataclass(frozen=True)
class Rounds:
    """What every round of an extraction has in common.

    rewind  mask -> fresh subnetworks at theta_0 with that mask: one for a ticket, one per subset (over the same
            weights) for a single mask that serves all
    """

    experiment: Experiment
    rewind: Callable[[np.ndarray], Sequence[Subnetwork]]
    subsets: Sequence[Subset]
    stage: Stage

    @property
    def n(self) -> int:
        """How many weights there are to prune."""
        return self.experiment.layout.n

    def train(self, mask: np.ndarray, round_: int) -> Sequence[Subnetwork]:
        """Rewind W to theta_0, train T steps inside the mask; the subnetworks as they then are."""
        subnetworks = self.rewind(mask)
        train_jointly(
            self.experiment, subnetworks, self.subsets, replace(self.stage, round=round_, kept=int(mask.sum()))
        )
        return subnetworks

    def scores(self, subnetworks: Sequence[Subnetwork]) -> Callable[[np.ndarray], np.ndarray]:
        """Mask so far -> the scores (N,) of what has just been trained."""
        layout, settings = self.experiment.layout, self.experiment.config.extract
        weights = layout.flatten(subnetworks[0].shared).cpu().numpy()
        gradients = gradients_for(self.experiment, subnetworks, self.subsets)
        return lambda mask: scores_of(settings.score, weights, mask, layout, gradients)

    def tell(self, round_: int, figures: dict[str, float]) -> None:
        """Reports a measurement made at the end of a round."""
        steps = self.stage.steps * len(self.subsets)
        self.experiment.report(Event("extract", self.stage.method, steps, steps, self.stage.ticket, round_, figures))


def in_turn(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Runs jobs one after the other."""
    return [job() for job in jobs]


def extract(rounds: Rounds, schedule: Schedule, measure: Measure | None = None) -> Extraction:
    """Algorithm 1 of the paper for one ticket, or one mask, on its own."""
    return extract_together([rounds], schedule, [measure])[0]


def extract_together(
    tickets: Sequence[Rounds],
    schedule: Schedule,
    measures: Sequence[Measure | None],
    sharing: float | Budget = 0.0,
    side_by_side: SideBySide = in_turn,
) -> list[Extraction]:
    """Algorithm 1 of the paper for all tickets in step, which matters only where they share.

    Line by line: m <- 1; repeat: rewind W to theta_0; train T steps with m; prune the lowest scores among
    the weights still kept; until the target density. Deviations: the score and the schedule are settings;
    ranking goes on below the target for the lighter levels, without more training; scores may be mixed with those of
    the other tickets (`shared_scores`), or so far that the tickets fit a budget, where they are cut in one go.
    """
    n, count = tickets[0].n, len(tickets)
    masks = np.ones((count, n), bool)  # m <- 1
    pruned_at = np.full((count, n), KEPT, np.uint8)
    records: list[list[dict]] = [[] for _ in tickets]
    for round_, cuts in enumerate(schedule.rounds, start=1):
        trained = side_by_side([partial(tickets[k].train, masks[k], round_) for k in range(count)])
        scored, densities = Scored.of(tickets, trained), [level.density for level in cuts]
        if isinstance(sharing, Budget):
            sharing = least_sharing(scored, masks, _down_to_target(cuts), sharing)
        for level, smaller in zip(cuts, cuts_together(scored, masks, densities, sharing), strict=True):
            pruned_at[masks & ~smaller] = level.index
            masks = smaller
            if level.kind != "lighter":
                for k in range(count):
                    if measures[k] is not None:
                        figures = {"density": level.density, **measures[k](replace(trained[k][0], mask=masks[k]))}
                        records[k].append({"rung": level.index, "measure": "extraction", **figures})
                        tickets[k].tell(round_, figures)
    steps = tickets[0].stage.steps * len(schedule.rounds)
    return [
        Extraction(at, schedule.levels, tuple(own), tuple(each), steps, sharing)
        for at, own, each in zip(pruned_at, records, trained, strict=True)
    ]
