"""What if every ticket or every group had a threshold of its own: chosen on validation rows, measured on others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.paired_changes import Change, changes, rates
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.documents import INLINE
from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import proportion

Aim = Literal["selection_rate", "tpr", "fixed"]

TOLERANCES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3)  # gaps that the trade-off curve allows
STEPS = 200  # of the rate that fairlearn levels, from 0 to 1
FAIRLEARN = {"selection_rate": "selection_rate_parity", "tpr": "true_positive_rate_parity"}
TICKET = "ticket"


@dataclass(frozen=True)
class ThresholdRule:
    """How thresholds are chosen.

    by     what gets one each: "ticket", or the groups of this column
    aim    "selection_rate" or "tpr": each threshold brings that rate, on the validation rows, as near as it can to the
           rate of all of them as decided now. "fixed": `fixed` for everybody

    Raises BadInput for another aim, and for a threshold that is no probability.
    """

    by: str = TICKET
    aim: Aim = "selection_rate"
    fixed: float = 0.5

    def __post_init__(self) -> None:
        if self.aim not in ("selection_rate", "tpr", "fixed"):
            raise BadInput(f"There is no aim '{self.aim}' for thresholds; choose among: selection_rate, tpr, fixed.")
        if not 0 <= self.fixed <= 1:
            raise BadInput(f"A threshold of probabilities lies between 0 and 1 (got {self.fixed:g}).")


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
    rule: ThresholdRule,
    grouping: Grouping,
    base: int,
    settings: AuditSettings = USUAL,
) -> WhatIf:
    """Thresholds of each ticket or of each group of a column, and what they change.

    grouping  of the test rows: whose rates and gaps are compared, with the reference `base`
    settings  its level, and its seed for `tradeoff`

    Raises BadInput without scores of two classes.
    """
    for predictions in (validation, test):
        _check(predictions)
    (names, before), (_, there) = strata_by(validation, rule.by), strata_by(test, rule.by)
    chosen = [_threshold(name, validation, before == i, rule) for i, name in enumerate(names)]
    limits = np.array([np.nan if one.threshold is None else one.threshold for one in chosen])[there]
    kept = np.isnan(limits)  # of strata with too few validation rows
    predicted = np.where(kept, test.y_pred, test.score > limits).astype(np.int64)
    notes = ["thresholds are chosen on validation rows and measured on test rows"]
    if rule.by != TICKET:
        notes.append(f"a threshold for each group reads {rule.by} to decide, which the law may forbid")
    return WhatIf(
        columns=list(grouping.columns),
        by=rule.by,
        aim=rule.aim,
        thresholds=chosen,
        changes=changes(test, replace(test, y_pred=predicted), grouping, base, settings.level),
        tradeoff=[] if rule.aim == "fixed" else tradeoff(validation, test, rule, grouping, base, settings),
        notes=notes,
    )


def tradeoff(
    validation: Predictions,
    test: Predictions,
    rule: ThresholdRule,
    grouping: Grouping,
    base: int,
    settings: AuditSettings = USUAL,
) -> list[TradeoffPoint]:
    """The best accuracy for each largest gap allowed in a rate, by fairlearn's `ThresholdOptimizer` (Hardt 2016).

    One per gap of `TOLERANCES`, group and metric (accuracy and the rate), measured on the test rows. The optimum may
    draw lots between two thresholds, drawn here from the settings' seed. Strata with fewer than `SHOWN` validation rows
    of either class stay as they are.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    (names, before), (_, there) = strata_by(validation, rule.by), strata_by(test, rule.by)
    fewest = np.min([np.bincount(before[validation.y_true == y], minlength=len(names)) for y in (0, 1)], axis=0)
    learned, known = (fewest >= SHOWN)[before], (fewest >= SHOWN)[there]
    if not learned.any():
        return []
    records, units = [], Units.from_ids(test.unit)
    for tolerance in TOLERANCES:
        optimizer = ThresholdOptimizer(
            estimator=_scores_as_they_are(),
            constraints=FAIRLEARN[rule.aim],
            grid_size=STEPS,
            prefit=True,
            predict_method="predict",
            tol=tolerance or None,
        )
        optimizer.fit(validation.score[learned, None], validation.y_true[learned], sensitive_features=before[learned])
        predicted = test.y_pred.copy()
        features = {"sensitive_features": there[known], "random_state": settings.seed}
        predicted[known] = optimizer.predict(test.score[known, None], **features).astype(np.int64)
        right = proportion(predicted == test.y_true, np.ones(len(predicted), bool), units, settings.level)
        share_changed, ci = float((predicted != test.y_pred).mean()), {"accuracy": [right.low, right.high]}
        records += [
            TradeoffPoint(tolerance, share_changed, right.value, replace(change, ci={**ci, **change.ci}))
            for change in changes(test, replace(test, y_pred=predicted), grouping, base, settings.level)
            if change.metric in ("accuracy", rule.aim)
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


def _threshold(name: str, predictions: Predictions, stratum: np.ndarray, rule: ThresholdRule) -> Threshold:
    """Halfway between two scores."""
    if rule.aim == "fixed":
        return Threshold(name, rule.fixed, int(stratum.sum()), None)
    hit, among = rates(predictions)[rule.aim]
    score = np.sort(predictions.score[stratum & among])
    if len(score) < RANKED:
        few = f"fewer than {RANKED} validation rows to choose on ({len(score)}); decisions stay as they are"
        return Threshold(name, None, len(score), few)
    distinct = np.unique(score)
    limits = np.r_[0.0, (distinct[:-1] + distinct[1:]) / 2, 1.0]
    above = 1 - np.searchsorted(score, limits, side="right") / len(score)
    return Threshold(name, float(limits[np.abs(above - hit[among].mean()).argmin()]), len(score), None)
