"""A tiny network, its ticket set and what two methods learned, made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

K = 3


class TinyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture
def tiny() -> SimpleNamespace:
    """network, tickets, theta_0, learned (rtl, random, dense, imp_multi), lighter, info."""
    torch.manual_seed(0)
    module = TinyNet().to(memory_format=torch.channels_last)
    network = Network(
        module, ("conv.weight",), ("head.weight", "head.bias"), ("norm.weight", "norm.bias"), (2, 6, 6), 4
    )
    theta_0 = {name: p.detach().clone() for name, p in module.named_parameters()}
    layout = Layout.of(theta_0, network.prunable)
    rng = np.random.default_rng(0)
    levels = (Level(1, 0.8, "denser"), Level(2, 0.4, "target"), Level(3, 0.2, "lighter"))
    pruned_at = rng.choice(np.array([0, 1, 2, 3], np.uint8), size=(K, layout.n), p=[0.2, 0.2, 0.4, 0.2])
    tickets = TicketSet(("sky", "sea", "a/../b"), ("sky", "sea", "a/../b"), layout, pruned_at, levels)
    masks = tickets.masks()
    return SimpleNamespace(
        network=network,
        tickets=tickets,
        theta_0=theta_0,
        learned=[
            _learned("rtl", theta_0, masks, one_network=True),
            _learned("random", theta_0, rng.random(masks.shape) < 0.4, one_network=True),
            _learned("dense", theta_0, [None] * K, one_network=True),
            _learned("imp_multi", theta_0, masks, one_network=False),
        ],
        lighter={(3, k): _buffers() for k in range(K)},
        info={"config": {"seed": 7}, "evaluation": {"accuracy": np.float32(0.5), "roc_auc": float("nan")}},
    )


def _learned(method: str, theta_0: dict, masks: list | np.ndarray, one_network: bool) -> TrainedMethod:
    """Weights moved away from theta_0 inside the masks only; heads private, norm statistics per ticket."""
    head = ("head.weight", "head.bias")

    def moved(mask: np.ndarray | None) -> dict:
        body = {name: t.clone() for name, t in theta_0.items() if name not in head}
        step = torch.randn(body["conv.weight"].shape)
        if mask is not None:
            step *= torch.from_numpy(mask).reshape(step.shape)
        body["conv.weight"] += step
        return body

    union = None if masks[0] is None else np.logical_or.reduce(masks)
    one = moved(union)
    subnetworks = tuple(
        Subnetwork(
            subset=str(k),
            mask=mask,
            shared=one if one_network else moved(mask),
            private={name: torch.randn_like(theta_0[name]) for name in head},
            buffers=_buffers(),
        )
        for k, mask in enumerate(masks)
    )
    return TrainedMethod(method, subnetworks, "per_subset", (4,), 10, 20, 30)


def _buffers() -> dict:
    return {
        "norm.running_mean": torch.randn(5),
        "norm.running_var": torch.rand(5) + 0.5,
        "norm.num_batches_tracked": torch.tensor(12),
    }
