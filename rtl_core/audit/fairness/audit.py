"""The fairness audit: totals, tickets x groups, gaps to a reference, largest gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.audit.fairness.gaps import PermutationTests, min_detectable
from rtl_core.audit.fairness.group_metrics import (
    METRICS,
    RANKED,
    SCORES,
    SHARES,
    SHOWN,
    Cells,
    Measure,
    Strata,
    measures,
    totals,
)
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.results import Cell, ClassPlace, Excluded, FairnessReport, Gap, MaxGap, Place
from rtl_core.errors import BadInput
from rtl_core.statistics.estimates import json_number
from rtl_core.statistics.intervals import difference

KNOWN_AS = {"selection_rate": "demographic_parity", "tpr": "equal_opportunity"}  # the largest gap of a metric
EQUALIZED_ODDS = "equalized_odds"  # the larger of the largest gaps of tpr and fpr


Tested = tuple[Gap | MaxGap, Any]  # a gap, and the test that was asked about it or None


def fairness(predictions: Predictions, groups: Sequence[str], settings: AuditSettings = USUAL) -> FairnessReport:
    """The audit of each group column and, where several are named, of their intersection.

    Raises BadInput for names that are not there.
    """
    metrics, level, permutations = settings.metrics, settings.level, settings.permutations
    if metrics is None and not predictions.decides:
        metrics = (predictions.credited.name,)
    if metrics is None:
        metrics = SHARES if np.isnan(predictions.score).all() else METRICS
    strata, divided, everyone = Strata.of(predictions), groupings(predictions.groups, groups), totals(predictions)
    named = _references(divided, settings.reference)
    tests = PermutationTests(permutations, settings.seed)
    notes = [*predictions.notes, *_notes(predictions, strata, divided)]
    cells, gaps, max_gaps, excluded = [], [], [], []
    for grouping, base in zip(divided, named, strict=True):
        measured = measures(predictions, strata, grouping, metrics, level)
        cells += _cells(predictions, strata, grouping, measured)
        gaps += _gaps(strata, grouping, base, measured, tests, 1 - level)
        max_gaps += _max_gaps(strata, grouping, measured, tests)
        excluded += _excluded(strata, grouping)
    p = tests.extremes()
    if len(p) > (1 - level) * (permutations + 1):
        notes.append(f"{len(p):,} tests are too many for {permutations:,} permutations to find a largest gap")
    return FairnessReport(
        overall=_cells(predictions, strata, everyone, measures(predictions, strata, everyone, metrics, level)),
        cells=cells,
        gaps=_with_p(gaps, p),
        max_gaps=_with_p(max_gaps, p),
        excluded=excluded,
        references={",".join(g.columns): g.names[base] for g, base in zip(divided, named, strict=True)},
        level=level,
        permutations=permutations,
        seed=settings.seed,
        notes=notes,
        tests=len(p),
    )


def _with_p(gaps: Sequence[Tested], p: Mapping[Any, tuple[float, float]]) -> list[Any]:
    pairs = ((gap, p.get(test, (None, None))) for gap, test in gaps)
    return [replace(gap, p=own, p_holm=adjusted) for gap, (own, adjusted) in pairs]


def _references(divided: Sequence[Grouping], names: Sequence[str]) -> list[int]:
    known = [name for grouping in divided for name in grouping.names]
    for name in names:
        if name not in known:
            raise BadInput(f"There is no group '{name}' to compare with; the groups are: {', '.join(known[:30])}.")
    references = []
    for grouping in divided:
        own = [name for name in names if name in grouping.names]
        if len(own) > 1:
            raise BadInput(f"'{own[0]}' and '{own[1]}' divide the same columns; name one group to compare with.")
        size = np.bincount(grouping.code, minlength=len(grouping.names))
        largest = int(np.where(grouping.missing, -1, size).argmax())
        references.append(grouping.names.index(own[0]) if own else largest)
    return references


def _cells(predictions: Predictions, strata: Strata, grouping: Grouping, measured: Sequence[Measure]) -> list[Cell]:
    cells = Cells.of(strata, grouping)
    truth = predictions.y_true[strata.rows]
    n = cells.count(np.ones(len(truth), bool))
    of_class = {name: cells.count(truth == c) for c, name in enumerate(predictions.classes)}
    records = []
    for measure in measured:
        yes = predictions.classes[1] if predictions.n_classes == 2 else measure.class_name
        n_pos = of_class.get(yes)
        for cell in np.ndindex(n.shape):
            records.append(
                Cell(
                    _place(strata, measure, cell[0]),
                    group=grouping.names[cell[1]] if grouping.columns else None,
                    n=int(n[cell]),
                    n_pos=None if n_pos is None else int(n_pos[cell]),
                    n_neg=None if n_pos is None else int(n[cell] - n_pos[cell]),
                    value=json_number(measure.value[cell]),
                    low=json_number(measure.low[cell]),
                    high=json_number(measure.high[cell]),
                    denominator=int(measure.denominator[cell]),
                    status=str(measure.status[cell]),
                    reason=measure.reason[cell] or None,
                )
            )
    return records


def _place(strata: Strata, measure: Measure, stratum: int, metric: str | None = None) -> Place:
    ticket, metric = strata.names[stratum], metric or measure.metric
    return Place(ticket, metric) if strata.binary else ClassPlace(ticket, metric, measure.class_name)


def _gaps(
    strata: Strata, grouping: Grouping, base: int, measured: Sequence[Measure], tests: PermutationTests, alpha: float
) -> list[Tested]:
    """Every group less the reference, in every stratum."""
    others = [g for g in range(len(grouping.names)) if g != base]
    records = []
    for measure in measured:
        figures = (measure.value, measure.low, measure.high)
        gap, low, high = difference(figures, [values[:, [base]] for values in figures])
        for s, g in product(range(len(strata.names)), others):
            pair = [g, base]
            status, reason = _pair_verdict(measure, s, pair, grouping)
            reason = reason or _untested(strata, measure, s)
            size, test, detectable = measure.denominator[s], None, np.nan
            if reason is None:
                test = tests.ask([measure], s, strata.names[s], pair, [grouping.names[i] for i in pair])
            if status != "refused" and len(measure.shares) == 1:
                detectable = min_detectable(measure.value[s, base], size[g], size[base], alpha)
            record = Gap(
                _place(strata, measure, s),
                reference=grouping.names[base],
                group=grouping.names[g],
                gap=json_number(gap[s, g]),
                low=json_number(low[s, g]),
                high=json_number(high[s, g]),
                value=json_number(measure.value[s, g]),
                reference_value=json_number(measure.value[s, base]),
                denominator=int(size[g]),
                reference_denominator=int(size[base]),
                min_detectable=json_number(detectable),
                status=status,
                reason=reason,
            )
            records.append((record, test))
    return records


def _pair_verdict(measure: Measure, s: int, pair: Sequence[int], grouping: Grouping) -> tuple[str, str | None]:
    """The worse status of two cells, and why."""
    for status in ("refused", "small"):
        for g in pair:
            if measure.status[s, g] == status:
                return status, f"{grouping.names[g]}: {measure.reason[s, g]}"
    return "ok", None


def _untested(strata: Strata, measure: Measure, s: int) -> str | None:
    """Why a gap between cells that are `ok` has no p; None if it has one."""
    if not measure.shares and measure.credits is None:
        return "metrics of scores have an interval and no permutation test"
    if strata.repeated[s]:
        return "some units have several rows here, so labels cannot be dealt out row by row"
    return None


def _max_gaps(strata: Strata, grouping: Grouping, measured: Sequence[Measure], tests: PermutationTests) -> list[Tested]:
    """Of every metric, and of the two whose gaps together are equalized odds."""
    questions = [([measure], KNOWN_AS.get(measure.metric)) for measure in measured]
    by_name = {(measure.metric, measure.class_name): measure for measure in measured}
    for (metric, class_name), measure in by_name.items():
        if metric == "tpr" and ("fpr", class_name) in by_name:
            questions.append(([measure, by_name["fpr", class_name]], EQUALIZED_ODDS))
    return [
        _max_gap(strata, grouping, s, pooled_as, known_as, tests)
        for pooled_as, known_as in questions
        for s in range(len(strata.names))
    ]


def _max_gap(
    strata: Strata,
    grouping: Grouping,
    s: int,
    pooled_as: Sequence[Measure],
    known_as: str | None,
    tests: PermutationTests,
) -> Tested:
    """In one stratum, of one metric or of the larger of two."""
    place = _place(strata, pooled_as[0], s, EQUALIZED_ODDS if len(pooled_as) > 1 else None)
    ranked = np.flatnonzero(np.all([measure.status[s] == "ok" for measure in pooled_as], axis=0))
    record = MaxGap(place, known_as, list(grouping.columns), len(ranked))
    if len(ranked) < 2:
        return replace(record, reason=f"fewer than two groups have {RANKED} rows in the denominator"), None
    widest = max(pooled_as, key=lambda measure: np.ptp(measure.value[s, ranked]))
    values, names = widest.value[s, ranked], [grouping.names[g] for g in ranked]
    reason = _untested(strata, widest, s)
    test = tests.ask(pooled_as, s, strata.names[s], ranked, names) if reason is None else None
    highest, lowest = names[values.argmax()], names[values.argmin()]
    return replace(record, gap=float(np.ptp(values)), highest=highest, lowest=lowest, reason=reason), test


def _excluded(strata: Strata, grouping: Grouping) -> list[Excluded]:
    cells = Cells.of(strata, grouping)
    n = cells.count(np.ones(len(strata.rows), bool))
    return [
        Excluded(
            strata.names[s],
            grouping.names[g],
            n=int(n[s, g]),
            reason=f"fewer than {SHOWN} rows ({n[s, g]})" if n[s, g] else "no rows",
        )
        for s, g in zip(*np.nonzero(n < SHOWN), strict=True)
    ]


def _notes(predictions: Predictions, strata: Strata, divided: Sequence[Grouping]) -> list[str]:
    """What a reader of the figures has to know about these predictions."""
    notes = []
    for k, name in enumerate(predictions.tickets if predictions.decides else ()):
        predicted = np.unique(predictions.y_pred[predictions.ticket == k])
        if len(predicted) == 1:
            notes.append(f"ticket '{name}' says '{predictions.classes[predicted[0]]}' to every row")
    unscored = int(np.isnan(predictions.score).reshape(len(predictions.score), -1).any(axis=1).sum())
    if predictions.decides and 0 < unscored < len(predictions.score):
        notes.append(f"{unscored:,} rows have no score and are left out of {', '.join(SCORES)}")
    for grouping in divided:
        if len(np.unique(grouping.code)) == 1:
            notes.append(f"{' and '.join(grouping.columns)}: all rows are in one group, so nothing can be compared")
    for name, repeated in zip(strata.names, strata.repeated, strict=True):
        if repeated:
            where = "all tickets together" if name is None else f"ticket '{name}'"
            notes.append(f"{where}: some units have several rows; intervals count units, and gaps are not tested")
    return notes
