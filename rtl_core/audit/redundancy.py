"""Which tickets could be one: measured, pair by pair, and whether the partition has any meaning at all.

Every pair's union and intersection is evaluated on both subsets' rows beside the tickets that these have now.
One-vs-rest tickets say of a row whether it belongs; a merged one says so for all of its subsets together, so rows of
its other subsets do not count where one of them is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from rtl_core.audit.evaluate import Questions, part_logits, questions
from rtl_core.audit.exchange import METRIC
from rtl_core.data.dataset import Split
from rtl_core.events import Event, Report, silent
from rtl_core.learning.merge import Merger
from rtl_core.learning.parts import Part
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import json_number, mean_estimate, proportion
from rtl_core.statistics.intervals import bootstrap_ratios
from rtl_core.tickets.overlap import overlap
from rtl_core.tickets.similarity import similarity

MARGIN = 0.01  # what a merge may cost: one point of the metric, less than figures of this size vary over seeds
# Kaufman & Rousseeuw (1990, table 4): up to here a silhouette shows no substantial structure.
SILHOUETTE_FLOOR = 0.25
# Tickets of random lots, which differ in nothing, reach 0.33 with the default settings (0.32 to 0.35 over the pairs,
# benchmarks/grow.py); those of the samples' subsets 0.12 to 0.20. Other settings were not measured.
EXCESS_CEILING = 0.3
ROWS = 1000  # of each subset at most
HOW = ("union", "intersection")


def redundancy(
    merger: Merger, split: Split = "val", pairs: int | None = None, report: Report = silent
) -> dict[str, Any]:
    """The redundancy report, JSON-able.

    split  rows to measure on: those of validation, so that what is decided here can still be tested
    pairs  only so many, those that overlap most beyond chance; None: all

    `pairs`: for each pair and way of merging `a, b, how, params, iou, excess`, `subsets` (as `changes` gives them) and
    a verdict: "could be merged" where the interval of the change lies above -`MARGIN` in both subsets, "costs accuracy"
    where it lies below in one, else "not shown". Each pair is judged by itself.
    `warnings`: sentences, where silhouette or overlap say that the partition means nothing.
    """
    asked = questions(merger.dataset, merger.partition, merger.task, split, ROWS)
    said = [decisions(merger, part, asked) for part in merger.parts]
    alike = similarity(overlap(merger.tickets))
    every = sorted(combinations(range(merger.tickets.k), 2), key=lambda ab: -np.nan_to_num(alike.excess[ab], nan=-1.0))
    chosen = every[:pairs]
    rows = []
    for done, (a, b) in enumerate(chosen, 1):
        for how in HOW:
            merged = merger.merge((a, b), how).part
            found = changes((a, b), [said[a], said[b]], decisions(merger, merged, asked), asked, merger.seed)
            rows.append(
                {
                    "a": merger.tickets.names[a],
                    "b": merger.tickets.names[b],
                    "how": how,
                    "params": int(merged.mask.sum()),
                    "iou": json_number(alike.iou[a, b]),
                    "excess": json_number(alike.excess[a, b]),
                    "subsets": found,
                    "verdict": verdict(found),
                }
            )
        report(Event("merge", "pairs", done, len(chosen)))
    defined = [alike.excess[ab] for ab in every if np.isfinite(alike.excess[ab])]
    excess = float(np.mean(defined)) if defined else None
    return {
        "split": split,
        "margin": MARGIN,
        "pairs": rows,
        "pairs_in_all": len(every),
        "silhouette": merger.partition.silhouette,
        "excess_mean": excess,
        "warnings": warnings(merger.partition.silhouette, excess),
    }


def warnings(silhouette: float | None, excess: float | None) -> list[str]:
    """A sentence for each sign that the subsets do not differ; None where a figure is not defined."""
    found = []
    if silhouette is not None and silhouette <= SILHOUETTE_FLOOR:
        found.append(
            f"The clusters' silhouette is {silhouette:.2f}, not above {SILHOUETTE_FLOOR}: the subsets are cut through "
            "rows that lie together, and tickets for them may mean nothing."
        )
    if excess is not None and excess >= EXCESS_CEILING:
        found.append(
            f"The tickets' mean excess overlap is {excess:.2f}, {EXCESS_CEILING} or more: as alike as those of random "
            "lots, so the subsets may not differ for the network."
        )
    return found


def decisions(merger: Merger, part: Part, asked: Questions) -> np.ndarray:
    """int64 (n,): the class that a ticket gives each row, or 1 where it says that the row belongs to it."""
    logits = part_logits(merger.network, part, merger.tickets.layout, merger.dataset, asked.rows)
    return (logits[:, 0] > 0).astype(np.int64) if asked.task == "one_vs_rest" else logits.argmax(axis=1)


def changes(
    chosen: Sequence[int], before: Sequence[np.ndarray], after: np.ndarray, asked: Questions, seed: int
) -> list[dict[str, Any]]:
    """What one ticket in place of several does to each of their subsets, on the same rows.

    before  for each of the subsets `chosen` what its own ticket says to the rows asked, (n,); after (n,): the new one

    `{subset, metric, n, before, after, change, ci}`; balanced accuracy of one-vs-rest tickets, accuracy of others.
    """
    found = []
    for k, own in zip(chosen, before, strict=True):
        mine = asked.subset == k
        if asked.task == "one_vs_rest":
            groups, truth = [mine, ~np.isin(asked.subset, chosen)], mine
        else:
            groups, truth = [mine], asked.y
        was, now = ((answers == truth).astype(bool) for answers in (own, after))
        found.append({"subset": asked.names[k], "metric": METRIC[asked.task]} | _change(was, now, groups, asked, seed))
    return found


def _change(
    was: np.ndarray, now: np.ndarray, groups: Sequence[np.ndarray], asked: Questions, seed: int
) -> dict[str, Any]:
    """Means over groups of rows of the shares of right answers; the bootstrap draws units with both their answers."""
    units = Units.from_ids(asked.units)
    before, after = (mean_estimate([proportion(right, group, units) for group in groups]) for right in (was, now))
    counted = np.stack(groups).astype(float)
    low, high = bootstrap_ratios(
        counted * (now.astype(float) - was),
        asked.units,
        denominators=counted,
        combine=lambda means: means.mean(axis=1),
        seed=seed,
        names=("redundancy",),
    )
    return {
        "n": int(np.logical_or.reduce(groups).sum()),
        "before": json_number(before.value),
        "after": json_number(after.value),
        "change": json_number(after.value - before.value),
        "ci": {
            "before": [json_number(before.low), json_number(before.high)],
            "after": [json_number(after.low), json_number(after.high)],
            "change": [json_number(float(low)), json_number(float(high))],
        },
    }


def verdict(subsets: Sequence[dict[str, Any]]) -> str:
    """What the intervals of the changes (`changes`) show; an undefined one shows nothing."""
    spans = [row["ci"]["change"] for row in subsets]
    if any(high is not None and high < -MARGIN for _, high in spans):
        return "costs accuracy"
    if all(low is not None and low > -MARGIN for low, _ in spans):
        return "could be merged"
    return "not shown"
