"""Mixed batches against every row asked by itself."""

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.config import ModelSettings
from rtl_core.data.batches import ROWS_A_PASS
from rtl_core.learning.subnetwork import Subnetwork, as_module
from rtl_core.models.catalogue import build
from rtl_core.routing.serving import serving
from rtl_core.tasks.classification import MULTICLASS
from rtl_core.tickets.layout import Layout


@pytest.mark.parametrize(("name", "shape"), [("convnet", (3, 8, 8)), ("ghostnet", (1, 8, 8)), ("mlp", (12,))])
def test_a_mixed_batch_is_every_row_through_its_own_ticket(name, shape):
    network = build(ModelSettings(name=name), shape, 4, seed=0)
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    draw = np.random.default_rng(0)
    shared = {n: p.detach() for n, p in network.module.named_parameters()}
    subnetworks = [
        Subnetwork(str(k), draw.random(layout.n) < 0.5, shared, {}, _statistics(network.module, k)) for k in range(3)
    ]
    x = torch.from_numpy(draw.standard_normal((40, *shape), np.float32))
    ticket = draw.choice([0, 2], size=40)  # nobody goes to ticket 1
    tickets = serving(network, subnetworks, layout)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for t in tickets.modules for m in t.modules())

    modules = [as_module(network, subnetwork, layout) for subnetwork in subnetworks]
    with torch.no_grad():
        slow = torch.cat([modules[k](x[i : i + 1]) for i, k in enumerate(ticket)])
    answers = tickets.routed(lambda at: x[at], ticket)
    assert slow.std() > 1e-2
    assert (answers - slow).abs().max() < 1e-5 * max(1, float(slow.abs().max()))
    doubt = MULTICLASS.doubt
    doubts = tickets.doubts(lambda at: x[at], 40, doubt)
    assert doubts.shape == (3, 40)
    np.testing.assert_allclose(doubts[ticket, np.arange(40)], doubt.of(answers), atol=1e-6)


def _statistics(module: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {
        name: 0.5 + torch.rand(b.shape, generator=draw) if b.is_floating_point() else b.clone()
        for name, b in module.named_buffers()
    }


def test_long_groups_go_in_pieces_and_come_back_in_order():
    network = build(ModelSettings(name="mlp"), (2,), 2, seed=0)
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    subnetwork = Subnetwork("a", None, {n: p.detach() for n, p in network.module.named_parameters()}, {}, {})
    subnetwork = Subnetwork("a", None, subnetwork.shared, {}, dict(network.module.named_buffers()))
    x = torch.randn(2 * ROWS_A_PASS + 3, 2)
    sizes = []

    def take(at):
        sizes.append(len(at))
        return x[at]

    tickets = serving(network, [subnetwork], layout)
    answers = tickets.routed(take, np.zeros(len(x), np.int64))
    with torch.no_grad():
        torch.testing.assert_close(answers, network.module.eval()(x))
    assert sizes == [ROWS_A_PASS, ROWS_A_PASS, 3]
