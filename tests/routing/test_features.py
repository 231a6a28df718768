"""Statistics of pictures that can be drawn on paper, and what they cost."""

import numpy as np
import pytest
import torch

from rtl_core.config import ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models.catalogue import build
from rtl_core.models.cost import forward_cost
from rtl_core.routing.features import CLIP, FLOOR, fitted, grid, grid_small, remade


def test_a_flat_picture_has_its_level_and_nothing_else():
    seen = grid(torch.full((1, 1, 14, 14), 0.3))[0]
    assert seen[:49].numpy() == pytest.approx(0.3)
    assert seen[49:196].numpy() == pytest.approx(np.log(FLOOR), rel=1e-4)
    assert seen[196:].tolist() == np.eye(16)[9].tolist()  # bins of 1/4 from -2 on: 0.3 lies in [0.25, 0.5)


def test_stripes_vary_across_and_not_down():
    x = torch.zeros(1, 1, 14, 14)
    x[..., ::2] = 2.0  # each 2 x 2 cell holds a column of 2 and one of 0
    seen = grid(x)[0]
    inner = np.arange(49) % 7 < 6  # the last column of cells holds the picture's edge, which has no difference
    assert seen[:49].numpy() == pytest.approx(1.0)
    assert seen[49:98].numpy() == pytest.approx(np.log(1 + FLOOR))
    assert seen[98:147].numpy()[inner] == pytest.approx(np.log(4 + FLOOR))
    assert seen[98:147].numpy()[~inner] == pytest.approx(np.log(2 + FLOOR))
    assert seen[147:196].numpy() == pytest.approx(np.log(FLOOR), rel=1e-4)
    assert seen[196:].tolist() == [0] * 8 + [0.5] + [0] * 6 + [0.5]
    assert torch.equal(seen[:98], grid_small(x)[0])


def test_channels_keep_apart_and_sides_need_not_divide():
    x = torch.randn(2, 3, 9, 5)
    assert grid_small(x).shape == (2, 3 * 2 * 7 * 5)  # a side under 7 pixels has a cell a pixel
    changed = x.clone()
    changed[:, 1] += 1
    moved = (grid(changed) != grid(x)).any(dim=0)[: 3 * 35]  # the means come first, channel by channel
    assert moved.tolist() == [False] * 35 + [True] * 35 + [False] * 35


def test_costs_by_hand():
    def macs(name, shape):
        rows = np.zeros((2, *shape), np.float32)
        return fitted(name, lambda at: torch.from_numpy(rows[at]), np.arange(2), shape).macs

    small = 2 * 784 + 5 * 49
    assert macs("grid_small", (1, 28, 28)) == small + 98
    assert macs("grid", (1, 28, 28)) == small + 6 * 784 + 6 * 49 + 16 + 212
    assert macs("pixels", (1, 28, 28)) == 784
    # cells of a side of 8: seven of two pixels, so 14 x 14 pixels are counted
    assert macs("grid_small", (1, 8, 8)) == 2 * 14 * 14 + 5 * 49 + 98


@pytest.mark.parametrize("name", ["grid", "grid_small", "pixels"])
def test_a_tables_rows_are_their_own_features(name):
    rows = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    features = fitted(name, lambda at: rows[at], np.arange(2), (2,))
    assert features(rows).tolist() == [[-1, 0], [1, 0]]  # a constant stays 0
    assert features(torch.tensor([[1000.0, 5.0]])).tolist() == [[CLIP, 0]]
    assert features.macs == 2


def test_pooled_features_are_those_under_the_head():
    network = build(ModelSettings(name="convnet"), (1, 8, 8), 3, seed=0)
    x = torch.randn(6, 1, 8, 8)
    features = fitted("pooled", lambda at: x[at], np.arange(6), (1, 8, 8), network)
    with torch.no_grad():
        assert torch.equal(features.measure(x), network.module.eval().features(x))
    assert features.macs == forward_cost(network).macs_dense - 3 * 64 + 64


def test_features_come_back_from_their_tensors():
    x = torch.randn(9, 1, 14, 14)
    features = fitted("grid", lambda at: x[at], np.arange(9), (1, 14, 14))
    again = remade("grid", features.as_tensors(), (1, 14, 14))
    assert torch.equal(again(x), features(x)) and again.macs == features.macs
    with pytest.raises(BadInput, match=r"'grid_small' need a tensor 'mean' of shape \(98,\), not \(212,\)"):
        remade("grid_small", features.as_tensors(), (1, 14, 14))


def test_unknown_names_and_a_missing_network_are_refused():
    with pytest.raises(BadInput, match="no features 'hog'; there are: grid, grid_small, pixels, pooled"):
        remade("hog", {}, (1, 14, 14))
    with pytest.raises(BadInput, match="come from a trained dense network"):
        remade("pooled", {}, (1, 14, 14))
