"""Algorithm 1, the schedule of densities and the controls."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch

from rtl_core.config import CONTROLS as NAMES_OF_CONTROLS
from rtl_core.config import ExtractSettings
from rtl_core.display_names import AT_EQUAL_STORAGE
from rtl_core.learning.baselines import CONTROLS, gradient_steps
from rtl_core.learning.extract import density_schedule
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.method_steps import (
    extract_multiclass,
    extract_single,
    extract_ticket,
    extraction_steps,
    learn_tickets,
    ticket_set,
    warm_start,
)
from rtl_core.tickets.pruning import SCORES, kept_count

SCHEDULES = {
    "one_shot": {"schedule": "one_shot"},
    "fraction": {"schedule": "fraction", "fraction": 0.3},
    "count": {"schedule": "count", "count": 7},
}


def settings(schedule, **more):
    return {"steps": 3, "warm_steps": 3, "learning_rate": 0.05, **SCHEDULES[schedule], **more}


def tickets_of(experiment, start=None):
    start = start or warm_start(experiment)
    return ticket_set(experiment, [extract_ticket(experiment, start, k, None) for k in range(3)])


def pointers(learned, kind):
    """Where the tensors of all its parts lie in memory."""
    return {tensor.data_ptr() for subnetwork in learned.subnetworks for tensor in getattr(subnetwork, kind).values()}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("score", SCORES)
def test_every_rung_keeps_the_exact_count_and_is_nested(make_experiment, schedule, score):
    experiment = make_experiment(extract=settings(schedule, score=score))
    tickets = tickets_of(experiment)
    masks = [tickets.masks(level) for level in tickets.levels]
    for level, mask in zip(tickets.levels, masks, strict=True):
        assert (mask.sum(axis=1) == kept_count(level.density, tickets.n)).all()
    for denser, lighter in pairwise(masks):
        assert not (lighter & ~denser).any()
    assert [level.kind for level in tickets.levels].count("target") == 1


def test_every_round_starts_from_theta_0_inside_the_mask_so_far(make_experiment, monkeypatch):
    setup = make_experiment(extract=settings("count"))
    start, began = warm_start(setup), []

    def watched(experiment, subnetworks, *arguments):
        began.append((int(subnetworks[0].mask.sum()), setup.layout.flatten(subnetworks[0].shared)))
        train_jointly(experiment, subnetworks, *arguments)

    monkeypatch.setattr("rtl_core.learning.extract.train_jointly", watched)
    extract_ticket(setup, start, 0, None)
    assert [kept for kept, _ in began] == [44, 37, 30, 23]
    assert all(torch.equal(weights, setup.layout.flatten(start.shared)) for _, weights in began)


def test_ladders_known_on_paper():
    one_shot = density_schedule(ExtractSettings(**SCHEDULES["one_shot"]), 0.5, 100, (1.0, 0.7), (0.2,))
    assert [[level.density for level in cuts] for cuts in one_shot.rounds] == [[1.0, 0.7, 0.5, 0.2]]
    count = density_schedule(ExtractSettings(schedule="count", count=20), 0.5, 100, (), (0.2,))
    assert [[level.density for level in cuts] for cuts in count.rounds] == [[1.0, 0.8], [0.6], [0.5, 0.2]]
    fraction = density_schedule(ExtractSettings(schedule="fraction", fraction=0.5), 0.2, 100, (), ())
    assert [[level.density for level in cuts] for cuts in fraction.rounds] == [[1.0, 0.5], [0.25], [0.2]]
    assert [level.index for level in fraction.levels] == [1, 2, 3, 4]


def test_side_by_side_gives_the_same_bits_as_in_turn(make_experiment):
    start = warm_start(make_experiment())
    in_turn = tickets_of(make_experiment(), start)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(extract_ticket, make_experiment(), start, k, None) for k in range(3)]
    assert np.array_equal(in_turn.pruned_at, np.stack([job.result().pruned_at for job in jobs]))


def test_tickets_differ_between_subsets(make_experiment):
    masks = tickets_of(make_experiment()).masks()
    assert not np.array_equal(masks[0], masks[1])


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_controls_are_what_they_say(make_experiment, task):
    experiment = make_experiment(task=task)
    start = warm_start(experiment)
    tickets = tickets_of(experiment, start)
    masks, theta_0 = tickets.masks(), {name: tensor.clone() for name, tensor in start.shared.items()}
    learned = {
        name: control.learn(experiment, start, tickets, extraction_steps(experiment.config, tickets.n))
        for name, control in CONTROLS.items()
        if control.does_not_apply(experiment.config, 3) is None
    }
    of = {
        name: None if one.subnetworks[0].mask is None else [p.mask for p in one.subnetworks]
        for name, one in learned.items()
    }
    for span in experiment.layout.slices().values():
        for random, mask in zip(of["random"], masks, strict=True):
            assert random[span].sum() == mask[span].sum()
    assert not np.array_equal(of["random"], masks)
    assert np.array_equal(of["permuted"], masks[[1, 2, 0]])  # a derangement: nobody has its own
    assert of["imp_single"][0].sum() == masks[0].sum()
    assert all(m.sum() == masks.any(axis=0).sum() for m in of["imp_single_union"])
    assert of["dense"] is None
    assert np.array_equal(of["imp_multi"], masks)
    assert np.array_equal(of["reinitialised"], masks)
    unmoved = ~masks.any(axis=0)
    fresh = experiment.layout.flatten(learned["reinitialised"].subnetworks[0].shared)[unmoved]
    assert not torch.equal(fresh, experiment.layout.flatten(start.shared)[unmoved])  # other initial weights
    assert len(pointers(learned["imp_multi"], "shared")) == 3 * len(start.shared)
    assert len(pointers(learned["random"], "shared")) == len(start.shared)
    assert all(torch.equal(start.shared[name], theta_0[name]) for name in theta_0)
    assert (learned["imp_single"].reads == "argmax") == (task == "one_vs_rest")
    assert ("imp_single_ovr" in learned) == (task == "one_vs_rest")
    total = extraction_steps(experiment.config, tickets.n) + experiment.config.joint.steps
    assert learned["random_same_total"].steps_joint == learned["dense_same_total"].steps_joint == total


@pytest.mark.parametrize("find", [extract_single, extract_multiclass])
def test_one_mask_goes_on_from_its_extraction_where_tickets_do(make_experiment, find):
    """Rewound it starts at theta_0; merged at what its own extraction has trained."""
    weights = {}
    for begin in ("rewind", "merged"):
        experiment = make_experiment(task="one_vs_rest", joint={"steps": 4, "learning_rate": 0.05, "start": begin})
        start = warm_start(experiment)
        extracted = find(experiment, start, 0.3)
        weights[begin] = experiment.layout.flatten(extracted.begin.shared)
        assert extracted.mask.sum() == kept_count(0.3, experiment.layout.n) and extracted.begin.steps == start.steps
    assert torch.equal(weights["rewind"], experiment.layout.flatten(start.shared))
    assert not torch.equal(weights["merged"], weights["rewind"])


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_controls_at_equal_storage_store_as_much_and_take_as_many_steps(make_experiment, task):
    experiment = make_experiment(task=task)
    start = warm_start(experiment)
    tickets = tickets_of(experiment, start)
    masks, union = tickets.masks(), tickets.masks().any(axis=0)
    steps = extraction_steps(experiment.config, tickets.n)
    names = [n for n in AT_EQUAL_STORAGE if CONTROLS[n].does_not_apply(experiment.config, 3) is None]
    learned = {name: CONTROLS[name].learn(experiment, start, tickets, steps) for name in names}
    drawn = np.stack([p.mask for p in learned["random_same_storage"].subnetworks])
    for span in experiment.layout.slices().values():
        assert np.array_equal(drawn[:, span].sum(axis=1), masks[:, span].sum(axis=1))
        assert drawn[:, span].any(axis=0).sum() == union[span].sum()
    assert not np.array_equal(drawn, masks)
    if task == "one_vs_rest":
        one = learned["imp_single_union_argmax"]
        assert one.reads == "argmax" and one.subnetworks[0].mask.sum() == union.sum()
    for name, networks in (("dense_small", 1), ("dense_small_multi", 3)):
        one, hidden = learned[name], max(1, int(union.sum()) // networks // 11)
        assert one.stores(experiment.layout).weights == networks * 11 * hidden
        assert all(p.mask is None and p.shared["0.weight"].shape == (hidden, 6) for p in one.subnetworks)
        assert len(pointers(one, "shared")) == networks * len(start.shared)
    total = start.steps + steps + experiment.config.joint.steps
    assert {one.steps_warm + one.steps_extract + one.steps_joint for one in learned.values()} == {total}


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
@pytest.mark.parametrize("schedule", ["one_shot", "count"])
def test_the_length_that_is_announced_is_the_one_that_is_run(make_experiment, task, schedule):
    steps = {}

    def report(event):
        if event.steps:
            steps[event.phase, event.method, event.ticket, event.round] = event.step

    experiment = make_experiment(report, task=task, extract=settings(schedule), controls=NAMES_OF_CONTROLS)
    start = warm_start(experiment)
    tickets = tickets_of(experiment, start)
    learn_tickets(experiment, start, "rtl", tickets.masks(), 0, experiment.config.joint.steps)
    for name in NAMES_OF_CONTROLS:
        if CONTROLS[name].does_not_apply(experiment.config, 3) is None:
            CONTROLS[name].learn(experiment, start, tickets, extraction_steps(experiment.config, tickets.n))
    assert sum(steps.values()) == gradient_steps(experiment.config, 3, experiment.layout.n)
