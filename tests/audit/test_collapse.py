"""Signals and alarms with answers known on paper."""

from dataclasses import replace

import numpy as np
import pytest

from rtl_core.audit.collapse import drops, fall, first_alarm, judge, signal_of, stopping_before, turns, warning
from rtl_core.audit.collapse import signals as signals_of
from rtl_core.config import CollapseSettings
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


SETTINGS = CollapseSettings(policy="warn", brier_threshold=0.02, threshold=0.02)


def answered(p_right: list[float], p_wrong: list[float], task=MULTICLASS) -> dict:
    """What is measured of a ticket that gives these probabilities to the right answer, of two, in two groups of inputs:
    in the first it is right, in the second it errs."""
    p = np.array([*p_right, *p_wrong])
    logits = np.log(np.stack([p, 1 - p], axis=1))
    return signals_of(task, logits, np.zeros(len(p)), np.zeros(len(p), int))


def test_the_brier_score_is_the_squared_distance_from_what_is_right():
    logits = np.log([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    measured = signals_of(MULTICLASS, logits, None, np.array([0, 2]))
    assert measured["brier"] == pytest.approx(np.mean([0.09 + 0.04 + 0.01, 0.25 + 0.0625 + 0.5625]))
    yes = signals_of(ONE_VS_REST, np.log([[0.9 / 0.1]]), None, np.array([[1.0]]))
    assert yes["brier"] == pytest.approx(2 * 0.1**2)
    assert "brier" not in signals_of(MULTICLASS, logits, None)


def test_a_network_that_was_too_sure_and_grows_less_so_rings_no_alarm():
    """Four of five right all along; sure of all at first, in the end as sure as it is right. Confidence alone rings."""
    rounds = [[answered([p] * 8, [1 - p] * 2)] for p in (0.99, 0.95, 0.9, 0.85)]
    assert warning(MULTICLASS, rounds, SETTINGS) is None
    by_confidence = warning(MULTICLASS, rounds, SETTINGS.model_copy(update={"signal": "confidence"}))
    assert by_confidence.signal == "confidence" and by_confidence.off_best == pytest.approx(0.14)


def test_a_collapsing_network_rings_before_it_errs_more():
    """All right at first; in the third round the probabilities of the right answers give way, none errs yet."""
    rounds = [[answered([0.95] * 9, [0.6])], [answered([0.96] * 9, [0.6])], [answered([0.8] * 9, [0.55])]]
    assert warning(MULTICLASS, rounds[:2], SETTINGS) is None
    warned = warning(MULTICLASS, rounds, SETTINGS)
    expected = 2 * np.mean([0.2**2] * 9 + [0.45**2]) - 2 * np.mean([0.04**2] * 9 + [0.4**2])
    assert warned.signal == "brier" and warned.off_best == pytest.approx(expected)
    assert warned.threshold == 0.02 and warned.figures["brier"] == pytest.approx(rounds[-1][0]["brier"])


def test_the_ticket_that_fell_most_is_named():
    rounds = [[answered([0.9], [0.6]), answered([0.9], [0.6])], [answered([0.9], [0.6]), answered([0.6], [0.55])]]
    assert warning(MULTICLASS, rounds, SETTINGS).falls_most == 1


UNSURE = replace(MULTICLASS, name="toy", log_p=None)  # a doubt, and answers that are not one of a few


def test_a_doubt_rings_in_units_of_its_own_spread():
    """Whatever the doubt is measured in: a thousand times as much is as far off."""
    for scale in (1.0, 1000.0):
        doubts = [scale * np.array([1.0, 3.0]), scale * np.array([1.1, 3.1]), scale * np.array([1.3, 3.3])]
        rounds = [[signals_of(UNSURE, np.zeros((2, 1)), doubt)] for doubt in doubts]
        assert warning(UNSURE, rounds[:2], SETTINGS) is None  # .1 of a spread of 1
        warned = warning(UNSURE, rounds, SETTINGS)
        assert warned.signal == "doubt" and warned.off_best == pytest.approx(0.3)


def test_what_an_earlier_version_kept_is_judged_by_confidence():
    old = [{"confidence": 0.9, "brier": None}, {"confidence": 0.8, "brier": None}]
    assert signal_of(MULTICLASS, old, SETTINGS).name == "confidence"
    assert signal_of(UNSURE, old, SETTINGS).name == "confidence"
    assert signal_of(MULTICLASS, [{**row, "brier": 0.2} for row in old], SETTINGS).name == "brier"
    assert signal_of(replace(UNSURE, doubt=None), old, SETTINGS) is None


def test_a_run_that_stopped_before_its_fall():
    values = [0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8]  # falls in round 5, from 0
    assert stopping_before(values, 1) == 5 and stopping_before(values, 3) == 3
    assert stopping_before(values, 4) is None and stopping_before([0.9] * 4, 3) == 4
    dips = [0.9, 0.9, 0.9, 0.87, 0.9, 0.9, 0.8, 0.8]  # a single low round is no fall, unless it is the last
    assert fall(dips) == 6 and stopping_before(dips, 3) == 3


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
