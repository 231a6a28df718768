"""The figures of a classifier's outputs, each with its interval, as plain numbers ready for JSON.

Undefined figures are None. Ranking figures (`roc_auc`, `average_precision`) need no threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import (
    Estimate,
    average_precision,
    json_interval,
    json_number,
    mean_estimate,
    proportion,
    roc_auc,
)
from rtl_core.statistics.intervals import LEVEL

FIGURES = (
    "balanced_accuracy",
    "recall",
    "precision",
    "specificity",
    "roc_auc",
    "average_precision",
    "accuracy",
)


def binary_metrics(
    y: ArrayLike, score: ArrayLike, threshold: float = 0.0, units: ArrayLike | None = None, level: float = LEVEL
) -> dict:
    """The figures of a binary classifier that says yes where score > threshold.

    y (n,) bool or 0/1; score (n,) real, 0.0 being the threshold of a logit; units (n,) ids, rows that
    share one are one picture seen several times. Raises BadInput for other shapes, labels or scores that are NaN.
    """
    y = _binary_labels(y)
    score = _outputs(score, (len(y),), "scores")
    units = _units(units, len(y))
    predicted = score > threshold
    recall = proportion(predicted, y, units, level)
    specificity = proportion(~predicted, ~y, units, level)
    estimates = {
        "balanced_accuracy": mean_estimate([recall, specificity]),
        "recall": recall,
        "precision": proportion(y, predicted, units, level),
        "specificity": specificity,
        "roc_auc": roc_auc(y, score, units, level),
        "average_precision": average_precision(y, score, units, level),
        "accuracy": proportion(predicted == y, np.ones(len(y), bool), units, level),
    }
    counts = {"n": len(y), "n_pos": int(y.sum()), "n_neg": int((~y).sum())}
    return {**_plain(estimates), **counts, "constant": _is_constant(score)}


def multiclass_metrics(
    y: ArrayLike,
    outputs: ArrayLike,
    classes: Sequence[str] | None = None,
    units: ArrayLike | None = None,
    level: float = LEVEL,
) -> dict:
    """The figures of a classifier that says the class with the largest output.

    y (n,) integers below C; outputs (n, C) logits or probabilities; classes: C names (default "0", "1", ...).
    All but `accuracy` are macro means over the classes that occur in y, one against the rest; so
    `recall` equals `balanced_accuracy`. `absent` names the classes that do not occur,
    `never_predicted` those that occur and are never predicted: their precision counts as 0.
    Raises BadInput for other shapes, labels, or rows with NaN or without a finite largest output.
    """
    y, outputs = np.asarray(y), np.asarray(outputs)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise BadInput(f"Outputs of a multi-class model must be rows x classes, not of shape {outputs.shape}.")
    n_classes = outputs.shape[1]
    names = [str(c) for c in range(n_classes)] if classes is None else list(classes)
    if len(names) != n_classes:
        raise BadInput(f"The outputs have {n_classes} columns but {len(names)} classes are named; give one name each.")
    y = _class_labels(y, n_classes)
    outputs = _outputs(outputs, (len(y), n_classes), "outputs")
    units = _units(units, len(y))
    predicted = outputs.argmax(axis=1)
    log_probability = _log_probabilities(outputs)
    present = np.unique(y)
    per_class = [_one_vs_rest(y == c, predicted == c, log_probability[:, c], units, level) for c in present]
    estimates = {
        metric: mean_estimate([figures[metric] for figures in per_class])
        for metric in ("recall", "precision", "specificity", "roc_auc", "average_precision")
    }
    estimates["balanced_accuracy"] = estimates["recall"]
    estimates["accuracy"] = proportion(predicted == y, np.ones(len(y), bool), units, level)
    return {
        **_plain(estimates),
        "n": len(y),
        "n_pos": None,
        "n_neg": None,
        "absent": [names[c] for c in range(n_classes) if c not in present],
        "never_predicted": [names[c] for c in present if not (predicted == c).any()],
        "constant": _is_constant(outputs),
    }


def _one_vs_rest(
    y: np.ndarray, predicted: np.ndarray, score: np.ndarray, units: Units, level: float
) -> dict[str, Estimate]:
    # Leaving a class that is never predicted out of the mean would reward a collapsed model.
    never = Estimate(0.0, 0.0, 0.0, np.zeros(units.n))
    return {
        "recall": proportion(predicted, y, units, level),
        "precision": proportion(y, predicted, units, level) if predicted.any() else never,
        "specificity": proportion(~predicted, ~y, units, level),
        "roc_auc": roc_auc(y, score, units, level),
        "average_precision": average_precision(y, score, units, level),
    }


def _plain(estimates: Mapping[str, Estimate]) -> dict:
    values = {metric: json_number(estimate.value) for metric, estimate in estimates.items()}
    intervals = {metric: json_interval(e.low, e.high) for metric, e in estimates.items()}
    return {**values, "ci": intervals}


def _binary_labels(y: ArrayLike) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise BadInput("Binary labels must be a flat list of true/false or 0/1.")
    return y.astype(bool)


def _class_labels(y: np.ndarray, n_classes: int) -> np.ndarray:
    whole = y.ndim == 1 and (y.size == 0 or np.issubdtype(y.dtype, np.integer))
    if not whole or np.any((y < 0) | (y >= n_classes)):
        raise BadInput(f"Labels must be a flat list of whole numbers from 0 to {n_classes - 1}, one per class.")
    return y.astype(np.int64)


def _outputs(outputs: ArrayLike, shape: tuple[int, ...], what: str) -> np.ndarray:
    """float64, so that scores that differ in float32 stay apart after the softmax."""
    outputs = np.asarray(outputs, np.float64)
    if outputs.shape != shape:
        raise BadInput(f"The {what} have shape {outputs.shape}, but the labels call for {shape}.")
    # A logit of -inf is a probability of 0; a row without a finite largest logit has no probabilities.
    if np.isnan(outputs).any() or (outputs.ndim == 2 and not np.isfinite(outputs.max(axis=1)).all()):
        raise BadInput(f"Some {what} are NaN or infinite, as after diverged training; give a number for every row.")
    return outputs


def _units(ids: ArrayLike | None, n_rows: int) -> Units:
    if ids is not None and np.shape(ids) != (n_rows,):
        raise BadInput(f"There are {n_rows} rows but units of shape {np.shape(ids)}; give one unit id per row.")
    return Units.rows(n_rows) if ids is None else Units.from_ids(ids)


def _log_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Rows on one scale, so that a class's column can be ranked over rows; probabilities keep their order."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        with np.errstate(divide="ignore"):
            return np.log(outputs)
    return special.log_softmax(outputs, axis=1)


def _is_constant(outputs: np.ndarray) -> bool:
    """Whether all rows get the same output, up to the rounding by which batches of other shapes differ."""
    return len(outputs) > 0 and bool(np.allclose(outputs, outputs[:1], rtol=1e-6, atol=0))
