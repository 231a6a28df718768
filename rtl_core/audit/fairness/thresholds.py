"""What if every ticket or every group had a threshold of its own: chosen on validation rows, measured on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.paired_changes import Change, changes, rates
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.documents import INLINE
from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import proportion
from rtl_core.statistics.intervals import LEVEL

Aim = Literal["selection_rate", "tpr", "fixed"]

TOLERANCES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3)  # gaps that the trade-off curve allows
STEPS = 200  # of the rate that fairlearn levels, from 0 to 1
FAIRLEARN = {"selection_rate": "selection_rate_parity", "tpr": "true_positive_rate_parity"}
TICKET = "ticket"


@dataclass(frozen=True)
class Threshold:
    """Of a ticket or group, chosen on n validation rows; None where they are too few, with the reason."""

    stratum: str
    threshold: float | None
    n: int
    reason: str | None


@dataclass(frozen=True)
class TradeoffPoint:
    """What one tolerated gap leaves of a group's rate: `accuracy` is that of all test rows, of which `share_changed`
    are decided otherwise than now. Its interval is in the change's `ci`."""

    tolerance: float
    share_changed: float
    accuracy: float
    change: Change = field(metadata=INLINE)


@dataclass(frozen=True)
class WhatIf:
    """Thresholds of every ticket, or of every group of a column (`by`), and what they change.

    columns     whose groups are compared
    changes     on test rows; tradeoff: accuracy against the gap that is left, on test rows
    """

    columns: list[str]
    by: str
    aim: str
    thresholds: list[Threshold]
    changes: list[Change]
    tradeoff: list[TradeoffPoint]
    notes: list[str]


def what_if(
    validation: Predictions,
    test: Predictions,
    by: str,
    aim: Aim,
    grouping: Grouping,
    base: int,
    fixed: float = 0.5,
    level: float = LEVEL,
) -> WhatIf:
    """Thresholds of each ticket (`by` is "ticket") or of each group of a column, and what they change.

    aim       "selection_rate" or "tpr": each threshold brings that rate, on the validation rows, as near as it
              can to the rate of all of them as decided now. "fixed": `fixed` for everybody
    grouping  of the test rows: whose rates and gaps are compared, with the reference `base`

    Raises BadInput without scores of two classes.
    """
    for predictions in (validation, test):
        _check(predictions)
    if aim not in ("selection_rate", "tpr", "fixed"):
        raise BadInput(f"There is no aim '{aim}' for thresholds; choose among: selection_rate, tpr, fixed.")
    if not 0 <= fixed <= 1:
        raise BadInput(f"A threshold of probabilities lies between 0 and 1 (got {fixed:g}).")
    (names, before), (_, there) = strata_by(validation, by), strata_by(test, by)
    chosen = [_threshold(name, validation, before == i, aim, fixed) for i, name in enumerate(names)]
    limits = np.array([np.nan if one.threshold is None else one.threshold for one in chosen])[there]
    kept = np.isnan(limits)  # of strata with too few validation rows
    predicted = np.where(kept, test.y_pred, test.score > limits).astype(np.int64)
    notes = ["thresholds are chosen on validation rows and measured on test rows"]
    if by != TICKET:
        notes.append(f"a threshold for each group reads {by} to decide, which the law may forbid")
    return WhatIf(
        columns=list(grouping.columns),
        by=by,
        aim=aim,
        thresholds=chosen,
        changes=changes(test, replace(test, y_pred=predicted), grouping, base, level),
        tradeoff=[] if aim == "fixed" else tradeoff(validation, test, by, aim, grouping, base, level=level),
        notes=notes,
    )


def tradeoff(
    validation: Predictions,
    test: Predictions,
    by: str,
    aim: Aim,
    grouping: Grouping,
    base: int,
    tolerances: Sequence[float] = TOLERANCES,
    seed: int = 0,
    level: float = LEVEL,
) -> list[TradeoffPoint]:
    """The best accuracy for each largest gap allowed in a rate, by fairlearn's `ThresholdOptimizer` (Hardt 2016).

    One per tolerance, group and metric (accuracy and the rate), measured on the test rows. The optimum may draw lots
    between two thresholds, drawn here from `seed`. Strata with fewer than `SHOWN` validation rows of either class stay
    as they are.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    (names, before), (_, there) = strata_by(validation, by), strata_by(test, by)
    fewest = np.min([np.bincount(before[validation.y_true == y], minlength=len(names)) for y in (0, 1)], axis=0)
    learned, known = (fewest >= SHOWN)[before], (fewest >= SHOWN)[there]
    if not learned.any():
        return []
    records, units = [], Units.from_ids(test.unit)
    for tolerance in tolerances:
        rule = ThresholdOptimizer(
            estimator=_scores_as_they_are(),
            constraints=FAIRLEARN[aim],
            grid_size=STEPS,
            prefit=True,
            predict_method="predict",
            tol=tolerance or None,
        )
        rule.fit(validation.score[learned, None], validation.y_true[learned], sensitive_features=before[learned])
        predicted = test.y_pred.copy()
        features = {"sensitive_features": there[known], "random_state": seed}
        predicted[known] = rule.predict(test.score[known, None], **features).astype(np.int64)
        right = proportion(predicted == test.y_true, np.ones(len(predicted), bool), units, level)
        share_changed, ci = float((predicted != test.y_pred).mean()), {"accuracy": [right.low, right.high]}
        records += [
            TradeoffPoint(tolerance, share_changed, right.value, replace(change, ci={**ci, **change.ci}))
            for change in changes(test, replace(test, y_pred=predicted), grouping, base, level)
            if change.metric in ("accuracy", aim)
        ]
    return records


def strata_by(predictions: Predictions, by: str) -> tuple[tuple[str, ...], np.ndarray]:
    """What gets a threshold each, the tickets or the groups of one column: (names, (n,) codes)."""
    if by == TICKET:
        return predictions.tickets, predictions.ticket
    grouping = groupings(predictions.groups, [by])[0]
    return grouping.names, grouping.code


def _scores_as_they_are() -> Any:
    """An estimator that is fitted already and whose prediction is its one input, for fairlearn."""
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):
        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, x: np.ndarray, y: np.ndarray) -> Scores:
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.asarray(x)[:, 0]

    return Scores()


def _check(predictions: Predictions) -> None:
    if not predictions.binary:
        raise BadInput(f"Thresholds are for two classes, and these decisions have {predictions.n_classes}.")
    if np.isnan(predictions.score).any():
        raise BadInput("Some rows have no score, so no threshold can decide them.")
    if predictions.score.min() < 0 or predictions.score.max() > 1:
        raise BadInput("Thresholds are tried between 0 and 1, but some scores lie outside; give probabilities.")


def _threshold(name: str, predictions: Predictions, stratum: np.ndarray, aim: Aim, fixed: float) -> Threshold:
    """Halfway between two scores."""
    if aim == "fixed":
        return Threshold(name, fixed, int(stratum.sum()), None)
    hit, among = rates(predictions)[aim]
    score = np.sort(predictions.score[stratum & among])
    if len(score) < RANKED:
        few = f"fewer than {RANKED} validation rows to choose on ({len(score)}); decisions stay as they are"
        return Threshold(name, None, len(score), few)
    distinct = np.unique(score)
    limits = np.r_[0.0, (distinct[:-1] + distinct[1:]) / 2, 1.0]
    above = 1 - np.searchsorted(score, limits, side="right") / len(score)
    return Threshold(name, float(limits[np.abs(above - hit[among].mean()).argmin()]), len(score), None)
