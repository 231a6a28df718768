"""A ticket added to finished ones: exact budgets, nested rungs, and not a bit of the others moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.learning import methods
from rtl_core.learning.grow import against_rest, first_part, grow_ticket
from rtl_core.learning.scores import pruned_at_levels
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.ticket_set import Rung

RUNGS = (Rung(1, 0.8, "denser"), Rung(2, 0.5, "target"), Rung(3, 0.25, "lighter"))
GATED = {"steps": 5, "batch_size": 8, "learning_rate": 0.05}


def bits(part):
    return [(name, t.clone()) for group in (part.shared, part.private, part.buffers) for name, t in group.items()]


@pytest.fixture(params=[("multiclass", "shared"), ("multiclass", "ticket"), ("one_vs_rest", "ticket")])
def grown(request, make_lab, dataset):
    """(lab, the old tickets' parts, their bits before, the start's private tensors, the new ticket)."""
    task, head = request.param
    lab = make_lab(task=task, gated=GATED, sharing={"head": head, "recalibrate_batches": 2})
    start = methods.warm_start(lab)
    masks = np.random.default_rng(0).random((3, lab.layout.n)) < 0.5
    parts = methods.learn_tickets(lab, start, "rtl", masks, 0, 3).parts
    subset, _ = against_rest(dataset, np.where(np.arange(60) % 4 == 0, 0, 1), "new", TASKS[task])
    before, part = [bits(p) for p in parts], first_part(lab.network, parts, "new")
    own = {name: t.clone() for name, t in part.private.items()}
    return lab, parts, before, own, grow_ticket(replace(lab, subsets=(subset,)), part, RUNGS, 0.5)


def test_nothing_of_the_others_moves(grown):
    _, parts, before, _, found = grown
    assert found.part.shared is parts[0].shared  # one network still
    for part, was in zip(parts, before, strict=True):
        assert all(torch.equal(now, old) for (_, now), (_, old) in zip(bits(part), was, strict=True))


def test_head_norms_and_statistics_are_the_tickets_own_and_were_trained(grown):
    lab, parts, _, own, found = grown
    assert set(found.part.private) == {*lab.network.head, *lab.network.norm_affine}
    assert all(not torch.equal(found.part.private[name], own[name]) for name in own)
    assert not torch.equal(found.part.buffers["1.running_mean"], parts[0].buffers["1.running_mean"])


def test_every_rung_keeps_its_count_and_is_nested(grown):
    lab, _, _, _, found = grown
    before = np.ones(lab.layout.n, bool)
    for rung in RUNGS:
        kept = (found.pruned_at == 0) | (found.pruned_at > rung.index)
        assert kept.sum() == kept_count(rung.density, lab.layout.n) and not (kept & ~before).any()
        before = kept
        if rung.kind == "target":
            assert np.array_equal(found.part.mask, kept)


def test_what_is_shared_is_copied_and_what_is_private_begins_as_the_mean(make_lab):
    lab = make_lab(sharing={"head": "ticket"})
    parts = methods.warm_start(lab).parts(lab.names, masks=None)
    for k, part in enumerate(parts):
        part.private["5.bias"].fill_(float(k))
    start = first_part(lab.network, parts, "new")
    assert start.private["5.bias"].tolist() == [1.0, 1.0]
    assert torch.equal(start.private["1.weight"], parts[0].shared["1.weight"])
    start.private["1.weight"].add_(1)
    assert not torch.equal(start.private["1.weight"], parts[0].shared["1.weight"])


def test_scores_are_cut_on_paper():
    layout = Layout(("w",), ((4,),))
    rungs = (Rung(1, 0.75, "denser"), Rung(2, 0.5, "target"), Rung(3, 0.25, "lighter"))
    found = pruned_at_levels(np.array([[0.1, 0.9, 0.5, 0.7]], np.float32), rungs, layout, 0)
    assert found.tolist() == [[1, 0, 2, 3]]


def test_one_vs_rest_batches_are_half_new_and_half_rest(dataset):
    assignment = np.full(60, -1)
    assignment[:6], assignment[6:40] = 0, 1
    subset, partition = against_rest(dataset, assignment, "new", TASKS["one_vs_rest"])
    rows = subset.batches(8, 0, "x")(0)
    assert (rows < 6).sum() == 4 and (rows < 40).all()
    assert subset.targets(rows)[:, 0].tolist() == [1.0] * 4 + [0.0] * 4
    assert partition.names == ("new", "rest")
