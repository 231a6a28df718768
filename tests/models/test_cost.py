import pytest
import torch
from torch import nn

from rtl_core.config import ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models.catalogue import CATALOGUE, build, wrap
from rtl_core.models.cost import forward_cost, macs_nonzero
from tests.models.outputs import outputs_of

CONVS = ("block1.conv.weight", "block2.conv.weight", "block3.conv.weight")


@pytest.fixture(scope="module")
def convnet():
    return build(ModelSettings(name="convnet"), (1, 28, 28), outputs=10, seed=0)


def test_convnet_by_hand(convnet):
    """28 x 28 pixels become 14 x 14, 7 x 7 and 7 x 7; the head is 64 x 10."""
    cost = forward_cost(convnet)
    assert cost.macs_per_weight == dict(zip(CONVS, (14 * 14, 7 * 7, 7 * 7), strict=True))
    dense = 216 * 196 + 10_368 * 49 + 27_648 * 49 + 640
    assert cost.macs_dense == dense
    assert cost.flops_executed == 2 * dense
    assert cost.macs_unprunable == 640
    assert cost.n_prunable == 38_232
    assert cost.params_total == 38_232 + 2 * (24 + 48 + 64) + 64 * 10 + 10


def test_kept_weights_count_with_their_positions(convnet):
    cost = forward_cost(convnet)
    assert macs_nonzero(cost, dict(zip(CONVS, (100, 0, 7), strict=True))) == 100 * 196 + 7 * 49 + 640
    assert macs_nonzero(cost, dict(zip(CONVS, (0, 0, 0), strict=True))) == 640
    assert macs_nonzero(cost, dict(zip(CONVS, (216, 10_368, 27_648), strict=True))) == cost.macs_dense


def test_mlp_by_hand():
    cost = forward_cost(build(ModelSettings(name="mlp"), (14,), outputs=2, seed=0))
    assert cost.macs_per_weight == {"fc1.weight": 1, "fc2.weight": 1}
    assert cost.macs_dense == 14 * 128 + 128 * 64 + 64 * 2
    assert cost.macs_unprunable == 64 * 2


def test_ghostnet_leaves_squeeze_excite_and_head_to_the_unprunable():
    cost = forward_cost(build(ModelSettings(name="ghostnet"), (3, 32, 32), outputs=10, seed=0))
    assert cost.macs_unprunable == 2 * 72 * 20 + 2 * 120 * 32 + 480 * 10
    assert cost.macs_per_weight["blocks.0.expand.cheap.conv.weight"] == 32 * 32
    assert cost.macs_per_weight["closing.conv.weight"] == 4 * 4


def test_resnet50_costs_what_is_published():
    """4.09 G multiply-adds at 224 x 224 (torchvision's table of weights)."""
    network = build(ModelSettings(name="resnet50", stem="imagenet"), (3, 224, 224), outputs=1000, seed=0)
    assert forward_cost(network).macs_dense / 1e9 == pytest.approx(4.09, abs=0.005)


@pytest.mark.parametrize("name", CATALOGUE)
def test_network_is_left_as_found(name):
    outputs = outputs_of(name, (3, 16, 16), 7)
    network = build(ModelSettings(name=name, width=0.25), (3, 16, 16), outputs, seed=0)
    before = {key: tensor.clone() for key, tensor in network.module.state_dict().items()}
    forward_cost(network)
    assert network.module.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.module.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.module.modules())


def test_transposed_and_repeated_layers():
    """Transposed 2x2 with stride 2 on 5 x 5: each weight meets 25 inputs. A layer called twice counts twice."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(2, 2, 2, stride=2, bias=False)
            self.out = nn.Linear(2, 1)

        def forward(self, x):
            return self.out(self.up(self.up(x)).mean((2, 3)))

    cost = forward_cost(wrap(Twice(), ["up.weight"], ["out.weight", "out.bias"], (2, 5, 5), 1))
    assert cost.macs_per_weight == {"up.weight": 25 + 100}
    assert cost.macs_unprunable == 2


def test_tensors_of_other_layers_are_refused():
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    network = wrap(module, ["1.weight"], ["2.weight", "2.bias"], (3,), 2)
    with pytest.raises(BadInput, match=r"not for 1\.weight"):
        forward_cost(network)
