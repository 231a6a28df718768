"""An audit of tickets over many inputs: faithfulness, where the attributions lie, and whether tickets agree.

Inputs pass in chunks and only sums and per-input figures stay, so memory does not grow with the maps. The tickets
of a chunk are explained side by side on threads, each on modules of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from torch import nn

from rtl_core.audit.attribution.deletion_insertion import Curves, area, curves
from rtl_core.audit.attribution.explain import INPUTS, Maps, explain
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.parameters import LayerParameters
from rtl_core.audit.attribution.rank_correlation import centred_ranks
from rtl_core.audit.attribution.regions import Regions, regions_of, smallest_regions
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.errors import BadInput
from rtl_core.events import Event, Report, silent
from rtl_core.models.copies import folded
from rtl_core.rng import numpy_generator
from rtl_core.statistics.intervals import bootstrap_ratios
from rtl_core.threads import pool

REPLICATES = 1000
FAITHFULNESS = (
    "deletion",
    "random_deletion",
    "deletion_difference",
    "insertion",
    "random_insertion",
    "insertion_difference",
)


@dataclass(frozen=True)
class Figures:
    """Means over inputs with 95 % intervals that resample units; all arrays of one shape. NaN where undefined."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class TicketAudit:
    """What one ticket's maps are like over the n inputs.

    faithfulness  of `FAITHFULNESS`, areas under the curves: a map is faithful where the deletion's difference from
                  random orders is negative and the insertion's positive. None where it was not asked for
    regions       of the regions: mean share of a map's absolute values that lies there; maps of zeros have none
    evidence      float64, the input's shape: the mean map, each map scaled to absolute values that sum to 1
    """

    faithfulness: Figures | None
    regions: Figures
    evidence: np.ndarray


@dataclass(frozen=True)
class Audit:
    """names: of the tickets; agreement: of (K, K), mean rank correlation of two tickets' maps of the same input."""

    names: tuple[str, ...]
    tickets: tuple[TicketAudit, ...]
    regions: tuple[str, ...]
    agreement: Figures
    n: int
    method: str
    baseline: str
    seconds: float


def audit(
    subject: Subject,
    tickets: Sequence[str],
    rows: np.ndarray,
    request: MapRequest,
    faithfulness: bool = True,
    workers: int | None = None,
    report: Report = silent,
) -> Audit:
    """The same rows through every ticket.

    rows     indices of the data set's rows; those of one class give that class's evidence
    workers  threads; None: one a core, at most one a ticket. They do not change the figures
    report   told of every chunk; it may raise `Stopped`

    Raises BadInput where there are no rows, and where the request does not fit the network.
    """
    if len(rows) == 0:
        raise BadInput("an audit needs inputs, and no row was chosen; choose another class or subset")
    began, dataset, seed = time.monotonic(), subject.dataset, request.seed
    target = request.output(subject)
    modules = [subject.module(ticket) for ticket in tickets]
    if not isinstance(request.settings, LayerParameters):  # a layer's own maps are others with its norm in it
        modules = [folded(module) for module in modules]
    smallest, regions = smallest_regions(dataset), regions_of(dataset)
    shares: list[list[np.ndarray]] = []
    chunks_of_curves: list[list[Curves | None]] = []
    correlations, evidence = [], np.zeros((len(modules), *dataset.input_shape))
    with pool(workers or min(os.cpu_count() or 1, len(modules))) as threads:
        for i in range(0, len(rows), INPUTS):
            x = dataset.inputs(rows[i : i + INPUTS])
            question = request.question(subject, x)

            def one(module: nn.Module, i=i, x=x, question=question) -> tuple[Maps, Curves | None]:
                maps = explain(module, x, question, target)
                if not faithfulness:
                    return maps, None
                return maps, curves(module, x, maps, question, smallest, numpy_generator(seed, "deletion", i))

            maps, walked = zip(*threads.map(one, modules), strict=True)
            scaled = [_scaled(each.attributions) for each in maps]
            evidence += [each.sum(axis=0) for each in scaled]
            shares.append([_shares(each, regions) for each in scaled])
            chunks_of_curves.append(list(walked))
            ranks = [centred_ranks(each.flat) for each in maps]
            correlations.append([(a * b).sum(axis=1) for a, b in combinations(ranks, 2)])
            report(Event("attribute", request.method, min(i + INPUTS, len(rows)), len(rows)))
    units = dataset.unit[rows]
    audited = tuple(
        TicketAudit(
            _faithfulness([chunk[k] for chunk in chunks_of_curves], units, seed) if faithfulness else None,
            _means(np.concatenate([chunk[k] for chunk in shares]).T, units, seed),
            evidence[k] / len(rows),
        )
        for k in range(len(modules))
    )
    pairs = np.concatenate(correlations, axis=1) if len(modules) > 1 else np.zeros((0, len(rows)))
    agreement = _agreement(_means(pairs, units, seed), len(modules))
    made = request.method, request.baseline_for(dataset), time.monotonic() - began
    return Audit(tuple(tickets), audited, regions.names, agreement, len(rows), *made)


def _scaled(maps: np.ndarray) -> np.ndarray:
    """Each map over the sum of its absolute values, so that all inputs count alike; a map of zeros stays one."""
    size = np.abs(maps).sum(axis=tuple(range(1, maps.ndim)), keepdims=True, dtype=np.float64)
    return np.divide(maps, size, out=np.zeros(maps.shape), where=size > 0)


def _shares(scaled: np.ndarray, regions: Regions) -> np.ndarray:
    """(n, regions) of scaled maps (n, *shape); NaN for a map of zeros."""
    shares = regions.sums(np.abs(scaled))
    return np.where(shares.any(axis=1, keepdims=True), shares, np.nan)


def _means(values: np.ndarray, units: np.ndarray, seed: int) -> Figures:
    """Means of (m, n) over the inputs; NaN ones are left out."""
    if len(values) == 0:
        return Figures(*np.empty((3, 0)))
    defined = ~np.isnan(values)
    known, counted = np.where(defined, values, 0.0), defined.astype(float)
    low, high = bootstrap_ratios(
        known, units, denominators=counted, seed=seed, names=("attribution",), replicates=REPLICATES
    )
    count = counted.sum(axis=1)
    return Figures(np.divide(known.sum(axis=1), count, out=np.full(len(values), np.nan), where=count > 0), low, high)


def _faithfulness(chunks: Sequence[Curves], units: np.ndarray, seed: int) -> Figures:
    names = ("deletion", "random_deletion", "insertion", "random_insertion")
    areas = [np.concatenate([area(getattr(chunk, name)) for chunk in chunks]) for name in names]
    deletion, random_deletion, insertion, random_insertion = areas
    lead, gain = deletion - random_deletion, insertion - random_insertion
    return _means(np.stack([deletion, random_deletion, lead, insertion, random_insertion, gain]), units, seed)


def _agreement(pairs: Figures, k: int) -> Figures:
    """Figures of the pairs as symmetric (K, K) ones; a ticket agrees with itself."""

    def square(values: np.ndarray, diagonal: float) -> np.ndarray:
        matrix = np.full((k, k), diagonal)
        above = np.triu_indices(k, 1)
        matrix[above] = matrix.T[above] = values
        return matrix

    return Figures(square(pairs.value, 1.0), square(pairs.low, np.nan), square(pairs.high, np.nan))
