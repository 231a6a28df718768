"""A whole run on another device: what its files hold, and that a machine without the device can go on with it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rtl_core.config import parse
from rtl_core.events import MemoryJournal, silent
from rtl_core.runs import train_methods, training
from rtl_core.runs.checkpoint import load_run, save_checkpoint
from rtl_core.runs.grow import grow
from rtl_core.runs.open_run import open_run
from rtl_core.runs.pipeline import prepare, train
from rtl_core.runs.tensors import read_tensors
from tests.second_device import second_device
from tests.toy_run import toy

pytestmark = pytest.mark.long

CLASSES = ("ant", "bee", "cow", "dog")
TINY = toy(
    density=0.3,
    lighter=[0.1],
    workers=1,
    optimiser={"batch_size": 8},
    partition={"by": "class"},
    model={"width": 0.25},
    gated={"backbone_steps": 4, "steps": 3, "batch_size": 8},
)
ROUNDS = {"schedule": "fraction", "fraction": 0.5, "steps": 2, "warm_steps": 4}
RUNS = {
    "one_vs_rest": {"task": "one_vs_rest", "controls": ["imp_single"], "sharing": {"head": "ticket"}},
    "watched": {
        "extract": ROUNDS,
        "collapse": {"policy": "warn"},
        "joint": {"steps": 2, "start": "merged"},
        "controls": ["reinitialised"],
    },
    **{
        f"gated by {features}": {
            "mode": "gated",
            "gated": {**TINY["gated"], "features": features},
            "controls": ["imp_single"],
        }
        for features in ("grid", "pooled")
    },
    "backbone": {"partition": {"by": "kmeans", "k": 2, "features": "backbone", "min_size": 2}},
}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")


@pytest.fixture(params=["second", pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])])
def elsewhere(request, monkeypatch):
    """The name of a device that is not the processor. The second device belongs to one thread."""
    monkeypatch.setattr(train_methods, "_side_by_side", lambda config, jobs: [job() for job in jobs])
    with second_device() if request.param == "second" else nullcontext("cuda") as name:
        yield name


def archive(path: Path, classes: tuple[str, ...]) -> str:
    """Noisy 8 x 8 pictures with one bright column a class."""
    draw, arrays = np.random.default_rng(0), {"classes": np.array(classes)}
    for split, n in (("train", 12), ("val", 6), ("test", 6)):
        y = np.repeat(np.arange(len(classes)), n)
        x = draw.integers(0, 90, (len(y), 8, 8), np.uint8)
        x[np.arange(len(y)), :, 2 * y] += 120
        arrays |= {f"x_{split}": x, f"y_{split}": y}
    np.savez(path, **arrays)
    return f"npz:{path}"


def run_on(device: str, folder: Path, values: dict, spec: str) -> dict[str, torch.Tensor]:
    """All tensors of the run's files."""
    settings = {**TINY, **values, "data": {"spec": spec}}
    config = parse(settings).model_copy(update={"device": device})
    setting = prepare(config, silent, MemoryJournal())
    outcome = train(setting, silent, MemoryJournal())
    folder.mkdir()
    save_checkpoint(folder, outcome)
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in read_tensors(file)[0].items()}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_leaves_what_it_leaves_on_the_processor(tmp_path, elsewhere, monkeypatch, name):
    monkeypatch.setattr("rtl_core.learning.backbone.STEPS", 3)
    spec = archive(tmp_path / "three.npz", CLASSES[:3])
    here = run_on("cpu", tmp_path / "here", RUNS[name], spec)
    there = run_on(elsewhere, tmp_path / "there", RUNS[name], spec)
    if elsewhere != "cuda":
        assert here.keys() == there.keys()
        assert all(torch.equal(here[key], there[key]) for key in here)
    assert all(tensor.isfinite().all() for tensor in there.values() if tensor.is_floating_point())


def test_a_run_trained_on_cuda_is_evaluated_and_grown_without(tmp_path, monkeypatch):
    """Its tensors are read onto the processor, and its settings go on saying where it was trained."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    values = {**TINY, **RUNS["one_vs_rest"], "controls": ["random"]}
    config = parse({**values, "data": {"spec": archive(tmp_path / "three.npz", CLASSES[:3])}})
    run = load_run(Path(training.train_new(config, tmp_path)["folder"]))
    there = replace(run, config=run.config.model_copy(update={"device": "cuda"}))
    spec = archive(tmp_path / "four.npz", CLASSES)
    assert open_run(there).inputs(np.arange(3)).shape == (3, 1, 8, 8)
    grown = load_run(Path(grow(there, spec, tmp_path)["folder"]))
    assert grown.tickets.names == CLASSES and grown.config.device == "cpu"
