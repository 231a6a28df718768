"""Cutting all tickets at once: how far they keep the same weights is a setting, or what a storage budget allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.storage_budget import Budget
from rtl_core.tickets.pruning import kept_count, prune, shared_scores
from rtl_core.tickets.storage import stored

if TYPE_CHECKING:
    from rtl_core.learning.experiment import Experiment
    from rtl_core.learning.extract import Rounds

BISECTIONS = 10  # so sharing is found to a thousandth


@dataclass(frozen=True)
class Scored:
    """What a round has trained, ready to be cut: per ticket a function of the mask so far that scores its weights."""

    experiment: Experiment
    scores: tuple[Callable[[np.ndarray], np.ndarray], ...]

    @classmethod
    def of(cls, tickets: Sequence[Rounds], trained: Sequence[Sequence[Subnetwork]]) -> Scored:
        scores = tuple(rounds.scores(subnetworks) for rounds, subnetworks in zip(tickets, trained, strict=True))
        return cls(tickets[0].experiment, scores)


def cuts_together(
    scored: Scored, masks: np.ndarray, densities: Sequence[float], sharing: float
) -> Iterator[np.ndarray]:
    """The tickets' masks (K, N) at densities, densest first, each within the one before, the first within `masks`: the
    lowest scores go.

    sharing  from 0, each ticket by its own scores, to 1, all by their mean
    """
    layout, settings = scored.experiment.layout, scored.experiment.config.extract
    for density in densities:
        own = np.stack([of(mask) for of, mask in zip(scored.scores, masks, strict=True)])
        mixed, keep = shared_scores(own, masks, sharing), kept_count(density, layout.n)
        masks = np.stack(
            [prune(row, mask, keep, layout, settings.layer_floor) for row, mask in zip(mixed, masks, strict=True)]
        )
        yield masks


def least_sharing(scored: Scored, masks: np.ndarray, densities: Sequence[float], budget: Budget) -> float:
    """The least sharing, to a thousandth, at which the tickets of the last density fit the budget; 1 where none does.

    Found by bisection on masks: nothing is trained for it.
    """

    def fits(sharing: float) -> bool:
        *_, last = cuts_together(scored, masks, densities, sharing)
        what = stored(last, scored.experiment.layout)
        return budget.holds(what.weights, what.kilobytes)

    if fits(0.0):
        return 0.0
    low, high = 0.0, 1.0  # `low` does not fit
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
