"""Tickets under a budget: for each input a level of its ticket, with a bound on the mean cost.

An option is a (ticket, level) at or below the target density. Every input also has one option that it shares with all
others: the lightest of all. It counts as never right for inputs of another ticket, so it is taken only where the bound
leaves nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.models.cost import Cost, macs_nonzero
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet


@dataclass(frozen=True)
class Options:
    """What may be chosen, levels densest first.

    params    int64 (K, R) prunable weights that are kept
    macs      int64 (K, R) non-zero multiply-adds of one input
    accuracy  float64 (K, R) on validation rows of the ticket's own subset
    """

    levels: tuple[Level, ...]
    params: np.ndarray
    macs: np.ndarray
    accuracy: np.ndarray

    def cost(self, kind: str) -> np.ndarray:
        """(K, R) of "params" or "macs"."""
        if kind not in ("params", "macs"):
            raise BadInput(f"a budget counts 'params' or 'macs', not '{kind}'")
        return getattr(self, kind)


@dataclass(frozen=True)
class Assignment:
    """An option for each of n inputs: ticket and index into `Options.levels`, int64 (n,) each; cost (n,) of each."""

    ticket: np.ndarray
    level: np.ndarray
    cost: np.ndarray


def options(tickets: TicketSet, cost: Cost, accuracy: Mapping[tuple[int, int], float]) -> Options:
    """The target and the lighter levels that were measured.

    accuracy  (ticket, level index) -> accuracy on validation rows
    """
    measured = {level for _, level in accuracy}
    levels = tuple(level for level in tickets.levels if level.kind != "denser" and level.index in measured)
    if not levels:
        raise BadInput("no level at or below the target density was measured on validation rows")
    costs = [kept_costs(tickets.masks(level), tickets.layout, cost) for level in levels]
    params, macs = (np.stack(of_levels, axis=1) for of_levels in zip(*costs, strict=True))
    return Options(
        levels, params, macs, np.array([[accuracy[k, level.index] for level in levels] for k in range(tickets.k)])
    )


def kept_costs(masks: np.ndarray, layout: Layout, cost: Cost) -> tuple[np.ndarray, np.ndarray]:
    """(weights kept, non-zero multiply-adds of one input), int64 (K,) each, of masks (K, N)."""
    spans = layout.slices().items()
    macs = [macs_nonzero(cost, {name: int(mask[subnetwork].sum()) for name, subnetwork in spans}) for mask in masks]
    return masks.sum(axis=1), np.array(macs)


def within_mean(ticket: np.ndarray, confidence: np.ndarray, offered: Options, kind: str, bound: float) -> Assignment:
    """The inputs cost no more than `bound` on average: as many expected right answers as that buys.

    Everybody starts at the lightest option of all; upgrades are bought in order of accuracy per cost, of one kind for
    the inputs with the highest confidence first, until the next one would not fit. An upgrade leads along the upper
    convex hull of a ticket's options, where each costs more per gain than the one before it: the greedy choice is
    Lagrange's, and misses the best one by less than one upgrade.
    """
    cost = offered.cost(kind)
    lightest = _lightest(cost, bound)
    n = len(ticket)
    left = np.floor(bound * n) - n * cost[lightest]
    sure_first = np.argsort(-np.nan_to_num(confidence, nan=0.0), kind="stable")
    level = np.full(n, -1)
    waiting = [sure_first[ticket[sure_first] == k] for k in range(len(cost))]
    for k, to, price in _upgrades(cost, offered.accuracy, lightest):
        some = waiting[k] if price <= 0 else waiting[k][: int(left // price)]
        level[some], left = to, left - price * len(some)
        waiting[k] = some  # inputs that do not fit keep their level
    return _assigned(cost, ticket, level, lightest)


def _lightest(cost: np.ndarray, bound: float) -> tuple[int, int]:
    """(ticket, level) of the least cost; BadInput where even that is more than the bound."""
    k, r = np.unravel_index(cost.argmin(), cost.shape)
    if cost[k, r] > bound:
        raise BadInput(f"the lightest ticket costs {cost[k, r]:,}: a budget of {bound:,.0f} is too small for any")
    return int(k), int(r)


def _upgrades(cost: np.ndarray, accuracy: np.ndarray, lightest: tuple[int, int]) -> list[tuple[int, int, int]]:
    """(ticket, level that it leads to, price), most accuracy per price first."""
    upgrades = []
    for k in range(len(cost)):
        at = (cost[lightest], accuracy[lightest] if k == lightest[0] else 0.0)
        while True:
            gains, prices = accuracy[k] - at[1], cost[k] - at[0]
            better = np.flatnonzero((gains > 0) & (prices >= 0))
            if len(better) == 0:
                break
            slope = gains[better] / np.maximum(prices[better], 1e-9)
            steepest = better[slope == slope.max()]
            to = int(steepest[cost[k, steepest].argmax()])
            upgrades.append((float(slope.max()), k, to, int(prices[to])))
            at = (cost[k, to], accuracy[k, to])
    return [upgrade[1:] for upgrade in sorted(upgrades, key=lambda upgrade: -upgrade[0])]


def _assigned(cost: np.ndarray, ticket: np.ndarray, level: np.ndarray, lightest: tuple[int, int]) -> Assignment:
    """Level -1 stands for the lightest option of all."""
    ticket, level = np.where(level < 0, lightest[0], ticket), np.where(level < 0, lightest[1], level)
    return Assignment(ticket, level, cost[ticket, level])
