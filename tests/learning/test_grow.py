"""A ticket added to finished ones: exact budgets, nested levels, and not a bit of the others moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.learning import method_steps
from rtl_core.learning.grow import against_rest, first_subnetwork, grow_ticket
from rtl_core.learning.mask_scores import pruned_at_levels
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import Level

LEVELS = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"), Level(3, 0.25, "lighter"))
GATED = {"steps": 5, "batch_size": 8, "learning_rate": 0.05}


def bits(subnetwork):
    return [
        (name, t.clone())
        for group in (subnetwork.shared, subnetwork.private, subnetwork.buffers)
        for name, t in group.items()
    ]


@pytest.fixture(params=[("multiclass", "shared"), ("multiclass", "ticket"), ("one_vs_rest", "ticket")])
def grown(request, make_experiment, dataset):
    """(experiment, the old tickets' subnetworks, their bits before, the start's private tensors, the new ticket)."""
    task, head = request.param
    experiment = make_experiment(task=task, gated=GATED, sharing={"head": head, "recalibrate_batches": 2})
    start = method_steps.warm_start(experiment)
    masks = np.random.default_rng(0).random((3, experiment.layout.n)) < 0.5
    subnetworks = method_steps.learn_tickets(experiment, start, "rtl", masks, 0, 3).subnetworks
    subset, _ = against_rest(dataset, np.where(np.arange(60) % 4 == 0, 0, 1), "new", TASKS[task])
    before, subnetwork = [bits(p) for p in subnetworks], first_subnetwork(experiment.network, subnetworks, "new")
    own = {name: t.clone() for name, t in subnetwork.private.items()}
    return (
        experiment,
        subnetworks,
        before,
        own,
        grow_ticket(replace(experiment, subsets=(subset,)), subnetwork, LEVELS, 0.5),
    )


def test_nothing_of_the_others_moves(grown):
    _, subnetworks, before, _, result = grown
    assert result.subnetwork.shared is subnetworks[0].shared  # one network still
    for subnetwork, was in zip(subnetworks, before, strict=True):
        assert all(torch.equal(now, old) for (_, now), (_, old) in zip(bits(subnetwork), was, strict=True))


def test_head_norms_and_statistics_are_the_tickets_own_and_were_trained(grown):
    experiment, subnetworks, _, own, result = grown
    assert set(result.subnetwork.private) == {*experiment.network.head, *experiment.network.norm_affine}
    assert all(not torch.equal(result.subnetwork.private[name], own[name]) for name in own)
    assert not torch.equal(result.subnetwork.buffers["1.running_mean"], subnetworks[0].buffers["1.running_mean"])


def test_every_rung_keeps_its_count_and_is_nested(grown):
    experiment, _, _, _, result = grown
    before = np.ones(experiment.layout.n, bool)
    for level in LEVELS:
        kept = (result.pruned_at == 0) | (result.pruned_at > level.index)
        assert kept.sum() == kept_count(level.density, experiment.layout.n) and not (kept & ~before).any()
        before = kept
        if level.kind == "target":
            assert np.array_equal(result.subnetwork.mask, kept)


def test_what_is_shared_is_copied_and_what_is_private_begins_as_the_mean(make_experiment):
    experiment = make_experiment(sharing={"head": "ticket"})
    subnetworks = method_steps.warm_start(experiment).subnetworks(experiment.names, masks=None)
    for k, subnetwork in enumerate(subnetworks):
        subnetwork.private["5.bias"].fill_(float(k))
    start = first_subnetwork(experiment.network, subnetworks, "new")
    assert start.private["5.bias"].tolist() == [1.0, 1.0]
    assert torch.equal(start.private["1.weight"], subnetworks[0].shared["1.weight"])
    start.private["1.weight"].add_(1)
    assert not torch.equal(start.private["1.weight"], subnetworks[0].shared["1.weight"])


def test_scores_are_cut_on_paper():
    layout = Layout(("w",), ((4,),))
    levels = (Level(1, 0.75, "denser"), Level(2, 0.5, "target"), Level(3, 0.25, "lighter"))
    result = pruned_at_levels(np.array([[0.1, 0.9, 0.5, 0.7]], np.float32), levels, layout, 0)
    assert result.tolist() == [[1, 0, 2, 3]]


def test_one_vs_rest_batches_are_half_new_and_half_rest(dataset):
    assignment = np.full(60, -1)
    assignment[:6], assignment[6:40] = 0, 1
    subset, partition = against_rest(dataset, assignment, "new", TASKS["one_vs_rest"])
    rows = subset.batches(8, 0, "x")(0)
    assert (rows < 6).sum() == 4 and (rows < 40).all()
    assert subset.targets(rows)[:, 0].tolist() == [1.0] * 4 + [0.0] * 4
    assert partition.names == ("new", "rest")
