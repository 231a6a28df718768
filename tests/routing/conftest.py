"""Three clouds of rows, and three random tickets of a small net with norms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import wrap
from rtl_core.routing.features import fitted
from rtl_core.routing.router_inputs import Scene, scene_of
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

NAMES = ("red", "green", "blue")
ROWS = 240


@pytest.fixture
def dataset() -> Dataset:
    draw = np.random.default_rng(5)
    group = np.arange(ROWS) % 3
    x = draw.normal(size=(ROWS, 6)) + 3 * np.eye(6)[group]
    return Dataset(
        spec="toy",
        kind="table",
        x=x.astype(np.float32),
        y=(x[:, 4] > 0).astype(np.int64),
        classes=("no", "yes"),
        attributes=pd.DataFrame({"colour": np.array(NAMES)[group]}),
        split=np.repeat(["train", "val", "test"], [150, 30, 60]),
        unit=np.arange(ROWS),
        fingerprint="toy",
    )


@pytest.fixture
def partition() -> Partition:
    return Partition("attribute", "colour", NAMES, np.arange(ROWS) % 3, True)


@pytest.fixture
def make_tickets():
    """Outputs -> (network, three parts, layout) with norm statistics that differ between the parts."""
    return _tickets


def _tickets(outputs: int):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = [nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU()]
        module = nn.Sequential(*body, nn.Linear(5, outputs))
        network = wrap(module, ("0.weight", "3.weight"), ("5.weight", "5.bias"), (6,), outputs)
        layout = Layout.of(dict(module.named_parameters()), network.prunable)
        shared = {name: p.detach() for name, p in module.named_parameters()}
        subnetworks = [
            Subnetwork(name, (torch.rand(layout.n) < 0.6).numpy(), shared, {}, _statistics(module)) for name in NAMES
        ]
    return network, subnetworks, layout


def _statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    drawn = {"running_mean": torch.randn, "running_var": lambda n: 0.5 + torch.rand(n)}
    return {
        name: drawn[kind](8) if (kind := name.partition(".")[2]) in drawn else buffer.clone()
        for name, buffer in module.named_buffers()
    }


@pytest.fixture
def make_scene(dataset):
    def make(task: str, partition: Partition, seen: Dataset = dataset) -> Scene:
        network, subnetworks, layout = _tickets(1 if task == "one_vs_rest" else 2)
        features = fitted("grid", seen.inputs, seen.rows("train"), seen.input_shape)
        pruned_at = np.stack([np.where(subnetwork.mask, 0, 1) for subnetwork in subnetworks]).astype(np.uint8)
        tickets = TicketSet(NAMES, NAMES, layout, pruned_at, (Level(1, 0.6, "target"),))
        return scene_of(TrainedTickets(TASKS[task], seen, partition, network, subnetworks, tickets, 0, 0), features)

    return make
