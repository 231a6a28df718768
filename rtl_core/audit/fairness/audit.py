"""The fairness audit as one JSON document: totals, tickets x groups, gaps to a reference, largest gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

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
from rtl_core.errors import BadInput
from rtl_core.statistics.estimates import json_number
from rtl_core.statistics.intervals import LEVEL, difference

KNOWN_AS = {"selection_rate": "demographic_parity", "tpr": "equal_opportunity"}  # the largest gap of a metric
EQUALIZED_ODDS = "equalized_odds"  # the larger of the largest gaps of tpr and fpr


def fairness(
    predictions: Predictions,
    groups: Sequence[str],
    reference: str | Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, Any]:
    """The audit of each group column and, where several are named, of their intersection.

    reference   names of groups, such as "race=White" and "race=White,sex=Male", that the others of their
                columns are compared with; without one the largest group is, "missing" apart
    metrics     of `cells.METRICS`; default: all, those of scores only where there are scores
    level       of all intervals; 1 - level is the alpha of `min_detectable`

    `ticket` is null where all tickets are taken together. `p` compares nothing but `ok` cells, and
    `p_holm` is adjusted over all tests of the document. Raises BadInput for names that are not there.
    """
    if not (0 < level < 1 and permutations > 0):
        raise BadInput("The level of the intervals lies between 0 and 1, and at least one permutation is needed.")
    if metrics is None:
        metrics = SHARES if np.isnan(predictions.score).all() else METRICS
    strata = Strata.of(predictions)
    divided = groupings(predictions.groups, groups)
    named = _references(divided, [reference] if isinstance(reference, str) else list(reference or ()))
    tests = PermutationTests(permutations, seed)
    everyone = totals(predictions)
    document: dict[str, Any] = {
        "overall": _cells(predictions, strata, everyone, measures(predictions, strata, everyone, metrics, level)),
        **{section: [] for section in ("cells", "gaps", "max_gaps", "excluded")},
        "references": {},
        "level": level,
        "permutations": permutations,
        "seed": seed,
        "notes": [*predictions.notes, *_notes(predictions, strata, divided)],
    }
    for grouping, base in zip(divided, named, strict=True):
        measured = measures(predictions, strata, grouping, metrics, level)
        document["references"][",".join(grouping.columns)] = grouping.names[base]
        document["cells"] += _cells(predictions, strata, grouping, measured)
        document["gaps"] += _gaps(strata, grouping, base, measured, tests, 1 - level, predictions.binary)
        document["max_gaps"] += _max_gaps(strata, grouping, measured, tests, predictions.binary)
        document["excluded"] += _excluded(strata, grouping)
    p = tests.extremes()
    for gap in (*document["gaps"], *document["max_gaps"]):
        gap["p"], gap["p_holm"] = p.get(gap.pop("test"), (None, None))
    document["tests"] = len(p)
    if len(p) > (1 - level) * (permutations + 1):
        document["notes"].append(
            f"{len(p):,} tests are too many for {permutations:,} permutations to find a largest gap"
        )
    return document


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


def _cells(
    predictions: Predictions, strata: Strata, grouping: Grouping, measured: Sequence[Measure]
) -> list[dict[str, Any]]:
    cells = Cells.of(strata, grouping)
    truth = predictions.y_true[strata.rows]
    n = cells.count(np.ones(len(truth), bool))
    of_class = {name: cells.count(truth == c) for c, name in enumerate(predictions.classes)}
    records = []
    for measure in measured:
        n_pos = of_class.get(predictions.classes[1] if predictions.binary else measure.class_name)
        for cell in np.ndindex(n.shape):
            records.append(
                {
                    **_where(strata, measure, cell[0], predictions.binary),
                    **({"group": grouping.names[cell[1]]} if grouping.columns else {}),
                    "n": int(n[cell]),
                    "n_pos": None if n_pos is None else int(n_pos[cell]),
                    "n_neg": None if n_pos is None else int(n[cell] - n_pos[cell]),
                    "value": json_number(measure.value[cell]),
                    "low": json_number(measure.low[cell]),
                    "high": json_number(measure.high[cell]),
                    "denominator": int(measure.denominator[cell]),
                    "status": str(measure.status[cell]),
                    "reason": measure.reason[cell] or None,
                }
            )
    return records


def _where(strata: Strata, measure: Measure, stratum: int, binary: bool) -> dict[str, Any]:
    """`class` is there with more than two classes; null stands for the macro mean."""
    place = {"ticket": strata.names[stratum], "metric": measure.metric}
    return place if binary else {**place, "class": measure.class_name}


def _gaps(
    strata: Strata,
    grouping: Grouping,
    base: int,
    measured: Sequence[Measure],
    tests: PermutationTests,
    alpha: float,
    binary: bool,
) -> list[dict[str, Any]]:
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
            records.append(
                {
                    **_where(strata, measure, s, binary),
                    "reference": grouping.names[base],
                    "group": grouping.names[g],
                    "gap": json_number(gap[s, g]),
                    "low": json_number(low[s, g]),
                    "high": json_number(high[s, g]),
                    "value": json_number(measure.value[s, g]),
                    "reference_value": json_number(measure.value[s, base]),
                    "denominator": int(size[g]),
                    "reference_denominator": int(size[base]),
                    "min_detectable": json_number(detectable),
                    "status": status,
                    "reason": reason,
                    "test": test,
                }
            )
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
    if not measure.shares:
        return "metrics of scores have an interval and no permutation test"
    if strata.repeated[s]:
        return "some units have several rows here, so labels cannot be dealt out row by row"
    return None


def _max_gaps(
    strata: Strata, grouping: Grouping, measured: Sequence[Measure], tests: PermutationTests, binary: bool
) -> list[dict[str, Any]]:
    """The highest group less the lowest among those that may be ranked. No interval: the largest of several
    differences is above zero even where no group differs, and only the test allows for that."""
    questions = [([measure], KNOWN_AS.get(measure.metric)) for measure in measured]
    by_name = {(measure.metric, measure.class_name): measure for measure in measured}
    for (metric, class_name), measure in by_name.items():
        if metric == "tpr" and ("fpr", class_name) in by_name:
            questions.append(([measure, by_name["fpr", class_name]], EQUALIZED_ODDS))
    records = []
    for pooled_as, known_as in questions:
        for s in range(len(strata.names)):
            ranked = np.flatnonzero(np.all([measure.status[s] == "ok" for measure in pooled_as], axis=0))
            record = {
                **_where(strata, pooled_as[0], s, binary),
                **({"metric": EQUALIZED_ODDS} if len(pooled_as) > 1 else {}),
                "known_as": known_as,
                "columns": list(grouping.columns),
                "groups": len(ranked),
                **{"gap": None, "highest": None, "lowest": None, "reason": None, "test": None},
            }
            records.append(record)
            if len(ranked) < 2:
                record["reason"] = f"fewer than two groups have {RANKED} rows in the denominator"
                continue
            widest = max(pooled_as, key=lambda measure: np.ptp(measure.value[s, ranked]))
            values = widest.value[s, ranked]
            record["gap"] = float(np.ptp(values))
            record["highest"] = grouping.names[ranked[values.argmax()]]
            record["lowest"] = grouping.names[ranked[values.argmin()]]
            record["reason"] = _untested(strata, widest, s)
            if record["reason"] is None:
                record["test"] = tests.ask(pooled_as, s, strata.names[s], ranked, [grouping.names[g] for g in ranked])
    return records


def _excluded(strata: Strata, grouping: Grouping) -> list[dict[str, Any]]:
    """Groups that have too few rows in a ticket for any figure."""
    cells = Cells.of(strata, grouping)
    n = cells.count(np.ones(len(strata.rows), bool))
    return [
        {
            "ticket": strata.names[s],
            "group": grouping.names[g],
            "n": int(n[s, g]),
            "reason": f"fewer than {SHOWN} rows ({n[s, g]})" if n[s, g] else "no rows",
        }
        for s, g in zip(*np.nonzero(n < SHOWN), strict=True)
    ]


def _notes(predictions: Predictions, strata: Strata, divided: Sequence[Grouping]) -> list[str]:
    """What a reader of the figures has to know about these predictions."""
    notes = []
    for k, name in enumerate(predictions.tickets):
        predicted = np.unique(predictions.y_pred[predictions.ticket == k])
        if len(predicted) == 1:
            notes.append(f"ticket '{name}' says '{predictions.classes[predicted[0]]}' to every row")
    unscored = int(np.isnan(predictions.score).reshape(len(predictions.score), -1).any(axis=1).sum())
    if 0 < unscored < len(predictions.score):
        notes.append(f"{unscored:,} rows have no score and are left out of {', '.join(SCORES)}")
    for grouping in divided:
        if len(np.unique(grouping.code)) == 1:
            notes.append(f"{' and '.join(grouping.columns)}: all rows are in one group, so nothing can be compared")
    for name, repeated in zip(strata.names, strata.repeated, strict=True):
        if repeated:
            where = "all tickets together" if name is None else f"ticket '{name}'"
            notes.append(f"{where}: some units have several rows; intervals count units, and gaps are not tested")
    return notes
