"""Algorithm 2: what a ticket's step may move, and that it can be interrupted anywhere."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from rtl_core.config import OptimiserSettings
from rtl_core.events import Diverged, MemoryJournal, Stage, Stopped
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.methods import learn_tickets, warm_start
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import materialise

OPTIMISERS = ("sgd", "momentum", "adam")
STAGE = Stage("joint", "rtl", 7, 0.05, 0)


def masks_for(lab, seed=0):
    return np.random.default_rng(seed).random((3, lab.layout.n)) < 0.4


def train(lab, parts, stage=STAGE, journal=None, optimiser="adam", decay=0.01):
    settings = OptimiserSettings(name=optimiser, batch_size=8, weight_decay=decay)
    config = lab.config.model_copy(update={"optimiser": settings})
    experiment = replace(lab, config=config, journal=journal or MemoryJournal())
    train_jointly(experiment, parts, lab.subsets[: len(parts)], stage)


def bits(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_weights_outside_the_union_stay_at_theta_0_and_those_inside_move(make_lab, optimiser):
    lab = make_lab()
    start = warm_start(lab)
    masks = masks_for(lab)
    parts = start.parts(lab.names, masks)
    train(lab, parts, optimiser=optimiser)
    before, after = lab.layout.flatten(start.shared).numpy(), lab.layout.flatten(parts[0].shared).numpy()
    union = masks.any(axis=0)
    assert (~union).any()
    assert np.array_equal(before[~union], after[~union])
    assert (before[union] != after[union]).mean() > 0.9


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_step_of_one_ticket_moves_its_own_weights_and_head_only(make_lab, optimiser):
    """A look at every tensor before each of the 7 x 3 steps, from inside the loss."""
    lab = make_lab()
    masks = masks_for(lab)
    parts = warm_start(lab).parts(lab.names, masks)
    seen = []

    def watched(subset):
        def loss(logits, targets):
            seen.append((lab.layout.flatten(parts[0].shared).numpy(), [bits(part.private) for part in parts]))
            return subset.loss(logits, targets)

        return replace(subset, loss=loss)

    train(replace(lab, subsets=tuple(map(watched, lab.subsets))), parts, optimiser=optimiser)
    assert len(seen) == STAGE.steps * 3
    for i, ((weights, heads), (weights_after, heads_after)) in enumerate(pairwise(seen)):
        ticket = i % 3
        inside = masks[ticket]
        assert np.array_equal(weights[~inside], weights_after[~inside])
        assert not np.array_equal(weights[inside], weights_after[inside])
        moved = [
            any(not torch.equal(old[name], new[name]) for name in old)
            for old, new in zip(heads, heads_after, strict=True)
        ]
        assert moved == [k == ticket for k in range(3)]


class Interrupting(MemoryJournal):
    """Keeps the state after `at` steps and stops there, as a run that is asked to stop does."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def mark(self, stage, step, last, state):
        super().mark(stage, step, last or step == self.at, state)
        if step == self.at:
            self.at = -1
            raise Stopped


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("at", [1, 4, 7])
def test_interrupted_and_resumed_equals_uninterrupted(make_lab, optimiser, at):
    lab = make_lab()
    start, masks = warm_start(lab), masks_for(lab)
    whole = start.parts(lab.names, masks)
    train(lab, whole, optimiser=optimiser)
    journal = Interrupting(at)
    with pytest.raises(Stopped):
        train(lab, start.parts(lab.names, masks), journal=journal, optimiser=optimiser)
    resumed = start.parts(lab.names, masks)
    train(lab, resumed, journal=journal, optimiser=optimiser)
    for a, b in zip(whole, resumed, strict=True):
        for one, other in ((a.shared, b.shared), (a.private, b.private), (a.buffers, b.buffers)):
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_same_seed_same_bits_and_another_seed_other_bits(make_lab):
    def learned(seed):
        lab = make_lab(seed=seed)
        return lab.layout.flatten(learn_tickets(lab, warm_start(lab), "rtl", masks_for(lab), 0, 4).parts[0].shared)

    assert torch.equal(learned(0), learned(0))
    assert not torch.equal(learned(0), learned(1))


def test_a_loss_that_is_no_number_ends_the_training(make_lab):
    lab = make_lab()
    parts = warm_start(lab).parts(lab.names, masks_for(lab))
    lost = replace(lab.subsets[1], loss=lambda logits, targets: logits.sum() * float("inf"))
    lab = replace(lab, subsets=(lab.subsets[0], lost, lab.subsets[2]))
    with pytest.raises(Diverged, match=r"the loss of 'rtl' became (nan|-?inf) in step 1 of joint"):
        train(lab, parts)


def with_batches(config, batches):
    return config.model_copy(update={"sharing": config.sharing.model_copy(update={"recalibrate_batches": batches})})


def test_recalibrated_statistics_are_the_mean_over_the_batches(make_lab, monkeypatch):
    monkeypatch.setattr("rtl_core.learning.norms.BATCH", 8)
    lab = make_lab()
    part = warm_start(lab).parts(lab.names, masks_for(lab))[0]
    found = {**part.shared, **part.private, **part.buffers, **lab.network.module.state_dict(prefix="module.")}
    old = bits(found)
    lab = replace(lab, config=with_batches(lab.config, 3))
    new = recalibrate(lab, part, lab.subsets[0])
    first = torch.nn.Linear(6, 4)
    tensors = materialise(part, lab.layout)
    first.load_state_dict({"weight": tensors["0.weight"], "bias": tensors["0.bias"]})
    batch_at = lab.subsets[0].batches(8, 0, "recalibrate")
    with torch.no_grad():
        hidden = [first(lab.inputs(batch_at(step))) for step in range(3)]
    torch.testing.assert_close(new.buffers["1.running_mean"], torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(new.buffers["1.running_var"], torch.stack([h.var(0) for h in hidden]).mean(0))
    assert all(torch.equal(found[name], old[name]) for name in old)
    assert lab.network.module[1].momentum == torch.nn.BatchNorm1d(4).momentum
    assert all(new.shared[name] is part.shared[name] for name in part.shared)


def test_no_batches_leave_the_statistics_alone(make_lab):
    lab = make_lab()
    part = warm_start(lab).parts(lab.names, masks_for(lab))[0]
    assert recalibrate(replace(lab, config=with_batches(lab.config, 0)), part, lab.subsets[0]) is part
