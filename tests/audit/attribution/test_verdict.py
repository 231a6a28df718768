"""The thresholds, held to cases whose answer is known without looking at a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.audit.attribution.captum_methods import Request
from rtl_core.audit.attribution.methods import METHODS, Method
from rtl_core.audit.attribution.parameters import Parameters
from rtl_core.audit.attribution.sanity import Sanity
from rtl_core.audit.attribution.verdict import verdicts


def edges(ask: Request) -> torch.Tensor:
    """What a picture looks like, whatever the network is."""
    x = ask.x.detach()
    result = torch.zeros_like(x)
    result[..., 1:, :] += (x[..., 1:, :] - x[..., :-1, :]).abs()
    result[..., 1:] += (x[..., 1:] - x[..., :-1]).abs()
    return result


EDGES = Method("edges", "Edge detector", Parameters, edges)
CONSTANT = Method("constant", "Constant map", Parameters, lambda ask: torch.ones_like(ask.x.detach()))


def words(scores: Sanity) -> set[str]:
    return {verdict for verdict, _ in verdicts(scores)}


def test_gradient_times_input_of_a_linear_net_is_ok(linear, checked):
    _, scores = checked(linear, "input_x_gradient")
    assert words(scores) == {"ok"}


def test_integrated_gradients_of_a_trained_net_are_ok(trained_net, checked):
    maps, scores = checked(trained_net, "integrated_gradients")
    assert words(scores) == {"ok"}
    assert np.median(maps.relative_delta) < 0.01


@pytest.mark.parametrize("which", ["linear", "random_net", "trained_net"])
def test_an_edge_detector_is_not_to_be_trusted(which, request, checked):
    _, scores = checked(request.getfixturevalue(which), EDGES)
    assert words(scores) == {"do not trust"}
    assert np.allclose([scores.mask_swap, scores.random_mask, scores.weight_randomisation], 1)


def test_a_constant_map_is_not_to_be_trusted(trained_net, checked):
    _, scores = checked(trained_net, CONSTANT)
    assert set(verdicts(scores)) == {("do not trust", "the map is the same everywhere")}


def test_guided_backpropagation_on_a_random_net_is_not_to_be_trusted(random_net, checked):
    _, scores = checked(random_net, "guided_backprop")
    assert words(scores) == {"do not trust"}


class FunctionalReLU(nn.Module):
    """DeepLIFT's hooks do not see `torch.relu`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer for layer in module.modules() if not list(layer.children()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        return x


def test_deeplift_over_a_functional_relu_is_not_to_be_trusted(trained_net, checked):
    _, good = checked(trained_net, "deeplift")
    assert words(good) == {"ok"}
    network = trained_net.network
    broken = replace(trained_net, network=replace(network, module=FunctionalReLU(network.module)))
    own = dict(zip(network.module.state_dict(), broken.network.module.state_dict(), strict=True))
    layout = replace(trained_net.tickets.layout, names=tuple(own[name] for name in trained_net.tickets.layout.names))

    def renamed(tensors: dict) -> dict:
        return {own[name]: tensor for name, tensor in tensors.items()}

    subnetworks = {
        name: replace(subnetwork, shared=renamed(subnetwork.shared), buffers=renamed(subnetwork.buffers))
        for name, subnetwork in trained_net.subnetworks.items()
    }
    broken = replace(broken, subnetworks=subnetworks, tickets=replace(trained_net.tickets, layout=layout))
    _, scores = checked(broken, METHODS["deeplift"])
    verdict_names = [verdict for verdict, reason in verdicts(scores) if "its sum misses" in reason]
    assert verdict_names.count("do not trust") > len(verdict_names) / 2 > 4


def one(**changed: float) -> Sanity:
    """A map that nothing speaks against but what is changed."""
    good = {"mask_swap": 0.1, "random_mask": 0.1, "weight_randomisation": 0.1, "infidelity": 0.1, "sensitivity": 0.1}
    scores = {name: np.array([value]) for name, value in {**good, "relative_delta": 0.0, **changed}.items()}
    return Sanity(**scores, curve=np.zeros((1, 2)), constant=np.array([False]))


@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({}, "ok", "no check speaks against it"),
        ({"weight_randomisation": 0.4}, "doubtful", "hardly depends on what was learned: 0.40 rank correlation"),
        ({"weight_randomisation": 0.6}, "do not trust", "hardly depends on what was learned"),
        ({"relative_delta": 0.1}, "doubtful", "misses the change of the output by 10%"),
        ({"relative_delta": 0.3, "weight_randomisation": 0.4}, "do not trust", "misses the change"),
        ({"random_mask": 0.95}, "ok", ""),
        ({"random_mask": 0.95, "mask_swap": 0.92}, "doubtful", "hardly depends on the mask: 0.92"),
        ({"random_mask": 0.95, "mask_swap": np.nan}, "doubtful", "hardly depends on the mask: 0.95"),
        ({"infidelity": 0.95}, "doubtful", "leaves 95% of the output's changes"),
        ({"infidelity": np.nan, "relative_delta": np.nan, "sensitivity": np.nan}, "ok", ""),
        ({"sensitivity": 1.5}, "doubtful", "change it by 150% of itself"),
    ],
)
def test_each_score_has_its_say(changed, verdict, reason):
    [(verdict_names, why)] = verdicts(one(**changed))
    assert verdict_names == verdict and reason in why
