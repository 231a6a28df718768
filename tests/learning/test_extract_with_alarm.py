"""Extraction in step with an alarm listening: what each policy leaves."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from rtl_core.learning.extract import density_schedule, extract
from rtl_core.learning.extract_with_alarm import Raised, extract_watched
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.method_steps import learn_tickets, ticket_rounds, ticket_set, warm_start
from rtl_core.learning.rewind_point import merged
from rtl_core.tickets.pruning import kept_count

EXTRACT = {"schedule": "fraction", "fraction": 0.3, "steps": 3, "warm_steps": 3, "learning_rate": 0.05}
CONFIDENCE = (0.90, 0.91, 0.92, 0.90, 0.89, 0.88)  # of the rounds one after another; 0.87 from then on


def in_turn(jobs):
    return [job() for job in jobs]


def watched(make_experiment, policy, confidence=CONFIDENCE, journal=None, sharing=0.0, **changes):
    """(extractions, events, experiment) where the measured confidence is a script, whatever the weights."""
    events = []
    experiment = make_experiment(
        events.append,
        journal,
        extract={**EXTRACT, "sharing": sharing},
        density=0.2,
        lighter=[0.1],
        collapse={"policy": policy, "threshold": 0.015, **changes},
    )
    signals = [iter([*confidence, *[0.87] * 50]) for _ in experiment.names]
    tickets = [ticket_rounds(experiment, start := warm_start(experiment), k) for k in range(3)]
    measures = [lambda subnetwork, k=k: {"confidence": next(signals[k])} for k in range(3)]

    def alarm(rounds):
        values = [np.mean([figures["confidence"] for figures in tickets]) for tickets in rounds]
        drop = max(values) - values[-1]
        return Raised({"drop": drop}, 1) if drop >= experiment.config.collapse.threshold else None

    extractions = extract_watched(tickets, measures, experiment.config, alarm, in_turn, experiment.report)
    return extractions, [event for event in events if event.phase == "collapse"], experiment, start


def densities(extractions):
    return [(round(level.density, 2), level.kind) for level in extractions[0].levels]


def test_a_warning_changes_nothing_but_is_told_once(make_experiment):
    extractions, alarms, experiment, start = watched(make_experiment, "warn")
    kept = [44, 31, 22, 15, 11]  # 30 % of what is left goes in every round
    expected = [(round(k / 44, 2), "denser") for k in kept] + [(0.2, "target"), (0.1, "lighter")]
    assert densities(extractions) == expected
    plain = extract(
        ticket_rounds(experiment, start, 1),
        density_schedule(experiment.config.extract, 0.2, experiment.layout.n, (), ()),
    )
    target = next(level for level in plain.levels if level.kind == "target")
    same = ticket_set(experiment, extractions).masks()[1]
    assert np.array_equal((plain.pruned_at == 0) | (plain.pruned_at > target.index), same)
    assert [alarm.round for alarm in alarms] == [4]  # .90 after .92
    assert alarms[0].values["safe_density"] == pytest.approx(22 / 44)
    assert alarms[0].values["density"] == pytest.approx(15 / 44)
    assert alarms[0].values["drop"] == pytest.approx(0.02)
    assert alarms[0].values["falls_most"] == experiment.names[1]


def test_stopping_keeps_the_last_safe_masks(make_experiment):
    extractions, alarms, *_ = watched(make_experiment, "stop")
    assert densities(extractions) == [(1.0, "denser"), (0.7, "denser"), (0.5, "target"), (0.1, "lighter")]
    assert len(alarms) == 1
    assert extractions[0].steps == 4 * 3  # the round that rang was trained too
    assert [record["density"] for record in extractions[0].records] == pytest.approx([1.0, 31 / 44, 22 / 44])


def test_relaxing_goes_on_from_the_safe_masks_in_smaller_cuts(make_experiment):
    """.92 at 22 weights, alarm at 15; 15 % cuts from 22: 19 is safe, 16 rings; 7.5 % cuts from 19: 18 rings."""
    script = (0.90, 0.91, 0.92, 0.90, 0.92, 0.90, 0.90)
    extractions, alarms, *_ = watched(make_experiment, "relax", script, relaxations=2)
    assert [round(d * 44) for d, _ in densities(extractions)[:-1]] == [44, 31, 22, 19]
    assert densities(extractions)[-2][1] == "target"
    assert [round(44 * alarm.values["density"]) for alarm in alarms] == [15, 16, 18]


def test_masks_are_exact_nested_and_without_an_alarm_those_asked_for(make_experiment):
    extractions, alarms, experiment, _ = watched(make_experiment, "relax", (0.9,) * 60)
    tickets = ticket_set(experiment, extractions)
    assert not alarms
    assert tickets.target.density == pytest.approx(kept_count(0.2, 44) / 44)
    masks = [tickets.masks(level) for level in tickets.levels]
    for level, mask in zip(tickets.levels, masks, strict=True):
        assert (mask.sum(axis=1) == kept_count(level.density, 44)).all()
    assert all(not (lighter & ~denser).any() for denser, lighter in pairwise(masks))


@pytest.mark.parametrize("sharing", [0.0, 1.0])
def test_how_far_tickets_share_is_kept_with_them(make_experiment, sharing):
    extractions, *_ = watched(make_experiment, "warn", sharing=sharing)
    assert {each.sharing for each in extractions} == {sharing}
    assert (len({each.pruned_at.tobytes() for each in extractions}) == 1) == (sharing == 1)


@pytest.mark.parametrize("policy", ["warn", "stop", "relax"])
def test_every_round_is_trained_inside_its_own_masks_from_theta_0(make_experiment, monkeypatch, policy):
    began = []

    def spy(experiment, subnetworks, *arguments):
        began.append((subnetworks[0].mask, {name: t.clone() for name, t in subnetworks[0].shared.items()}))
        train_jointly(experiment, subnetworks, *arguments)

    monkeypatch.setattr("rtl_core.learning.extract.train_jointly", spy)
    extractions, _, _, start = watched(make_experiment, policy)
    assert all(torch.equal(w[name], start.shared[name]) for _, w in began for name in w)
    assert extractions[0].steps == 3 * len(began) // 3


def test_an_alarm_in_the_first_cut_leaves_all_weights(make_experiment):
    extractions, *_ = watched(make_experiment, "stop", (0.9, 0.8))
    assert densities(extractions)[0] == (1.0, "target")


def test_merged_weights_are_the_owners_means(make_experiment):
    experiment = make_experiment()
    start = warm_start(experiment)
    masks = np.zeros((3, 44), bool)
    masks[:, 0], masks[0, 1], masks[1:, 2] = True, True, True
    trained = [start.subnetwork(k, name, masks[k]) for k, name in enumerate(experiment.names)]
    for k, subnetwork in enumerate(trained):
        for tensor in subnetwork.shared.values():
            tensor.fill_(float(k + 1))
    begin = merged(start, trained, masks, experiment.layout)
    row, theta_0 = experiment.layout.flatten(begin.shared), experiment.layout.flatten(start.shared)
    assert row[:3].tolist() == [2.0, 1.0, 2.5]
    assert torch.equal(row[3:], theta_0[3:])
    bias = next(name for name in begin.shared if name not in experiment.layout.names)
    assert (begin.shared[bias] == 2.0).all()
    learned = learn_tickets(experiment, begin, "rtl", masks, 0, 2)
    outside = ~masks.any(axis=0)
    assert torch.equal(experiment.layout.flatten(learned.subnetworks[0].shared)[outside], theta_0[outside])
