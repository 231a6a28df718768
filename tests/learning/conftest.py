"""A net of 6 x 4 + 4 x 5 prunable weights and 60 rows: small enough to train hundreds of times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from rtl_core.config import Config, parse
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.subsets import ticket_subsets, which_subset
from rtl_core.models.catalogue import wrap
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout

NAMES = ("red", "green", "blue")
PRUNABLE = ("0.weight", "3.weight")
BASE = {
    "density": 0.5,
    "denser": [1.0, 0.8],
    "lighter": [0.25],
    "optimiser": {"batch_size": 8},
    "extract": {"steps": 5, "warm_steps": 6, "learning_rate": 0.05},
    "joint": {"steps": 4, "learning_rate": 0.05},
    "sharing": {"head": "ticket", "recalibrate_batches": 2},
}


@pytest.fixture
def dataset() -> Dataset:
    generator = np.random.default_rng(5)
    n = 60
    x = generator.normal(size=(n, 6)).astype(np.float32)
    y = (x[:, 0] + 0.1 * generator.normal(size=n) > 0).astype(np.int64)
    group = np.arange(n) % 3
    return Dataset(
        spec="toy",
        kind="table",
        x=x,
        y=y,
        classes=("no", "yes"),
        attributes=pd.DataFrame({"colour": np.array(NAMES)[group]}),
        split=np.full(n, "train"),
        unit=np.arange(n),
        fingerprint="toy",
    )


@pytest.fixture
def make_experiment(dataset):
    """Settings over `BASE` -> an Experiment on the toy data."""

    def make(report=silent, journal=None, **changes) -> Experiment:
        config: Config = parse({**BASE, **changes})
        partition = Partition("attribute", "colour", NAMES, np.arange(60) % 3, True)
        network, one_network = (_network(outputs, seed=0) for outputs in ((1, 3) if _ovr(config) else (2, 3)))
        layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
        return Experiment(
            config,
            network,
            layout,
            ticket_subsets(dataset, partition, TASKS[config.task], config.reweigh),
            dataset.inputs,
            report,
            journal or MemoryJournal(),
            one_network if _ovr(config) else None,
            which_subset(dataset, partition) if _ovr(config) else None,
            _network(1 if _ovr(config) else 2, seed=1),
            lambda weights: replace(
                _network(network.output_shape[0], seed=0, hidden=max(1, weights // 11)),
                description={"width": weights / 44},
            ),
        )

    return make


def _ovr(config: Config) -> bool:
    return config.task == "one_vs_rest"


def _network(outputs: int, seed: int, hidden: int = 4):
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = [nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 5), nn.ReLU()]
        module = nn.Sequential(*body, nn.Linear(5, outputs))
    return wrap(module, PRUNABLE, ("5.weight", "5.bias"), (6,), outputs)
