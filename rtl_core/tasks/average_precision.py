"""Average precision as COCO defines it, of pictures that may count more or less than once.

Own code and no library, because intervals here come from one bootstrap that weighs pictures: with true and false
positives added up by weight, a picture of weight 2 counts exactly as one that is there twice, while the libraries take
whole pictures and would match all boxes again in each of 500 draws. Tests hold it against pycocotools.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtl_core.data.batches import pieces
from rtl_core.tasks.boxes import areas, overlaps
from rtl_core.tasks.task import Statistic

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the IoU at which a box counts as found
RECALLS = np.linspace(0, 1, 101)  # at which the precision is read off
PAIRS_AT_ONCE = 2**22  # of an answer and a true box, in memory
NUMBERS_AT_ONCE = 2**22  # weights of answers
EVERY_SIZE = (0.0, np.inf)


@dataclass(frozen=True)
class Matches:
    """Which of n pictures' answered boxes are right, at t thresholds.

    right    bool (t, n, answers): the answer has found a true box
    counted  bool (t, n, answers): the answer is right or wrong; not so where its place is empty, or where it is about
             boxes of another size
    true     bool (n, most): the true boxes to be found
    """

    right: np.ndarray
    counted: np.ndarray
    true: np.ndarray


def matched(
    answers: np.ndarray,
    truth: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
    size: tuple[float, float] = EVERY_SIZE,
) -> Matches:
    """Answers (n, answers, 6), the surest first, against true boxes (n, most, 5); `size`: least and largest area.

    COCO's rule: in the order of the scores, an answer takes the true box of its class with the largest IoU among those
    that no other has taken, if that reaches the threshold. True boxes of another size are taken only where no wanted
    one can be, and such an answer counts neither way, nor does an answer of another size that takes nothing.
    """
    at_once = max(1, PAIRS_AT_ONCE // (answers.shape[1] * truth.shape[1]))
    each = [
        _matched(answers[i : i + at_once], truth[i : i + at_once], thresholds, size)
        for i in range(0, max(1, len(truth)), at_once)
    ]
    joined = (np.concatenate([getattr(one, name) for one in each], axis=-2) for name in ("right", "counted", "true"))
    return Matches(*joined)


def _matched(answers: np.ndarray, truth: np.ndarray, thresholds: np.ndarray, size: tuple[float, float]) -> Matches:
    wanted = (truth[:, :, 0] >= 0) & _within(areas(truth[:, :, 1:]), size)
    same = (answers[:, :, None, 0] == truth[:, None, :, 0]) & (truth[:, None, :, 0] >= 0)
    close = np.where(same, overlaps(answers[:, :, 2:], truth[:, :, 1:]), -1.0)
    given, level = answers[:, :, 0] >= 0, np.minimum(thresholds, 1 - 1e-10)[:, None, None]
    free = np.ones((len(thresholds), *wanted.shape), bool)
    right = np.zeros((len(thresholds), *given.shape), bool)
    other = right.copy()  # takes a box of another size
    for i in range(int(given.sum(axis=1).max(initial=0))):
        able = free & (close[None, :, i] >= level)
        best = able & wanted
        best = np.where(best.any(axis=2, keepdims=True), best, able)
        taken = best & _last_largest(np.where(best, close[None, :, i], -1.0))
        free &= ~taken
        right[:, :, i] = (taken & wanted).any(axis=2)
        other[:, :, i] = (taken & ~wanted).any(axis=2)
    counted = given & (right | (~other & _within(areas(answers[:, :, 2:]), size)))
    return Matches(right, counted, wanted)


def class_statistic(answers: np.ndarray, truth: np.ndarray, matches: Matches, class_: int) -> Statistic:
    """Weights of pictures (b, n) -> (b, t): the average precision of one class at each threshold of `matches`; NaN
    where no true box of it counts."""
    true = (matches.true & (truth[:, :, 0] == class_)).sum(axis=1).astype(float)
    picture, place = _by_score(answers, class_)
    right, counted = matches.right[:, picture, place], matches.counted[:, picture, place]

    equal = bool((counted == counted[:1]).all())  # so they are where boxes of all sizes count

    def statistic(weights: np.ndarray) -> np.ndarray:
        at_once = max(1, NUMBERS_AT_ONCE // max(1, len(picture)))
        return np.concatenate([of_some(some) for some in pieces(weights, at_once)])

    def of_some(weights: np.ndarray) -> np.ndarray:
        total, each = weights @ true, weights[:, picture]
        given = [np.cumsum(each * of_threshold, axis=1) for of_threshold in (counted[:1] if equal else counted)]
        values = [_area(each, total, own, given[0 if equal else t]) for t, own in enumerate(right)]
        return np.where(total[:, None] > 0, np.stack(values, axis=1), np.nan)

    return statistic


def precision_at_recalls(answers: np.ndarray, truth: np.ndarray, class_: int, iou: float = 0.5) -> np.ndarray:
    """(101,): the best precision of one class at each recall of `RECALLS` or more, 0 where it is never reached; NaN
    where there is no true box. Its mean is the average precision."""
    matches = matched(answers, truth, np.array([iou]))
    true = int((matches.true & (truth[:, :, 0] == class_)).sum())
    if true == 0:
        return np.full(len(RECALLS), np.nan)
    picture, place = _by_score(answers, class_)
    right = matches.right[0, picture, place]
    once = np.ones((1, len(right)))
    envelope, recall = _envelope(once, np.array([true]), right, np.cumsum(once, axis=1))
    at = np.searchsorted(recall[0], RECALLS)
    return np.append(envelope[0], 0.0)[at]


def _by_score(answers: np.ndarray, class_: int) -> tuple[np.ndarray, np.ndarray]:
    """(picture, place) of all answers of a class, the surest first; ties as they stand."""
    picture, place = np.nonzero(answers[:, :, 0] == class_)
    order = np.argsort(-answers[picture, place, 1], kind="stable")
    return picture[order], place[order]


def _area(weights: np.ndarray, total: np.ndarray, right: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(b,): the mean of the precision over `RECALLS`. Only a right answer raises the recall, so each stands for as many
    of them as it is the first to reach."""
    envelope, recall = _envelope(weights, total, right, given)
    reached = np.searchsorted(RECALLS, recall, side="right")
    return (envelope * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(RECALLS)


def _envelope(
    weights: np.ndarray, total: np.ndarray, right: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(the best precision from each right answer on, the recall there), both (b, right answers).

    weights, given  (b, answers): of each answer, and added up over those that count; right bool (answers,)
    """
    hits, given = np.cumsum(weights[:, right], axis=1), given[:, right]
    precision = np.divide(hits, given, out=np.zeros_like(hits), where=given > 0)
    recall = np.divide(hits, total[:, None], out=np.zeros_like(hits), where=total[:, None] > 0)
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1], recall


def _within(area: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    return (area >= size[0]) & (area <= size[1])


def _last_largest(values: np.ndarray) -> np.ndarray:
    """bool, where the last axis is largest; the last of equal ones, as COCO's code has it."""
    most = values.shape[-1]
    return np.arange(most) == (most - 1 - values[..., ::-1].argmax(axis=-1))[..., None]
