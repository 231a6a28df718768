"""Integrated gradients behind the first layer: known on paper, Captum's of the whole net, and only where they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from rtl_core.audit.attribution.aggregate import folded
from rtl_core.audit.attribution.behind import Split, integrated_gradients, split
from rtl_core.audit.attribution.compute import Request
from rtl_core.audit.attribution.methods import METHODS, settings_of
from rtl_core.config import ModelSettings
from rtl_core.models.catalogue import build

SHAPE = (2, 12, 12)


class Net(nn.Module):
    """A convolution, and what is done with it and the input."""

    def __init__(self, forward: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.does = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.does(self.conv, x).flatten(1)


def inputs(n: int) -> torch.Tensor:
    return torch.randn((n, *SHAPE), generator=torch.Generator().manual_seed(n))


def request(module: nn.Module, x: torch.Tensor, baseline: torch.Tensor, target: torch.Tensor, steps: int) -> Request:
    settings = settings_of(METHODS["integrated_gradients"], {"steps": steps, "max_steps": steps})
    groups = torch.zeros(1, *x.shape[1:], dtype=torch.long)
    return Request(module, x.clone().requires_grad_(), baseline, target, groups, settings, 0)


def test_squares_of_a_doubled_input_give_four_times_its_square():
    module = Net(lambda conv, x: conv(x).square().sum((1, 2, 3))[:, None])
    module.conv = nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        module.conv.weight.copy_(2 * torch.eye(2)[:, :, None, None])
    found, x = split(module, inputs(3)), inputs(3)
    assert isinstance(found, Split)
    maps = integrated_gradients(request(found, x, torch.zeros_like(x), torch.zeros(3, dtype=torch.long), 8))
    torch.testing.assert_close(maps, 4 * x.square())


@pytest.mark.parametrize("name", ["convnet", "resnet18", "ghostnet"])
def test_maps_are_captums_of_the_whole_net(name):
    """In double precision, so that an activation near its kink does not fall to another side by rounding."""
    module = build(ModelSettings(name=name, width=0.25), SHAPE, 3, 0).module.double().eval()
    x, baseline = inputs(5).double(), inputs(5).flip(0).double()
    target = torch.tensor([0, 2, 1, 1, 0])
    found = split(folded(module), x)
    assert isinstance(found, Split)
    maps = integrated_gradients(request(found, x, baseline, target, 30))  # 25 points in the first pass, 5 in the last
    expected = IntegratedGradients(module).attribute(x, baseline, target, n_steps=30)
    torch.testing.assert_close(maps, expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())


@pytest.mark.parametrize(
    "does",
    [
        lambda conv, x: x + conv(x),
        lambda conv, x: conv(x) * x.mean((1, 2, 3), keepdim=True),
        lambda conv, x: conv(conv(x)),
        lambda conv, x: conv(x.clamp(0, 1)),
        lambda conv, x: conv(x.relu()).relu(),
        lambda conv, x: conv(x[:, :, ::2]),
        lambda conv, x: nn.functional.conv2d(x, conv.weight),
        lambda conv, x: conv(x).relu_(),
    ],
    ids=["added", "gate", "twice", "clamped", "positive", "part", "function", "in place"],
)
def test_a_net_that_uses_its_input_in_another_way_stays_whole(does):
    module, x = Net(does).eval(), inputs(4)
    assert split(module, x) is module
    target = torch.zeros(4, dtype=torch.long)
    maps = integrated_gradients(request(module, x, torch.zeros_like(x), target, 8))
    expected = IntegratedGradients(module).attribute(x, torch.zeros_like(x), target, n_steps=8)
    torch.testing.assert_close(maps, expected)


def test_a_net_without_convolutions_stays_whole_and_a_split_one_as_it_was():
    table = nn.Linear(4, 2)
    assert split(table, torch.ones(2, 4)) is table
    module = build(ModelSettings(name="convnet", width=0.25), SHAPE, 3, 0).module
    before = {name: (part.clone(), part.stride()) for name, part in module.state_dict().items()}
    assert isinstance(split(module, inputs(2)), Split)
    assert module.training and all(p.requires_grad for p in module.parameters())
    after = module.state_dict()
    assert all(torch.equal(after[key], old) and after[key].stride() == at for key, (old, at) in before.items())
