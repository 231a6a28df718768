"""Gradients that a pruning score sees: known by hand, and nothing moves for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.learning import gated_methods
from rtl_core.learning.gradients import BATCHES, gradients, gradients_for
from rtl_core.learning.mask_scores import first_scores
from rtl_core.learning.method_steps import extract_single, extract_ticket, ticket_set, warm_start
from rtl_core.tickets.pruning import kept_count


def masks_for(experiment):
    return np.random.default_rng(0).random((3, experiment.layout.n)) < 0.5


def test_they_are_the_root_mean_square_over_the_batches(make_experiment):
    """Against autograd on a loss that is the sum of all outputs: the last hidden layer's gradient is its input."""
    experiment = make_experiment()
    subsets = [replace(subset, loss=lambda outputs, targets: outputs.sum()) for subset in experiment.subsets[:2]]
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks=None)[:2]
    result, squares = gradients(experiment, subnetworks, subsets), 0.0
    for subnetwork, subset in zip(subnetworks, subsets, strict=True):
        module = experiment.network.module.train()
        module.load_state_dict({**subnetwork.shared, **subnetwork.private, **subnetwork.buffers})
        batch_at = subset.batches(8, 0, "gradients")
        for step in range(BATCHES):
            module.zero_grad()
            module(experiment.inputs(batch_at(step))).sum().backward()
            squares = squares + torch.cat([module[0].weight.grad.flatten(), module[3].weight.grad.flatten()]) ** 2
    assert result == pytest.approx((squares / (2 * BATCHES)).sqrt().numpy(), rel=1e-4, abs=1e-6)


def test_nothing_moves_and_what_is_masked_out_has_none(make_experiment):
    experiment = make_experiment()
    masks = masks_for(experiment)
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks)
    groups = [
        group for subnetwork in subnetworks for group in (subnetwork.shared, subnetwork.private, subnetwork.buffers)
    ]
    before = [{name: tensor.clone() for name, tensor in group.items()} for group in groups]
    result = gradients(experiment, subnetworks, experiment.subsets)
    for group, was in zip(groups, before, strict=True):
        assert all(torch.equal(group[name], was[name]) and group[name].grad is None for name in was)
    assert (result[~masks.any(axis=0)] == 0).all() and (result[masks.any(axis=0)] > 0).mean() > 0.5


def test_scores_that_do_not_ask_get_none(make_experiment):
    experiment = make_experiment()
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks=None)
    assert gradients_for(experiment, subnetworks, experiment.subsets) is None


def test_taylor_cuts_by_weight_times_gradient(make_experiment):
    experiment = make_experiment(extract={"score": "taylor", "steps": 5, "warm_steps": 6, "layer_floor": 0})
    tickets = ticket_set(experiment, [extract_ticket(experiment, warm_start(experiment), k, None) for k in range(3)])
    trained = extract_ticket(experiment, warm_start(experiment), 0, None).trained
    gradient = gradients(experiment, [trained], experiment.subsets[:1])
    scores = np.abs(experiment.layout.flatten(trained.shared).numpy() * gradient)
    best = np.argsort(-scores, kind="stable")[: kept_count(0.5, experiment.layout.n)]
    assert np.flatnonzero(tickets.masks()[0]).tolist() == sorted(best)
    other = make_experiment(extract={"score": "global_magnitude", "steps": 5, "warm_steps": 6, "layer_floor": 0})
    assert not np.array_equal(extract_ticket(other, warm_start(other), 0, None).pruned_at, tickets.pruned_at[0])


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_one_mask_for_all_sees_the_gradients_of_all_subsets(make_experiment, task):
    rounds = {"schedule": "count", "count": 15, "score": "taylor", "steps": 2, "warm_steps": 3}
    experiment = make_experiment(task=task, extract=rounds)
    assert extract_single(experiment, warm_start(experiment), 0.3).mask.sum() == kept_count(0.3, experiment.layout.n)


def test_mask_scores_begin_as_its_ranks(make_experiment):
    experiment = make_experiment(mode="gated", extract={"score": "taylor"}, gated={"backbone_steps": 6})
    subnetworks = gated_methods.backbone(experiment).subnetworks(experiment.names, masks=None)
    gradient = gradients(experiment, subnetworks, experiment.subsets)
    scores = np.abs(experiment.layout.flatten(subnetworks[0].shared).numpy() * gradient)
    mask = first_scores(experiment, subnetworks, experiment.subsets)
    assert np.array_equal(np.argsort(mask[0], kind="stable"), np.argsort(scores, kind="stable"))
