"""Extraction in step with an alarm listening: what each policy leaves."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from rtl_core.learning.extract import extract, ladder
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.methods import learn_tickets, ticket_rounds, ticket_set, warm_start
from rtl_core.learning.start import merged
from rtl_core.learning.watched import extract_watched
from rtl_core.tickets.pruning import kept_count

EXTRACT = {"schedule": "fraction", "fraction": 0.3, "steps": 3, "warm_steps": 3, "learning_rate": 0.05}
CONFIDENCE = (0.90, 0.91, 0.92, 0.90, 0.89, 0.88)  # of the rounds one after another; 0.87 from then on


def in_turn(jobs):
    return [job() for job in jobs]


def watched(make_lab, policy, confidence=CONFIDENCE, journal=None, **changes):
    """(extractions, events, lab) where the measured confidence is a script, whatever the weights."""
    events = []
    lab = make_lab(
        events.append,
        journal,
        extract=EXTRACT,
        density=0.2,
        lighter=[0.1],
        collapse={"policy": policy, "threshold": 0.015, **changes},
    )
    heard = [iter([*confidence, *[0.87] * 50]) for _ in lab.names]
    tickets = [ticket_rounds(lab, start := warm_start(lab), k) for k in range(3)]
    measures = [lambda part, k=k: {"confidence": next(heard[k])} for k in range(3)]

    def alarm(values):
        return max(values) - values[-1] >= lab.config.collapse.threshold

    extractions = extract_watched(tickets, measures, lab.config, alarm, in_turn, lab.report)
    return extractions, [event for event in events if event.phase == "collapse"], lab, start


def densities(extractions):
    return [(round(rung.density, 2), rung.kind) for rung in extractions[0].rungs]


def test_a_warning_changes_nothing_but_is_told_once(make_lab):
    extractions, alarms, lab, start = watched(make_lab, "warn")
    kept = [44, 31, 22, 15, 11]  # 30 % of what is left goes in every round
    expected = [(round(k / 44, 2), "denser") for k in kept] + [(0.2, "target"), (0.1, "lighter")]
    assert densities(extractions) == expected
    plain = extract(ticket_rounds(lab, start, 1), ladder(lab.config.extract, 0.2, lab.layout.n, (), ()))
    target = next(rung for rung in plain.rungs if rung.kind == "target")
    same = ticket_set(lab, extractions).masks()[1]
    assert np.array_equal((plain.pruned_at == 0) | (plain.pruned_at > target.index), same)
    assert [alarm.round for alarm in alarms] == [4]  # .90 after .92
    assert alarms[0].values["safe_density"] == pytest.approx(22 / 44)
    assert alarms[0].values["density"] == pytest.approx(15 / 44)
    assert alarms[0].values["drop"] == pytest.approx(0.02)


def test_stopping_keeps_the_last_safe_masks(make_lab):
    extractions, alarms, *_ = watched(make_lab, "stop")
    assert densities(extractions) == [(1.0, "denser"), (0.7, "denser"), (0.5, "target"), (0.1, "lighter")]
    assert len(alarms) == 1
    assert extractions[0].steps == 4 * 3  # the round that rang was trained too
    assert [record["density"] for record in extractions[0].records] == pytest.approx([1.0, 31 / 44, 22 / 44])


def test_relaxing_goes_on_from_the_safe_masks_in_smaller_cuts(make_lab):
    """.92 at 22 weights, alarm at 15; 15 % cuts from 22: 19 is safe, 16 rings; 7.5 % cuts from 19: 18 rings."""
    script = (0.90, 0.91, 0.92, 0.90, 0.92, 0.90, 0.90)
    extractions, alarms, *_ = watched(make_lab, "relax", script, relaxations=2)
    assert [round(d * 44) for d, _ in densities(extractions)[:-1]] == [44, 31, 22, 19]
    assert densities(extractions)[-2][1] == "target"
    assert [round(44 * alarm.values["density"]) for alarm in alarms] == [15, 16, 18]


def test_masks_are_exact_nested_and_without_an_alarm_those_asked_for(make_lab):
    extractions, alarms, lab, _ = watched(make_lab, "relax", (0.9,) * 60)
    tickets = ticket_set(lab, extractions)
    assert not alarms
    assert tickets.target.density == pytest.approx(kept_count(0.2, 44) / 44)
    masks = [tickets.masks(rung) for rung in tickets.rungs]
    for rung, mask in zip(tickets.rungs, masks, strict=True):
        assert (mask.sum(axis=1) == kept_count(rung.density, 44)).all()
    assert all(not (lighter & ~denser).any() for denser, lighter in pairwise(masks))


@pytest.mark.parametrize("policy", ["warn", "stop", "relax"])
def test_every_round_is_trained_inside_its_own_masks_from_theta_0(make_lab, monkeypatch, policy):
    began = []

    def spy(experiment, parts, *arguments):
        began.append((parts[0].mask, {name: t.clone() for name, t in parts[0].shared.items()}))
        train_jointly(experiment, parts, *arguments)

    monkeypatch.setattr("rtl_core.learning.extract.train_jointly", spy)
    extractions, _, _, start = watched(make_lab, policy)
    assert all(torch.equal(w[name], start.shared[name]) for _, w in began for name in w)
    assert extractions[0].steps == 3 * len(began) // 3


def test_an_alarm_in_the_first_cut_leaves_all_weights(make_lab):
    extractions, *_ = watched(make_lab, "stop", (0.9, 0.8))
    assert densities(extractions)[0] == (1.0, "target")


def test_merged_weights_are_the_owners_means(make_lab):
    lab = make_lab()
    start = warm_start(lab)
    masks = np.zeros((3, 44), bool)
    masks[:, 0], masks[0, 1], masks[1:, 2] = True, True, True
    trained = [start.part(k, name, masks[k]) for k, name in enumerate(lab.names)]
    for k, part in enumerate(trained):
        for tensor in part.shared.values():
            tensor.fill_(float(k + 1))
    begin = merged(start, trained, masks, lab.layout)
    row, theta_0 = lab.layout.flatten(begin.shared), lab.layout.flatten(start.shared)
    assert row[:3].tolist() == [2.0, 1.0, 2.5]
    assert torch.equal(row[3:], theta_0[3:])
    bias = next(name for name in begin.shared if name not in lab.layout.names)
    assert (begin.shared[bias] == 2.0).all()
    learned = learn_tickets(lab, begin, "rtl", masks, 0, 2)
    outside = ~masks.any(axis=0)
    assert torch.equal(lab.layout.flatten(learned.parts[0].shared)[outside], theta_0[outside])
