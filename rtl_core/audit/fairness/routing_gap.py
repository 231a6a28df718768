"""Routing gap and decomposition: is a group sent to a worse ticket, and is a gap inside tickets or between them?"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.paired_changes import Mean, mean_of, numbers, rates, verdict
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import proportion
from rtl_core.statistics.intervals import LEVEL, difference


def routing_gap(
    right: np.ndarray,
    given: np.ndarray,
    grouping: Grouping,
    units: Units,
    tickets: tuple[str, ...],
    seed: int = 0,
    level: float = LEVEL,
) -> list[dict[str, Any]]:
    """Per group, and per ticket within it: the ticket that the rows were given against the others on the same rows.

    right   bool (K, n): whether each ticket answers each row rightly
    given   (n,) the ticket of each row

    `lead_over_mean`: accuracy less the mean of the other tickets. `lead_over_best`: less that of the best
    single other ticket, which is chosen on one half of the units and measured on the other, both ways:
    the best of several on the rows that chose it would look better than it is. Below zero, with the
    interval, another ticket serves the group better. `another_right`: share of rows that the given ticket
    gets wrong and some other one right; it grows with the number of tickets even if all guess.
    """
    k, n = right.shape
    if k < 2:
        raise BadInput("There is one ticket only, so no row could have been sent to another.")
    rows = np.arange(n)
    own = right[given, rows]
    others = (right.sum(axis=0) - own) / (k - 1)
    best = right[_best_other(right, given, grouping, units, seed), rows]
    rescued = ~own & right.any(axis=0)
    records = []
    for g, name in enumerate(grouping.names):
        for ticket in (None, *range(k)):
            among = (grouping.code == g) & (True if ticket is None else given == ticket)
            accuracy, another = (proportion(hit, among, units, level) for hit in (own, rescued))
            leads = {
                "lead_over_mean": mean_of(own - others, among, units),
                "lead_over_best": mean_of(own.astype(float) - best, among, units),
            }
            status, reason = verdict(units.count(among))
            ci = {"accuracy": (accuracy.low, accuracy.high), "another_right": (another.low, another.high)}
            ci |= {lead: m.interval(level) for lead, m in leads.items()}
            values = {"accuracy": accuracy.value, "another_right": another.value}
            values |= {lead: m.value for lead, m in leads.items()}
            records.append(
                {
                    "ticket": None if ticket is None else tickets[ticket],
                    "group": name,
                    "n": int(among.sum()),
                    **numbers(status, ci, **values),
                    "status": status,
                    "reason": reason,
                }
            )
    return records


def _best_other(right: np.ndarray, given: np.ndarray, grouping: Grouping, units: Units, seed: int) -> np.ndarray:
    """(n,) the ticket that is best, but for the given one, for the group and ticket of a row in the other half."""
    k, groups = len(right), len(grouping.names)
    half = numpy_generator(seed, "routing gap", "halves").permutation(units.n)[units.of_row] % 2
    cell = (half * groups + grouping.code) * k + given
    hits = np.stack([np.bincount(cell, weights=hit, minlength=2 * groups * k) for hit in right], axis=-1)
    hits = hits.reshape(2, groups, k, k)
    hits[:, :, np.arange(k), np.arange(k)] = -1
    return hits.argmax(axis=-1)[1 - half, grouping.code, given]


def decomposition(
    predictions: Predictions, grouping: Grouping, base: int, level: float = LEVEL
) -> list[dict[str, Any]]:
    """A gap in a rate as the sum of two parts (Kitagawa 1955), per metric of `changes.rates` and per group.

    within    the groups' rates differ inside the same ticket, tickets weighted by the mean of both groups' shares
    between   the groups have other shares of the tickets, whose rates (the mean of both groups') differ

    A ticket with rows of one group only is taken to treat the other alike, so all of it is `between`. The
    parts add up exactly; their intervals are those of the delta method, units counted. It says where a
    gap is found, not what causes it: tickets differ by the people they serve as well.
    """
    units = Units.from_ids(predictions.unit)
    records = []
    for metric, (hit, among) in rates(predictions).items():
        for g, name in enumerate(grouping.names):
            if g == base:
                continue
            rows = [among & (grouping.code == i) for i in (g, base)]
            place = {"metric": metric, "group": name, "reference": grouping.names[base]}
            records.append({**place, **_decomposed(hit, rows, predictions, units, level)})
    return records


def _decomposed(
    hit: np.ndarray, rows: list[np.ndarray], predictions: Predictions, units: Units, level: float
) -> dict[str, Any]:
    """rows: of the group and of the reference."""
    counted = [units.count(among) for among in rows]
    status, reason = verdict(*counted)
    sizes = {"n": int(rows[0].sum()), "reference_n": int(rows[1].sum())}
    if status == "refused":
        nothing = dict.fromkeys(("gap", "within", "between"))
        return {**sizes, **nothing, "ci": {}, "status": status, "reason": reason, "tickets": []}
    group, reference = (proportion(hit, among, units, level) for among in rows)
    gap, *ends = difference(*((e.value, e.low, e.high) for e in (group, reference)))
    k = len(predictions.tickets)
    among = np.stack([np.bincount(predictions.ticket[r], minlength=k) for r in rows])
    hits = np.stack([np.bincount(predictions.ticket[r & hit], minlength=k) for r in rows])
    within, between = _decomposition(hit, rows, predictions.ticket, among, hits, units)
    ci = {"gap": tuple(ends)} | {
        name: term.interval(level) for name, term in (("within", within[0]), ("between", between[0]))
    }
    return {
        **sizes,
        **numbers(status, ci, gap=float(gap), within=within[0].value, between=between[0].value),
        "status": status,
        "reason": reason,
        "tickets": [
            {
                "ticket": name,
                "n": int(among[0, i]),
                "reference_n": int(among[1, i]),
                "within": float(within[1][i]),
                "between": float(between[1][i]),
            }
            for i, name in enumerate(predictions.tickets)
        ],
    }


def _decomposition(
    hit: np.ndarray, rows: list[np.ndarray], ticket: np.ndarray, among: np.ndarray, hits: np.ndarray, units: Units
) -> tuple[tuple[Mean, np.ndarray], tuple[Mean, np.ndarray]]:
    """(within, its part of each ticket), (between, the same); among, hits: (2, K) rows of group and reference."""
    share = among / among.sum(axis=1, keepdims=True)
    there = among > 0
    rate = hits / np.maximum(among, 1)
    rate = np.where(there, rate, rate[::-1])
    both = there.all(axis=0)
    apart, mean_share = rate[0] - rate[1], share.mean(axis=0)
    more, mean_rate = share[0] - share[1], rate.mean(axis=0)
    # Each part is a function of rates and shares; a row moves the rate of its cell and the shares of its group.
    by_rate = (np.where(both, mean_share, 0), np.where(both, more / 2, more))
    by_share = (apart / 2, mean_rate)
    sums = [np.zeros(units.n), np.zeros(units.n)]
    for side, term in product((0, 1), (0, 1)):
        of, sign = rows[side], (1, -1)[side]
        cell = ticket[of]
        # `within` falls with the reference's rates and `between` with its shares.
        rate_sign, share_sign = (sign, 1) if term == 0 else (1, sign)
        moved = rate_sign * by_rate[term][cell] * (hit[of] - rate[side, cell]) / among[side, cell]
        moved += share_sign * (by_share[term][cell] - by_share[term] @ share[side]) / of.sum()
        sums[term] += np.bincount(units.of_row[of], weights=moved, minlength=units.n)
    n = min(units.count(of) for of in rows)
    of_ticket = apart * mean_share, more * mean_rate
    return tuple((Mean(float(each.sum()), total, n), each) for each, total in zip(of_ticket, sums, strict=True))
