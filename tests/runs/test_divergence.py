"""A loss that becomes infinite is told as what it is: a setting that should be lower."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning import joint
from rtl_core.runs.pipeline import estimate, prepare, train
from tests.toy_run import toy

TINY = toy(
    extract={"learning_rate": 0.25},
    optimiser={"name": "sgd", "batch_size": 8},
    partition={"by": "class"},
    model={"width": 0.25},
    gated={"backbone_steps": 0, "steps": 3, "batch_size": 8, "learning_rate": 0.125},
)


@pytest.fixture
def spec(tmp_path) -> str:
    """Two classes of 8 x 8 pictures."""
    draw, arrays = np.random.default_rng(0), {"classes": np.array(["ant", "bee"])}
    for split, n in (("train", 12), ("val", 6), ("test", 6)):
        arrays |= {f"x_{split}": draw.integers(0, 255, (2 * n, 8, 8), np.uint8), f"y_{split}": np.repeat([0, 1], n)}
    np.savez(tmp_path / "two.npz", **arrays)
    return f"npz:{tmp_path / 'two.npz'}"


@pytest.fixture
def far(monkeypatch):
    """Every step goes much too far, whatever the settings say."""
    monkeypatch.setitem(joint.OPTIMIZERS, "sgd", lambda parameters, **settings: torch.optim.SGD(parameters, lr=1e30))


def test_a_training(spec, far):
    config = parse({**TINY, "data": {"spec": spec}})
    setting = prepare(config, silent, MemoryJournal())
    with pytest.raises(
        BadInput, match=r"the loss of 'rtl' became \w+ in step 1 of warm_start: lower the learning rate"
    ):
        train(setting, silent, MemoryJournal())
    with pytest.raises(BadInput, match=r"lower the learning rate \(it is 0\.25\)"):
        estimate(config)


def test_an_extraction_in_a_thread_of_its_own(spec, far):
    config = parse({**TINY, "data": {"spec": spec}, "extract": {**TINY["extract"], "warm_steps": 0}})
    with pytest.raises(BadInput, match=r"of extract: lower the learning rate \(it is 0\.25\)"):
        train(prepare(config, silent, MemoryJournal()), silent, MemoryJournal())


def test_a_backbone_to_cluster_on(spec, far):
    clusters = {"by": "kmeans", "k": 2, "features": "backbone", "min_size": 2}
    with pytest.raises(BadInput, match=r"the loss of 'backbone' became .* lower the learning rate"):
        prepare(parse({**TINY, "data": {"spec": spec}, "partition": clusters}), silent, MemoryJournal())


def test_mask_scores(spec, monkeypatch):
    monkeypatch.setattr("rtl_core.learning.mask_scores.imbalance", lambda gate: gate.sum() * float("nan"))
    setting = prepare(parse({**TINY, "data": {"spec": spec}, "mode": "gated"}), silent, MemoryJournal())
    with pytest.raises(BadInput, match=r"step 1 of scores: lower gated\.learning_rate \(it is 0\.125\)"):
        train(setting, silent, MemoryJournal())
