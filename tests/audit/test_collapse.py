"""Signals and alarms with answers known on paper."""

import numpy as np
import pytest

from rtl_core.audit.collapse import drops, fall, first_alarm, judge, turns
from rtl_core.audit.collapse import signals as signals_of
from rtl_core.tasks.classification import MULTICLASS, ONE_VS_REST


def signals(logits: np.ndarray) -> dict:
    return signals_of(ONE_VS_REST if logits.shape[1] == 1 else MULTICLASS, logits, None)


def test_confidence_of_several_classes():
    logits = np.log([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    confidence = signals(logits)
    assert confidence["confidence"] == pytest.approx(0.6)
    entropies = [-(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)), 1.5 * np.log(2)]
    assert confidence["entropy"] == pytest.approx(np.mean(entropies) / np.log(3))


def test_confidence_of_one_logit_counts_the_likelier_answer():
    confidence = signals(np.log([[0.9 / 0.1], [0.2 / 0.8]]))
    assert confidence["confidence"] == pytest.approx((0.9 + 0.8) / 2)


def test_sure_and_clueless_answers():
    assert signals(np.array([[1000.0, 0.0]])) == {"confidence": 1.0, "entropy": pytest.approx(0.0)}
    assert signals(np.zeros((4, 5))) == {"confidence": pytest.approx(0.2), "entropy": pytest.approx(1.0)}


def test_signals_ignore_the_order_of_inputs_and_classes():
    logits = np.random.default_rng(0).normal(size=(50, 4))
    confidence, shuffled = signals(logits), signals(logits[::-1, [2, 0, 3, 1]])
    assert shuffled == {name: pytest.approx(value) for name, value in confidence.items()}


def test_drops_are_from_the_best_so_far():
    assert drops([0.5, 0.7, 0.6, 0.8, 0.5]) == pytest.approx([0, 0, 0.1, 0, 0.3])


def test_an_alarm_rings_at_its_threshold_and_not_before():
    values = [0.5, 0.75, 0.625, 0.75, 0.5]
    assert first_alarm(drops(values), 0.125) == 2
    assert first_alarm(drops(values), 0.2) == 4
    assert first_alarm(drops(values), 0.3) is None


def test_a_fall_must_stay():
    assert fall([0.90, 0.87, 0.90, 0.87, 0.86, 0.5]) == 3  # the first one was a single round
    assert fall([0.90, 0.89, 0.885]) is None
    assert fall([0.90, 0.91, 0.88]) == 2  # the last round has none after it


@pytest.mark.parametrize(
    "alarm, fell, verdict, lead",
    [
        (3, 5, "in time", 2),
        (1, 5, "in time", 4),
        (0, 5, "too early", 5),
        (5, 5, "too late", 0),
        (6, 5, "too late", -1),
        (None, 5, "missed", None),
        (4, None, "false alarm", None),
        (None, None, "rightly silent", None),
    ],
)
def test_an_alarm_is_judged_by_when_accuracy_falls(alarm, fell, verdict, lead):
    rounds = range(-1, 9)  # the first is high in any case: there is nothing before it to fall from
    signal = [0.9 if alarm is None or i < alarm else 0.5 for i in rounds]
    accuracy = [0.8 if fell is None or i < fell else 0.5 for i in rounds]
    verdicts = judge(drops(signal), accuracy, 0.1)
    assert (verdicts.verdict, verdicts.lead) == (verdict, lead)


def test_turns_of_an_overlap_curve():
    assert [(t.round, t.direction) for t in turns([0.5, 0.45, 0.4, 0.35, 0.4, 0.6])] == [(4, "up")]
    fell = turns([0.50, 0.49, 0.48, 0.30, 0.29])
    assert [(t.round, t.direction) for t in fell] == [(3, "down")]
    assert fell[0].change == pytest.approx(-0.18)
    assert turns([0.5, 0.4, 0.3, 0.2, 0.1]) == []  # as steep as ever
    assert turns([None, 0.5, float("nan"), 0.45]) == []  # too few to tell
