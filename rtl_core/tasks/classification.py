"""The two tasks of classifiers: every ticket tells all classes, or tells its own subset from the rest.

The second is how the paper trains its vision tickets (arXiv 2601.22141, section 4): one logit, batches balanced between
the subset and the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from rtl_core.errors import BadInput
from rtl_core.tasks.classification_metrics import binary_metrics, multiclass_metrics
from rtl_core.tasks.task import Doubt, Figure, Statistic, Task, ratios

if TYPE_CHECKING:
    import torch

    from rtl_core.data.dataset import Dataset

ACCURACY = Figure("accuracy", "accuracy")
BALANCED_ACCURACY = Figure("balanced_accuracy", "balanced accuracy")
RECALL = Figure("recall", "recall")
ROC_AUC = Figure("roc_auc", "ROC AUC", resampled=False)
RIGHT = Figure("accuracy", "answered rightly")


def _multiclass_shape(dataset: Dataset) -> tuple[int, ...]:
    if dataset.labels is None:
        raise BadInput(f"'{dataset.spec}' has no class for each row; task multiclass needs one, choose another task")
    return (len(dataset.classes),)


def _cross_entropy(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.cross_entropy(outputs, truth)


def _entropy(outputs: torch.Tensor) -> torch.Tensor:
    log_p = outputs.log_softmax(dim=-1)
    return -(log_p.exp() * log_p).sum(dim=-1)


def _measure_classes(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    """Accuracy, and the mean recall of the classes that occur, under both its names."""
    counted = np.stack([np.ones(len(truth), bool), *(truth == c for c in range(answers.shape[1]))])
    right = answers.argmax(axis=1) == truth

    def combine(values: np.ndarray) -> np.ndarray:
        recall = _mean_of_defined(values[:, 1:])
        return np.stack([values[:, 0], recall, recall], axis=1)

    return ratios((counted & right).astype(float), counted.astype(float), combine)


def _estimate_classes(
    answers: np.ndarray, truth: np.ndarray, units: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    return multiclass_metrics(truth, answers, classes, units)


MULTICLASS = Task(
    name="multiclass",
    title="multi-class tickets",
    figures=(ACCURACY, BALANCED_ACCURACY, RECALL, ROC_AUC),
    output_shape=_multiclass_shape,
    pools=lambda own, rest: (own,),
    truth=lambda dataset, rows, own: dataset.y[rows],
    judged=lambda own: own,
    loss=_cross_entropy,
    credit=lambda answers, truth: answers.argmax(axis=1) == truth,
    credited=RIGHT,
    measure=_measure_classes,
    estimates=_estimate_classes,
    doubt=Doubt("min_entropy", _entropy),
    log_p=lambda answers: special.log_softmax(np.asarray(answers, np.float64), axis=1),
    choices=lambda dataset: dataset.classes,
    explains=lambda dataset, subset: dataset.classes,
)


def _binary_cross_entropy(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(outputs, truth)


def _measure_own(answers: np.ndarray, truth: np.ndarray) -> Statistic:
    """Balanced accuracy, recall, accuracy of yes or no."""
    positive = truth[:, 0] > 0
    counted = np.stack([np.ones(len(truth), bool), positive, ~positive])
    right = _credit_own(answers, truth)

    def combine(values: np.ndarray) -> np.ndarray:
        return np.stack([_mean_of_defined(values[:, 1:]), values[:, 1], values[:, 0]], axis=1)

    return ratios((counted & right).astype(float), counted.astype(float), combine)


def _credit_own(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return (answers[:, 0] > 0) == (truth[:, 0] > 0)


def _estimate_own(answers: np.ndarray, truth: np.ndarray, units: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    return binary_metrics(truth[:, 0] > 0, answers[:, 0], units=units)


def _log_p_own(answers: np.ndarray) -> np.ndarray:
    logit = np.asarray(answers, np.float64)[:, 0]
    return np.stack([special.log_expit(-logit), special.log_expit(logit)], axis=1)


def lead(outputs: np.ndarray, k: int) -> np.ndarray:
    """The k-th output less the largest other one: positive exactly where k is the argmax."""
    others = np.delete(outputs, k, axis=1).max(axis=1)
    return (outputs[:, k] - others)[:, None]


def log_odds(outputs: np.ndarray, k: int) -> np.ndarray:
    """The log odds of k above those that all subsets alike would have, log 1 / (K - 1)."""
    others = np.delete(outputs, k, axis=1)
    return (outputs[:, k] - special.logsumexp(others, axis=1) + np.log(others.shape[1]))[:, None]


ONE_VS_REST = Task(
    name="one_vs_rest",
    title="one-vs-rest tickets",
    figures=(BALANCED_ACCURACY, RECALL, ACCURACY, ROC_AUC),
    output_shape=lambda dataset: (1,),
    pools=lambda own, rest: (own, rest),
    truth=lambda dataset, rows, own: own.astype(np.float32)[:, None],
    judged=lambda own: np.ones(len(own), bool),
    loss=_binary_cross_entropy,
    credit=_credit_own,
    credited=RIGHT,
    measure=_measure_own,
    estimates=_estimate_own,
    # It is as sure of a no as of a yes, so what counts is the claim itself, not its entropy.
    doubt=Doubt("max_response", lambda outputs: -outputs[:, 0], lambda doubt: special.expit(-doubt.astype(np.float64))),
    log_p=_log_p_own,
    choices=lambda dataset: ("no", "yes"),
    explains=lambda dataset, subset: (subset,),
    choice_answers=True,
    readings={"argmax": lead, "odds": log_odds},
)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """(b, m) -> (b,): the mean of those that are not NaN."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
