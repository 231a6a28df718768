"""Twins: tickets that differ in nothing but luck, extracted exactly as the tickets of a run were.

Two networks pruned on two random halves of the same data may share little (Grosse and Backes, arXiv 2006.07014), so
that tickets of different subsets share less than they could does not yet say that they follow their data. Every subset
gets four more tickets, from the same theta_0, with the same settings, steps, levels and score:

    first half, second half   each of half of the subset's units (a unit is a picture in all its forms), in a batch
                              order of its own: two tickets of the same kind of data that saw no row in common
    again, another order      all rows of the subset, in the batch order of the run's own ticket and in another

Halves have half the rows, which makes them less similar than two tickets of two whole samples would be; the same rows
in another order make them more similar. Between these two lies what luck alone would leave of the overlap. The run's
own ticket is extracted again because it may have been made on another machine, where rounding is other luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.extract import Rounds, Schedule, extract, extract_together
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.subsets import Subset
from rtl_core.rng import numpy_generator
from rtl_core.tickets.ticket_set import Level

FIRST, SECOND, ORDER = "first half", "second half", "another order"


def twins_of(subsets: Sequence[Subset], unit: np.ndarray, seed: int) -> list[tuple[Subset, Subset, Subset, Subset]]:
    """What the four twins of every subset learn from: first half, second half, again, another order.

    unit  (rows,) of the dataset. One draw divides the units for all subsets: rows of a unit come into the same half
          wherever they are, so that the first half of one subset and the second half of any have no unit in common.

    BadInput: a pool of which one half would be empty
    """
    in_first = _first_units(subsets, unit, numpy_generator(seed, "twins"))
    return [_four(subset, unit, in_first) for subset in subsets]


def _first_units(subsets: Sequence[Subset], unit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The units of the first halves: of every pool half of those that no pool before has decided on."""
    decided, in_first = np.empty(0, unit.dtype), np.empty(0, unit.dtype)
    for pools in zip(*(subset.pools for subset in subsets), strict=True):  # the subsets' own rows come before the rest
        for pool in pools:
            new = generator.permutation(np.setdiff1d(unit[pool], decided))
            decided, in_first = np.union1d(decided, new), np.union1d(in_first, new[: (len(new) + 1) // 2])
    return in_first


def _four(subset: Subset, unit: np.ndarray, in_first: np.ndarray) -> tuple[Subset, Subset, Subset, Subset]:
    sides = [np.isin(unit[pool], in_first) for pool in subset.pools]
    for pool, side in zip(subset.pools, sides, strict=True):
        if side.all() or not side.any():
            raise BadInput(
                f"subset '{subset.name}' cannot be halved: its {len(pool)} training rows of a kind come from too few "
                f"different units ({len(np.unique(unit[pool]))}) for twins"
            )
    first, second = (
        tuple(pool[side == wanted] for pool, side in zip(subset.pools, sides, strict=True)) for wanted in (True, False)
    )
    return (
        replace(subset, name=f"{subset.name}, {FIRST}", pools=first),
        replace(subset, name=f"{subset.name}, {SECOND}", pools=second),
        subset,
        replace(subset, name=f"{subset.name}, {ORDER}"),  # a batch order is drawn by the subset's name
    )


def extract_twins(
    experiment: Experiment, start: RewindPoint, subsets: Sequence[Subset], schedule: Schedule, sharing: float = 0.0
) -> np.ndarray:
    """Algorithm 1 for one twin of every subset, in the order of the subsets: `pruned_at` uint8 (K, N).

    sharing  how far the run's own tickets were cut by the mean of all their scores; twins by that of their own kind
    """

    def rounds(k: int, subset: Subset) -> Rounds:
        stage = experiment.stage("extract", "rtl", experiment.config.extract.steps, ticket=subset.name)
        return Rounds(experiment, lambda mask: [start.subnetwork(k, subset.name, mask)], [subset], stage)

    twins = [rounds(k, subset) for k, subset in enumerate(subsets)]
    if sharing == 0:  # one after the other, so that only one network is held at a time
        return np.stack([extract(each, schedule).pruned_at for each in twins])
    together = extract_together(twins, schedule, [None] * len(twins), sharing)
    return np.stack([each.pruned_at for each in together])


def schedule_again(levels: Sequence[Level], one_shot: bool, watched: bool) -> Schedule:
    """The schedule by which a run came to its levels, whatever an alarm made of its settings.

    watched  an alarm listened: the target's own masks were trained once more, and lighter levels ranked after that
    """
    denser, target, lighter = (
        [level for level in levels if level.kind == kind] for kind in ("denser", "target", "lighter")
    )
    if one_shot:
        return Schedule(tuple(levels), (tuple(levels),))
    cuts = [[level] for level in (*denser[1:], *target)]  # after every round but the last one more cut
    cuts[0] = [*denser[:1], *cuts[0]]  # level 1.0 is what the first round reaches before any cut
    if watched and lighter:
        cuts.append(lighter)
    else:
        cuts[-1] += lighter
    return Schedule(tuple(levels), tuple(map(tuple, cuts)))
