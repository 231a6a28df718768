"""The masked update: nothing outside the mask moves, and without the guard it does."""

import pytest
import torch

from rtl_core.tickets.masking import frozen_outside

OPTIMISERS = {
    "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "momentum_decay": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
}
START = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
FIRST = torch.tensor([[True, True, False], [True, False, False]])
SECOND = torch.tensor([[False, True, True], [True, False, False]])  # shares two weights with the first


def guarded_step(optimizer, weight, mask):
    weight.grad = mask.float()
    with frozen_outside(optimizer, {weight: mask}):
        optimizer.step()


def snapshot(optimizer, weight):
    """The weight and every average that the optimiser keeps for it."""
    averages = [t for t in optimizer.state[weight].values() if torch.is_tensor(t) and t.shape == weight.shape]
    return [t.detach().clone() for t in (weight, *averages)]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_very_first_step_leaves_the_rest_as_it_began(name):
    weight = START.clone().requires_grad_(True)
    optimizer = OPTIMISERS[name]([weight])
    guarded_step(optimizer, weight, FIRST)
    moved, *averages = snapshot(optimizer, weight)
    assert torch.equal(moved[~FIRST], START[~FIRST])
    assert (moved[FIRST] != START[FIRST]).all()
    assert len(averages) == {"sgd": 0, "momentum": 1, "adam": 2}[name.removesuffix("_decay")]
    for average in averages:
        assert (average[~FIRST] == 0).all() and (average[FIRST] != 0).all()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_only_the_guard_keeps_another_tickets_weights_and_averages(name):
    """FIRST trains first, so that averages (or decay) are there to go on moving its weights in SECOND's step."""
    weight = START.clone().requires_grad_(True)
    optimizer = OPTIMISERS[name]([weight])
    guarded_step(optimizer, weight, FIRST)
    before = snapshot(optimizer, weight)
    guarded_step(optimizer, weight, SECOND)
    after = snapshot(optimizer, weight)
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old[~SECOND], new[~SECOND])
        assert (old[SECOND] != new[SECOND]).all()

    weight.grad = SECOND.float()
    optimizer.step()  # a gradient that is masked, and nothing else
    only_first = FIRST & ~SECOND
    assert (weight[only_first] != after[0][only_first]).all()


def test_parameters_without_a_mask_move_freely():
    weight, bias = (START.clone().requires_grad_(True) for _ in range(2))
    optimizer = torch.optim.Adam([weight, bias], lr=0.1)
    weight.grad, bias.grad = torch.ones(2, 3), torch.ones(2, 3)
    with frozen_outside(optimizer, {weight: FIRST}):
        optimizer.step()
    assert (bias != START).all()
