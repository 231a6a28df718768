"""Which tickets could be one: measured, pair by pair, and whether the partition has any meaning at all.

Every pair's union and intersection is evaluated on both subsets' rows beside the tickets that these have now.
One-vs-rest tickets say of a row whether it belongs; a merged one says so for all of its subsets together, so rows of
its other subsets do not count where one of them is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rtl_core.audit.evaluate import EvaluationSet, answers_of, evaluation_set, headline, paired_change
from rtl_core.data.dataset import Split
from rtl_core.events import Event, Report, silent
from rtl_core.learning.merge import merge
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import Similarity, similarity
from rtl_core.statistics.estimates import Interval, json_interval, json_number
from rtl_core.tasks.task import Figure

MARGIN = (
    0.5  # what a merge may cost, of a figure's `fall`: one point of a share, less than such figures vary over seeds
)
# Kaufman & Rousseeuw (1990, table 4): up to here a silhouette shows no substantial structure.
SILHOUETTE_FLOOR = 0.25
# Tickets of random lots, which differ in nothing, reach 0.33 with the default settings (0.32 to 0.35 over the pairs,
# benchmarks/grow.py); those of the samples' subsets 0.12 to 0.20. Other settings were not measured.
EXCESS_CEILING = 0.3
ROWS = 1000  # of each subset at most
HOW = ("union", "intersection")


@dataclass(frozen=True)
class ChangeIntervals:
    """95 %, on the same rows."""

    before: Interval
    after: Interval
    change: Interval


@dataclass(frozen=True)
class SubsetChange:
    """What one ticket in place of several does to one of their subsets: the task's headline figure on n rows.

    Rows of the other chosen subsets do not count: the new ticket is theirs as well.
    """

    subset: str
    metric: str
    n: int
    before: float | None
    after: float | None
    change: float | None
    ci: ChangeIntervals


@dataclass(frozen=True)
class MergedPair:
    """Two tickets merged in one way: weights of the result, overlap of the two, what changes in both subsets.

    verdict  "could be merged" where by the interval of the change neither subset loses the margin, "costs accuracy"
             where one loses more, else "not shown". Each pair is judged by itself.
    """

    a: str
    b: str
    how: str
    params: int
    iou: float | None
    excess: float | None
    subsets: list[SubsetChange]
    verdict: str


@dataclass(frozen=True)
class Redundancy:
    """Which pairs could be one.

    margin        what a merge may cost, in the metric's own unit
    pairs_in_all  of which `pairs` were tried, each in every way
    silhouette    of clustered subsets; excess_mean: over all pairs where it is defined
    warnings      sentences, where silhouette or overlap say that the partition means nothing
    """

    split: Split
    margin: float
    pairs: list[MergedPair]
    pairs_in_all: int
    silhouette: float | None
    excess_mean: float | None
    warnings: list[str]


def redundancy(
    trained: TrainedTickets, split: Split = "val", pairs: int | None = None, report: Report = silent
) -> Redundancy:
    """Every pair of tickets merged and measured.

    split  rows to measure on: those of validation, so that what is decided here can still be tested
    pairs  only so many, those that overlap most beyond chance; None: all
    """
    eval_set = evaluation_set(trained.dataset, trained.partition, trained.task, split, ROWS)
    given = [answers_to_all(trained, subnetwork, eval_set) for subnetwork in trained.subnetworks]
    overlaps = similarity(overlap(trained.tickets))
    every = sorted(
        combinations(range(trained.tickets.k), 2), key=lambda ab: -np.nan_to_num(overlaps.excess[ab], nan=-1.0)
    )
    chosen, rows = every[:pairs], []
    for done, (a, b) in enumerate(chosen, 1):
        rows += [_merged(trained, (a, b), how, given, eval_set, overlaps) for how in HOW]
        report(Event("merge", "pairs", done, len(chosen)))
    defined = [overlaps.excess[ab] for ab in every if np.isfinite(overlaps.excess[ab])]
    excess, silhouette = float(np.mean(defined)) if defined else None, trained.partition.silhouette
    return Redundancy(
        split, margin_of(trained.task.headline), rows, len(every), silhouette, excess, warnings(silhouette, excess)
    )


def _merged(
    trained: TrainedTickets,
    ab: tuple[int, int],
    how: str,
    given: Sequence[np.ndarray],
    eval_set: EvaluationSet,
    overlaps: Similarity,
) -> MergedPair:
    """given: every ticket's answers to all rows."""
    a, b = ab
    merged = merge(trained, ab, how).subnetwork
    subsets = changes(ab, [given[a], given[b]], answers_to_all(trained, merged, eval_set), eval_set, trained.seed)
    return MergedPair(
        a=trained.tickets.names[a],
        b=trained.tickets.names[b],
        how=how,
        params=int(merged.mask.sum()),
        iou=json_number(overlaps.iou[ab]),
        excess=json_number(overlaps.excess[ab]),
        subsets=subsets,
        verdict=verdict(subsets, trained.task.headline),
    )


