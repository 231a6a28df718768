"""Several tickets as one: masks on paper, statistics of all their rows, nothing written into the tickets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.learning import method_steps
from rtl_core.learning.merge import merge, merged_assignment, merged_levels
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.tasks.classification import MULTICLASS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

LEVELS = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"))
NAMES = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("how", "kept"),
    [("union", [1, 1, 1, 1, 0]), ("intersection", [1, 0, 0, 0, 0]), ("majority", [1, 1, 1, 0, 0])],
)
def test_masks_on_paper(how, kept):
    masks = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 0, 1, 0, 0]], bool)
    tickets = TicketSet(NAMES, NAMES, Layout(("w",), ((5,),)), np.where(masks, 0, 2).astype(np.uint8), LEVELS)
    assert merged_levels(tickets, (0, 1, 2), how).tolist() == np.where(np.array(kept, bool), 0, 2).tolist()


@pytest.fixture
def trained(make_experiment, dataset) -> TrainedTickets:
    experiment = make_experiment()
    n = experiment.layout.n
    pruned_at = np.random.default_rng(0).choice(np.array([0, 1, 2], np.uint8), (3, n))
    tickets = TicketSet(NAMES, NAMES, experiment.layout, pruned_at, LEVELS)
    subnetworks = method_steps.learn_tickets(
        experiment, method_steps.warm_start(experiment), "rtl", tickets.masks(), 0, 3
    ).subnetworks
    partition = Partition("attribute", "colour", NAMES, np.arange(60) % 3, True)
    return TrainedTickets(MULTICLASS, dataset, partition, experiment.network, subnetworks, tickets, 2, 0)


def test_the_part_computes_with_the_target_mask_and_the_mean_head(trained):
    merged_ticket = merge(trained, (0, 2), "union")
    assert merged_ticket.subnetwork.subset == "red + blue"
    assert np.array_equal(merged_ticket.subnetwork.mask, (merged_ticket.pruned_at == 0) | (merged_ticket.pruned_at > 2))
    heads = [trained.subnetworks[k].private["5.bias"] for k in (0, 2)]
    assert torch.allclose(merged_ticket.subnetwork.private["5.bias"], (heads[0] + heads[1]) / 2)
    assert set(merged_ticket.subnetwork.private) == set(trained.subnetworks[0].private)  # what is shared stays shared


def test_statistics_are_those_of_all_the_subsets_rows(trained):
    """One batch of all 40 rows: the first norm's mean is that of its linear layer's outputs."""
    merged_ticket = merge(trained, (0, 1), "intersection").subnetwork
    everything = merge(replace(trained, batches=400), (0, 1), "intersection").subnetwork
    rows = np.flatnonzero(trained.partition.assignment < 2)
    weight = merged_ticket.shared["0.weight"] * torch.from_numpy(merged_ticket.mask[:24].reshape(4, 6))
    outputs = trained.dataset.inputs(rows) @ weight.T + merged_ticket.shared["0.bias"]
    assert torch.allclose(everything.buffers["1.running_mean"], outputs.mean(dim=0), atol=0.02)


def test_the_tickets_stay_as_they_are(trained):
    before = [
        t.clone()
        for subnetwork in trained.subnetworks
        for t in (*subnetwork.private.values(), *subnetwork.buffers.values())
    ]
    merge(trained, (0, 1, 2), "majority")
    after = [
        t for subnetwork in trained.subnetworks for t in (*subnetwork.private.values(), *subnetwork.buffers.values())
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("chosen", "how", "message"),
    [
        ((0, 1), "mean", "not by 'mean'"),
        ((0,), "union", "two or more"),
        ((0, 0), "union", "two or more"),
        ((0, 1), "majority", "is their intersection"),
    ],
)
def test_refusals(trained, chosen, how, message):
    with pytest.raises(BadInput, match=message):
        merge(trained, chosen, how)


def test_rows_of_no_subset_are_on_neither_side(trained):
    partition = replace(trained.partition, assignment=np.array([0, 1, 2, -1]))
    assert merged_assignment(replace(trained, partition=partition), (0, 2)).tolist() == [0, 1, 0, -1]
