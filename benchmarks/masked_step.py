"""What masks cost in training: the same loop with and without them, interleaved in one process."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from rtl_core.config import Config, ModelSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.events import MemoryJournal, Stage, silent
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.rewind_point import cold_start
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.models.catalogue import build
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.layout import Layout

K, STEPS, ROUNDS = 5, 4, 15


def _data() -> tuple[Dataset, Partition]:
    """Noise in the shape of Fashion-MNIST: time does not depend on what the pictures show."""
    generator = np.random.default_rng(0)
    n = 2000
    x, y = generator.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8), generator.integers(0, 10, n)
    group = np.arange(n) % K
    split, unit = np.full(n, "train"), np.arange(n)
    classes = tuple("0123456789")
    data = Dataset("noise", "image", x, y, classes, pd.DataFrame({"g": group}), split, unit, "noise", (0.5,), (0.3,))
    return data, Partition("attribute", "g", tuple("abcde"), group, True)


def run(model: str = "convnet") -> dict[str, Any]:
    """Milliseconds per step without and with masks, and the median ratio of neighbouring measurements."""
    torch.set_num_threads(1)
    dataset, partition = _data()
    network = build(ModelSettings(name=model), dataset.input_shape, 10, 0)
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    config = Config()
    start = cold_start(network, config.sharing, K, "cpu")
    subsets = ticket_subsets(dataset, partition, task_named("multiclass"))
    masks = np.random.default_rng(1).random((K, layout.n)) < 0.1
    stage = Stage("joint", "rtl", STEPS, 1e-3, 0)

    def seconds(with_masks: bool) -> float:
        subnetworks = start.subnetworks(partition.names, masks if with_masks else None)
        began = time.perf_counter()
        experiment = Experiment(config, network, layout, subsets, dataset.inputs, silent, MemoryJournal())
        train_jointly(experiment, subnetworks, subsets, stage)
        return time.perf_counter() - began

    seconds(True), seconds(False)
    pairs = [(seconds(False), seconds(True)) for _ in range(ROUNDS)]
    per = 1e3 / (STEPS * K)
    return {
        "model": model,
        "plain_ms": median(p for p, _ in pairs) * per,
        "masked_ms": median(m for _, m in pairs) * per,
        "ratio": median(m / p for p, m in pairs),
    }
