"""Algorithm 2: what a ticket's step may move, and that it can be interrupted anywhere."""

import numpy as np
import pytest
import torch

from rtl_core.config import OptimiserSettings
from rtl_core.events import MemoryJournal, Stopped, silent
from rtl_core.learning.joint import Stage, train_jointly
from rtl_core.learning.methods import learn_tickets, warm_start
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import materialise
from rtl_core.tickets.masking import frozen_outside

OPTIMISERS = ("sgd", "momentum", "adam")
STAGE = Stage("joint", "rtl", 7, 0.05, 0, "joint")


def masks_for(lab, seed=0):
    return np.random.default_rng(seed).random((3, lab.layout.n)) < 0.4


def train(lab, parts, stage=STAGE, journal=None, optimiser="adam", decay=0.01):
    settings = OptimiserSettings(name=optimiser, batch_size=8, weight_decay=decay)
    arguments = (lab.layout, lab.inputs, stage, settings, silent, journal or MemoryJournal())
    train_jointly(lab.network, parts, lab.subsets[: len(parts)], *arguments)


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
def test_a_step_of_one_ticket_leaves_all_else_bit_identical(make_lab, optimiser):
    """Ticket 0 trains first, so that the optimiser has averages that would go on moving its weights."""
    lab = make_lab()
    masks = masks_for(lab)
    parts = warm_start(lab).parts(lab.names, masks)
    weight = parts[0].shared["0.weight"].requires_grad_(True)
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    }[optimiser]
    mine, yours = (lab.layout.unflatten(torch.from_numpy(m))["0.weight"] for m in masks[:2])

    def step(updater, mask, guarded):
        weight.grad = torch.ones_like(weight) * mask
        if guarded:
            with frozen_outside(updater, {weight: mask}):
                updater.step()
        else:
            updater.step()

    updater = make([weight])
    step(updater, mine, True)
    before = weight.detach().clone()
    state = updater.state[weight].items()
    averages = {key: v.clone() for key, v in state if torch.is_tensor(v) and v.shape == weight.shape}
    step(updater, yours, True)
    assert torch.equal(weight[~yours], before[~yours])
    assert not torch.equal(weight[yours], before[yours])
    for key, average in averages.items():
        assert torch.equal(updater.state[weight][key][~yours], average[~yours])

    before = weight.detach().clone()
    step(updater, yours, False)  # without the guard, decay and momentum do move them
    assert not torch.equal(weight[~yours], before[~yours])


def test_a_tickets_own_head_is_moved_by_nobody_else(make_lab):
    lab = make_lab()
    parts = warm_start(lab).parts(lab.names, masks_for(lab))
    others = [bits(part.private) for part in parts[1:]]
    train(lab, parts[:1])
    for part, old in zip(parts[1:], others, strict=True):
        assert all(torch.equal(part.private[name], old[name]) for name in old)


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


def test_recalibrated_statistics_are_the_mean_over_the_batches(make_lab, monkeypatch):
    monkeypatch.setattr("rtl_core.learning.norms.BATCH", 8)
    lab = make_lab()
    part = warm_start(lab).parts(lab.names, masks_for(lab))[0]
    old = bits(part.buffers)
    new = recalibrate(lab.network, part, lab.subsets[0], lab.layout, lab.inputs, 3, 0)
    first = torch.nn.Linear(6, 4)
    tensors = materialise(part, lab.layout)
    first.load_state_dict({"weight": tensors["0.weight"], "bias": tensors["0.bias"]})
    batch_at = lab.subsets[0].batches(8, 0, "recalibrate")
    with torch.no_grad():
        hidden = [first(lab.inputs(batch_at(step))) for step in range(3)]
    torch.testing.assert_close(new.buffers["1.running_mean"], torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(new.buffers["1.running_var"], torch.stack([h.var(0) for h in hidden]).mean(0))
    assert all(torch.equal(part.buffers[name], old[name]) for name in old)
