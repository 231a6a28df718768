"""Weight ablation of a gap: weights of all tickets, of some or of one alone, removed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.audit.fairness.groups import Grouping
from rtl_core.audit.fairness.paired_changes import Change, Mean, changes, intervals, mean_of, rates, shown
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.documents import INLINE, key
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.rng import numpy_generator
from rtl_core.statistics.clustered_rows import Units
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import dead_layers

DRAWS = 5  # random ablations of each size

Decide = Callable[[Sequence[Subnetwork]], Predictions]
Settle = Callable[[Subnetwork, int], Subnetwork]


def ownership_classes(masks: np.ndarray) -> dict[str, np.ndarray]:
    """Class -> bool (K, N), for each ticket its weights that every ticket keeps (`all`), that some but not all
    others keep (`some`) and that it keeps alone (`private`). With two tickets there is no `some`.
    """
    owners = masks.sum(axis=0)
    k = len(masks)
    classes = {"all": owners == k, "some": (owners > 1) & (owners < k), "private": owners == 1}
    return {name: masks & among for name, among in classes.items()}


@dataclass(frozen=True)
class TakenWeights:
    """How many of its kept weights a ticket loses with one class of them; dead_layers: where nothing is left."""

    of_class: str = field(metadata=key("class"))
    ticket: str
    taken: int
    kept: int
    dead_layers: list[str]


@dataclass(frozen=True)
class Ablated:
    """What the loss of one class of weights changes for a group. ticket: None where all tickets are ablated.

    excess           the change less the mean change under random ablations, and `gap_excess` the same of the gap to the
                     reference. Below zero, the rate falls further than by losing that many weights. Their intervals, in
                     the change's `ci`, allow for the rows and for the draws
    random_changes   of each draw
    """

    of_class: str = field(metadata=key("class"))
    ticket: str | None
    change: Change = field(metadata=INLINE)
    excess: dict[str, float | None] = field(metadata=INLINE)
    random_changes: list[float]


@dataclass(frozen=True)
class Ablations:
    """Every ticket without one class of its weights after the other."""

    weights: list[TakenWeights]
    changes: list[Ablated]


def ablations(
    subnetworks: Sequence[Subnetwork],
    layout: Layout,
    decide: Decide,
    settle: Settle,
    divided: Sequence[tuple[Grouping, int]],
    settings: AuditSettings = USUAL,
) -> Ablations:
    """The classes of `ownership_classes`, each taken away from all tickets.

    subnetworks  with a mask each
    decide       subnetworks -> their decisions, always of the same rows in the same order
    settle       (subnetwork, its index) -> the subnetwork with norm statistics of its own
    divided      groupings of these rows, each with the index of its reference
    settings     its level, and its seed for the control

    The control takes as many weights of each layer away, drawn from those that the ticket keeps, `DRAWS` times.
    """
    if any(subnetwork.mask is None for subnetwork in subnetworks) or len(subnetworks) < 2:
        raise BadInput("Taking shared and private weights away needs two tickets or more, each with a mask.")
    masks = np.stack([subnetwork.mask for subnetwork in subnetworks])
    before, weights, moved = decide(subnetworks), [], []
    for name, taken in ownership_classes(masks).items():
        if not taken.any():
            continue
        after = decide(_without(subnetworks, taken, settle))
        drawn = (_drawn(taken, masks, layout, settings.seed, i) for i in range(DRAWS))
        random = [decide(_without(subnetworks, gone, settle)) for gone in drawn]
        weights += [_taken(name, ticket, masks[k], taken[k], layout) for k, ticket in enumerate(before.tickets)]
        for ticket, rows in _strata(before):
            kept_rows = [only(decided, rows) for decided in (before, after, *random)]
            moved += [
                Ablated(name, ticket, *against_random)
                for grouping, base in divided
                for against_random in _against_random(
                    kept_rows, replace(grouping, code=grouping.code[rows]), base, settings.level
                )
            ]
    return Ablations(weights, moved)


def _taken(name: str, ticket: str, mask: np.ndarray, taken: np.ndarray, layout: Layout) -> TakenWeights:
    before = dead_layers(mask, layout)
    dead = [layer for layer in dead_layers(mask & ~taken, layout) if layer not in before]
    return TakenWeights(name, ticket, int(taken.sum()), int(mask.sum()), dead)


def only(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """Some of the decisions; rows are indices."""
    arrays = {name: getattr(predictions, name)[rows] for name in ("y_true", "y_pred", "score", "ticket", "unit")}
    if predictions.credit is not None:
        arrays["credit"] = predictions.credit[rows]
    return replace(predictions, **arrays, groups=predictions.groups.iloc[rows].reset_index(drop=True))


def _strata(predictions: Predictions) -> Iterator[tuple[str | None, np.ndarray]]:
    """(ticket, its rows) and then (None, all rows); a ticket without rows is left out."""
    for k, name in enumerate(predictions.tickets):
        rows = np.flatnonzero(predictions.ticket == k)
        if len(rows):
            yield name, rows
    yield None, np.arange(len(predictions.ticket))


def _without(subnetworks: Sequence[Subnetwork], taken: np.ndarray, settle: Settle) -> list[Subnetwork]:
    return [
        settle(replace(subnetwork, mask=subnetwork.mask & ~gone), k)
        for k, (subnetwork, gone) in enumerate(zip(subnetworks, taken, strict=True))
    ]


def _drawn(taken: np.ndarray, masks: np.ndarray, layout: Layout, seed: int, draw: int) -> np.ndarray:
    """bool (K, N): of each ticket's kept weights as many in every layer as `taken` has there, at random."""
    drawn = np.zeros_like(taken)
    for k, mask in enumerate(masks):
        generator = numpy_generator(seed, "ablation", k, draw)
        for layer in layout.slices().values():
            kept = layer.start + np.flatnonzero(mask[layer])
            drawn[k, generator.permutation(kept)[: int(taken[k, layer].sum())]] = True
    return drawn


