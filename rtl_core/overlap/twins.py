"""What luck alone leaves of the overlap: the counts of twins, and where pairs of tickets lie between chance and them.

Twins are tickets of one subset that differ in nothing but luck (`learning/twins.py`): two of its random halves, and
all of its rows in two orders. On a scale on which chance is 0 and the halves are 1,

    position of a pair  (IoU - chance) / (twin - chance),   twin = chance + (1 - chance) x mean twin excess of the two

so that twins whose layers end at other densities than the pair's are brought to the pair's own chance first. Near 1,
tickets of different subsets differ as twins do: by luck. Well below, they follow their data.

The pair is a half of one subset and the OTHER half of another: as the twins they have no unit in common, and as many
rows. The run's own tickets have twice the rows, which makes them more similar: their position leans upwards.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from rtl_core.overlap.overlap import Overlap
from rtl_core.overlap.similarity import against_chance, ratio
from rtl_core.statistics.intervals import LEVEL
from rtl_core.tickets import bits
from rtl_core.tickets.layout import Layout


@dataclass(frozen=True)
class TwinCounts:
    """The counts of the twins of K subsets at one level over L layers.

    layers, n  as in `Overlap`
    kept       int64 (L, 4, K): weights that a twin keeps: of the first half, the second half, of all rows again, and in
               another order
    halves     int64 (L, K): weights that a subset's two halves share
    order      int64 (L, K): weights that the twin of all rows shares with that of another order
    again      int64 (L, K): weights that it shares with the run's own ticket: all, where the run is repeated to the bit
    across     int64 (L, K, K): weights that a half of one subset shares with the OTHER half of another, summed over
               the two such pairs; diagonal 0
    """

    layers: tuple[str, ...]
    n: np.ndarray
    kept: np.ndarray
    halves: np.ndarray
    order: np.ndarray
    again: np.ndarray
    across: np.ndarray

    def only(self, layers: Collection[str] | None) -> TwinCounts:
        """The same counts in some of the layers (None: in all)."""
        if layers is None:
            return self
        rows = [row for row, layer in enumerate(self.layers) if layer in layers]
        counts = {name: getattr(self, name)[rows] for name in ("n", "kept", "halves", "order", "again", "across")}
        return replace(self, layers=tuple(self.layers[row] for row in rows), **counts)


@dataclass(frozen=True)
class Shared:
    """IoU, chance and excess of some pairs; float arrays of one shape, NaN where undefined."""

    iou: np.ndarray
    chance: np.ndarray
    excess: np.ndarray


@dataclass(frozen=True)
class Position:
    """Where pairs lie on the scale from chance (0) to twins (1): mean excess of pairs / mean excess of twins.

    low, high  95 %, over subsets (jackknife, leaving one subset out at a time); NaN for fewer than three subsets
               and where nothing varies
    """

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """One of "less than twins", "as twins", "more than twins" and "not known"."""
        if np.isnan(self.low):
            return "not known"
        return "less than twins" if self.high < 1 else "more than twins" if self.low > 1 else "as twins"


@dataclass(frozen=True)
class Luck:
    """K tickets between chance and their twins, over the layers of some counts.

    halves    of each subset's halves, each (K,)
    order     of all rows of each subset in two orders, each (K,)
    again     of each ticket and the same extracted again, each (K,)
    across    of a half of one subset and the other half of another, both ways, each (K, K); diagonal NaN
    twin      float (K, K): the IoU that a pair would have if it were twins; the diagonal is its own halves'
    position  float (K, K): where the halves of two subsets lie, which have as many rows as the twins; diagonal NaN. NaN
              where twins share no more than chance
    position_tickets   the same of the tickets themselves, which have twice the rows
    samples, tickets   where all pairs lie: of halves, and of the tickets
    """

    names: tuple[str, ...]
    halves: Shared
    order: Shared
    again: Shared
    across: Shared
    twin: np.ndarray
    position: np.ndarray
    position_tickets: np.ndarray
    samples: Position
    tickets: Position


def count_twins(layout: Layout, own: np.ndarray, twins: np.ndarray) -> TwinCounts:
    """The counts at a level.

    own    bool (K, N): the tickets' masks
    twins  bool (4, K, N): of first halves, second halves, all rows again and in another order
    """
    k = len(own)
    spans = list(layout.slices().values())
    kept = np.array([[[int(mask.sum()) for mask in side[:, span]] for side in twins] for span in spans])
    halves = np.array([(twins[0][:, span] & twins[1][:, span]).sum(axis=1) for span in spans])
    order = np.array([(twins[2][:, span] & twins[3][:, span]).sum(axis=1) for span in spans])
    again = np.array([(own[:, span] & twins[2][:, span]).sum(axis=1) for span in spans])
    across = np.zeros((len(spans), k, k), np.int64)
    for row, span in enumerate(spans):
        one_way = bits.intersections(*(bits.pack(side[:, span]) for side in twins[:2]))
        across[row] = one_way + one_way.T
        np.fill_diagonal(across[row], 0)
    return TwinCounts(layout.names, np.array(layout.sizes), kept, halves, order, again, across)


def luck(tickets: Overlap, twins: TwinCounts) -> Luck:
    """Tickets between chance and their twins, both over the same layers."""
    first, second, whole, other = twins.kept.swapaxes(0, 1)
    halves = _shared(twins.halves, (first + second), first * second, twins.n)
    order = _shared(twins.order, whole + other, whole * other, twins.n)
    again = _shared(twins.again, tickets.kept + whole, tickets.kept * whole, twins.n)
    sizes, product = first + second, first[:, :, None] * second[:, None, :]
    across = _shared(twins.across, sizes[:, :, None] + sizes[:, None, :], product + product.swapaxes(1, 2), twins.n)
    apart = ~np.eye(tickets.k, dtype=bool)
    across = Shared(*(np.where(apart, matrix, np.nan) for matrix in (across.iou, across.chance, across.excess)))
    _, chance, excess = against_chance(tickets)
    excess = np.where(apart, excess, np.nan)
    of_pair = (halves.excess[:, None] + halves.excess[None, :]) / 2
    scale = np.where(of_pair > 0, of_pair, 0)
    return Luck(
        names=tickets.names,
        halves=halves,
        order=order,
        again=again,
        across=across,
        twin=np.where(apart, chance + (1 - chance) * of_pair, np.diag(halves.iou)),
        position=ratio(across.excess, scale),
        position_tickets=ratio(excess, scale),
        samples=position(across.excess, halves.excess),
        tickets=position(excess, halves.excess),
    )


def position(pairs: np.ndarray, twins: np.ndarray) -> Position:
    """Mean excess of pairs, float (K, K) with NaN where there is none, over the mean excess of twins, float (K,)."""
    k = len(twins)
    value = _over_twins(pairs, twins, np.ones(k, bool))
    without = np.array([_over_twins(pairs, twins, np.arange(k) != left_out) for left_out in range(k)])
    if k < 3 or np.ptp(without) == 0:
        return Position(value, np.nan, np.nan)
    sd = np.sqrt((k - 1) / k * np.square(without - without.mean()).sum())
    half = float(stats.t.ppf(0.5 + LEVEL / 2, k - 1) * sd)
    return Position(value, value - half, value + half)


def _over_twins(pairs: np.ndarray, twins: np.ndarray, among: np.ndarray) -> float:
    """NaN where there are no pairs, and where twins share no more than chance: then there is no scale."""
    chosen, of_twins = pairs[np.ix_(among, among)], twins[among]
    chosen, of_twins = chosen[~np.isnan(chosen)], of_twins[~np.isnan(of_twins)]
    if not chosen.size or not of_twins.size or of_twins.mean() <= 0:
        return float("nan")
    return float(chosen.mean() / of_twins.mean())


def _shared(shared: np.ndarray, sizes: np.ndarray, product: np.ndarray, n: np.ndarray) -> Shared:
    """Over layers, of sums of weights: shared, what both sides keep, and the product of their counts; all (L, ...)."""
    expected = (product / n.reshape(-1, *[1] * (product.ndim - 1))).sum(axis=0)
    both, sizes = shared.sum(axis=0), sizes.sum(axis=0)
    iou, chance = ratio(both, sizes - both), ratio(expected, sizes - expected)
    return Shared(iou, chance, ratio(iou - chance, 1 - chance))


def finding(measured: Luck) -> str:
    """One sentence: do tickets of different subsets differ by more than luck? Without a full stop."""
    at, who = measured.samples, "Tickets of different subsets share"
    if np.isnan(at.value):
        return "Twins share no more than chance, so there is no scale to place tickets on"
    share = f"{100 * at.value:.0f} %"
    if np.isnan(at.low):
        return f"{who} {share} of what twins share beyond chance; there is no interval"
    share += f" (95 % interval {100 * at.low:.0f} to {100 * at.high:.0f} %)"
    return {
        "less than twins": f"{who} less than twins do, {share} of it: they follow their data",
        "as twins": f"{who} as much as twins do, {share} of it: luck is enough to explain how they differ",
        "more than twins": f"{who} more than twins do, {share} of it: nothing shows that they follow their data",
    }[at.verdict]
