"""Routing gap and decomposition: is a group sent to a worse ticket, and is a gap inside tickets or between them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.paired_changes import Mean, intervals, mean_of, rates, share_or_mean, shown, verdict
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Interval
from rtl_core.statistics.intervals import LEVEL, difference


@dataclass(frozen=True)
class RoutingGap:
    """A group by the ticket that its n rows were given (None: all), against the other tickets on the same rows.

    accuracy        of rows whose answers are no decisions, how well they are answered on average
    lead_over_mean  accuracy less the mean of the other tickets
    lead_over_best  less that of the best single other ticket, which is chosen on one half of the units and measured on
                    the other, both ways: the best of several on the rows that chose it would look better than it is.
                    Below zero, with the interval, another ticket serves the group better
    another_right   share of rows that the given ticket gets wrong and some other one right, or by how much the best
                    ticket of each row answers it better; it grows with the number of tickets even if all guess
    ci              of each figure by its name; all are None where the status is "refused"
    """

    ticket: str | None
    group: str
    n: int
    accuracy: float | None
    another_right: float | None
    lead_over_mean: float | None
    lead_over_best: float | None
    ci: dict[str, Interval]
    status: str
    reason: str | None


def routing_gap(
    right: np.ndarray,
    given: np.ndarray,
    grouping: Grouping,
    units: Units,
    tickets: tuple[str, ...],
    settings: AuditSettings = USUAL,
) -> list[RoutingGap]:
    """Per group, and per ticket within it.

    right     (K, n) bool, whether each ticket answers each row rightly, or float, how well it does
    given     (n,) the ticket of each row
    settings  its level, and its seed for the halves
    """
    level = settings.level
    k, n = right.shape
    if k < 2:
        raise BadInput("There is one ticket only, so no row could have been sent to another.")
    rows = np.arange(n)
    own = right[given, rows]
    others = (right.sum(axis=0) - own) / (k - 1)
    best = right[_best_other(right, given, grouping, units, settings.seed), rows]
    rescued = ~own & right.any(axis=0) if right.dtype == bool else right.max(axis=0) - own
    records = []
    for g, name in enumerate(grouping.names):
        for ticket in (None, *range(k)):
            among = (grouping.code == g) & (True if ticket is None else given == ticket)
            accuracy, another = (share_or_mean(hit, among, units, level) for hit in (own, rescued))
            leads = {
                "lead_over_mean": mean_of(own - others, among, units),
                "lead_over_best": mean_of(own.astype(float) - best, among, units),
            }
            status, reason = verdict(units.count(among))
            ends = {"accuracy": (accuracy.low, accuracy.high), "another_right": (another.low, another.high)}
            ends |= {lead: m.interval(level) for lead, m in leads.items()}
            values = {"accuracy": accuracy.value, "another_right": another.value}
            values |= {lead: m.value for lead, m in leads.items()}
            records.append(
                RoutingGap(
                    None if ticket is None else tickets[ticket],
                    name,
                    n=int(among.sum()),
                    **shown(status, **values),
                    ci=intervals(status, **ends),
                    status=status,
                    reason=reason,
                )
            )
    return records


def _best_other(right: np.ndarray, given: np.ndarray, grouping: Grouping, units: Units, seed: int) -> np.ndarray:
    """(n,) the ticket that is best, but for the given one, for the group and ticket of a row in the other half."""
    k, groups = len(right), len(grouping.names)
    half = numpy_generator(seed, "routing gap", "halves").permutation(units.n)[units.of_row] % 2
    cell = (half * groups + grouping.code) * k + given
    hits = np.stack([np.bincount(cell, weights=hit, minlength=2 * groups * k) for hit in right], axis=-1)
    hits = hits.reshape(2, groups, k, k)
    hits[:, :, np.arange(k), np.arange(k)] = -np.inf
    return hits.argmax(axis=-1)[1 - half, grouping.code, given]


@dataclass(frozen=True)
class TicketTerms:
    """What one ticket adds to both terms; n and reference_n: rows of group and reference that it decides."""

    ticket: str
    n: int
    reference_n: int
    within: float
    between: float


@dataclass(frozen=True)
class Decomposed:
    """A gap in a rate as the sum of two terms (Kitagawa 1955); None where the status is "refused".

    within    the groups' rates differ inside the same ticket, tickets weighted by the mean of both groups' shares
    between   the groups have other shares of the tickets, whose rates (the mean of both groups') differ
    """

    metric: str
    group: str
    reference: str
    n: int
    reference_n: int
    gap: float | None
    within: float | None
    between: float | None
    ci: dict[str, Interval]
    status: str
    reason: str | None
    tickets: list[TicketTerms]


def decomposition(predictions: Predictions, grouping: Grouping, base: int, level: float = LEVEL) -> list[Decomposed]:
    """Of each metric of `paired_changes.rates` and each group but the reference.

    A ticket with rows of one group only is taken to treat the other alike, so all of it is `between`. The
    terms add up exactly; their intervals are those of the delta method, units counted. It says where a
    gap is found, not what causes it: tickets differ by the people they serve as well.
    """
    units = Units.from_ids(predictions.unit)
    records = []
    for metric, (hit, among) in rates(predictions).items():
        for g, name in enumerate(grouping.names):
            if g == base:
                continue
            rows = [among & (grouping.code == i) for i in (g, base)]
            place = (metric, name, grouping.names[base])
            records.append(_decomposed(place, hit, rows, predictions, units, level))
    return records


def _decomposed(
    place: tuple[str, str, str],
    hit: np.ndarray,
    rows: list[np.ndarray],
    predictions: Predictions,
    units: Units,
    level: float,
) -> Decomposed:
    """rows: of the group and of the reference."""
    status, reason = verdict(*[units.count(among) for among in rows])
    sizes = int(rows[0].sum()), int(rows[1].sum())
    if status == "refused":
        return Decomposed(*place, *sizes, None, None, None, {}, status, reason, [])
    group, reference = (share_or_mean(hit, among, units, level) for among in rows)
    gap, *ends = difference(*((e.value, e.low, e.high) for e in (group, reference)))
    k = len(predictions.tickets)
    among = np.stack([np.bincount(predictions.ticket[r], minlength=k) for r in rows])
    hits = np.stack([np.bincount(predictions.ticket[r], weights=hit[r], minlength=k) for r in rows])
    within, between = _decomposition(hit, rows, predictions.ticket, among, hits, units)
    return Decomposed(
        *place,
        *sizes,
        **shown(status, gap=float(gap), within=within[0].value, between=between[0].value),
        ci=intervals(status, gap=ends, within=within[0].interval(level), between=between[0].interval(level)),
        status=status,
        reason=reason,
        tickets=[
            TicketTerms(name, int(among[0, i]), int(among[1, i]), float(within[1][i]), float(between[1][i]))
            for i, name in enumerate(predictions.tickets)
        ],
    )


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