def _against_random(
    decided: Sequence[Predictions], grouping: Grouping, base: int, level: float
) -> Iterator[tuple[Change, dict[str, float | None], list[float]]]:
    """decided: before, after, and after each random ablation. `changes`, each with what is in excess of the mean change
    under the random ones, and with these."""
    before, after, *random = decided
    units = Units.from_ids(before.unit)
    moved_rates, drawn = rates(after), [rates(each) for each in random]
    start = rates(before)
    for change in changes(before, after, grouping, base, level):
        hit, among = start[change.metric]
        control = np.stack([rate[change.metric][0] for rate in drawn]).astype(float)
        excess = moved_rates[change.metric][0] - control.mean(axis=0)
        rows = [among & (grouping.code == g) for g in (grouping.names.index(change.group), base)]
        own, other = (mean_of(excess, each, units) for each in rows)
        moved = np.array([[mean_of(values - hit, each, units).value for values in control] for each in rows])
        result = {"excess": (own, moved[0])}
        if change.gap is not None:
            result["gap_excess"] = (own - other, moved[0] - moved[1])
        values = shown(change.gap_status, **{name: mean.value for name, (mean, _) in result.items()})
        ends = {name: _interval(mean, draws, level) for name, (mean, draws) in result.items()}
        ci = {**change.ci, **intervals(change.gap_status, **ends)}
        yield replace(change, ci=ci), values, moved[0].tolist() if change.status != "refused" else []


def _interval(mean: Mean, draws: np.ndarray, level: float) -> tuple[float, float]:
    """Of a mean less that of some draws, whose own spread adds to the error as one more unit would."""
    error_of_draws = np.std(draws, ddof=1) / np.sqrt(len(draws))
    return replace(mean, contributions=np.append(mean.contributions, error_of_draws)).interval(level)