def warnings(silhouette: float | None, excess: float | None) -> list[str]:
    """A sentence for each sign that the subsets do not differ; None where a figure is not defined."""
    sentences = []
    if silhouette is not None and silhouette <= SILHOUETTE_FLOOR:
        sentences.append(
            f"The clusters' silhouette is {silhouette:.2f}, not above {SILHOUETTE_FLOOR}: the subsets are cut through "
            "rows that lie together, and tickets for them may mean nothing."
        )
    if excess is not None and excess >= EXCESS_CEILING:
        sentences.append(
            f"The tickets' mean excess overlap is {excess:.2f}, {EXCESS_CEILING} or more: as alike as those of random "
            "lots, so the subsets may not differ for the network."
        )
    return sentences


def answers_to_all(trained: TrainedTickets, subnetwork: Subnetwork, eval_set: EvaluationSet) -> np.ndarray:
    """(n, ...) what is kept of a ticket's answers to every row."""
    return answers_of(trained.network, subnetwork, trained.tickets.layout, eval_set, 0)[0]


def changes(
    chosen: Sequence[int], before: Sequence[np.ndarray], after: np.ndarray, eval_set: EvaluationSet, seed: int
) -> list[SubsetChange]:
    """What one ticket in place of several does to each of their subsets, on the same rows.

    before  for each of the subsets `chosen` its own ticket's answers to all rows, (n, ...); after: the new one's
    """
    rows = []
    for k, own in zip(chosen, before, strict=True):
        mine = eval_set.subset == k
        counted = eval_set.judged(k) & (mine | ~np.isin(eval_set.subset, chosen))
        rows.append(_change(eval_set, k, counted, (own[counted], after[counted]), seed))
    return rows


def _change(
    eval_set: EvaluationSet, k: int, counted: np.ndarray, answers: tuple[np.ndarray, np.ndarray], seed: int
) -> SubsetChange:
    """answers: before and after, to the counted rows; the bootstrap of the change draws units with both."""
    task, truth, units = eval_set.task, eval_set.truth(k, counted), eval_set.units[counted]
    was, now = (headline(task, each, truth, units, eval_set.dataset.classes) for each in answers)
    low, high = paired_change(task, answers, truth, units, seed, "redundancy")
    return SubsetChange(
        subset=eval_set.names[k],
        metric=task.headline.name,
        n=int(counted.sum()),
        before=json_number(was[0]),
        after=json_number(now[0]),
        change=json_number(now[0] - was[0]),
        ci=ChangeIntervals(json_interval(*was[1:]), json_interval(*now[1:]), json_interval(low, high)),
    )


def margin_of(figure: Figure) -> float:
    """What a merge may cost of a figure, in its own unit."""
    return MARGIN * figure.fall


def verdict(subsets: Sequence[SubsetChange], figure: Figure) -> str:
    """What the intervals of the figure's changes (`changes`) show; an undefined one shows nothing."""
    margin, spans = margin_of(figure), [_gain(row.ci.change, figure) for row in subsets]
    if any(high is not None and high < -margin for _, high in spans):
        return "costs accuracy"
    if all(low is not None and low > -margin for low, _ in spans):
        return "could be merged"
    return "not shown"


def _gain(change: Interval, figure: Figure) -> Interval:
    """The interval of a change with more as better."""
    low, high = (None if end is None else figure.sign * end for end in change)
    return [low, high] if figure.higher_is_better else [high, low]
