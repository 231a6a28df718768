"""A small finished run on disk with figures that are known, written through the real checkpoint writer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.components.v2 import manifest_scanner

from app import training_cost
from rtl_core.config import Config
from rtl_core.runs.record import TrainingCost
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

NAMES = ("original", "rotated", "inverted", "noisy", "blurred")
LEVELS = (Level(1, 0.5, "denser"), Level(2, 0.25, "target"), Level(3, 0.1, "lighter"))
METHOD_VALUES = {
    "rtl": 0.78,
    "random": 0.72,
    "imp_single": 0.71,
    "imp_single_union": 0.75,
    "dense": 0.73,
    "random_same_total": 0.777,
}


def tickets_with_shared_start(seed: int = 0) -> TicketSet:
    """conv1's ranking is half common to all tickets, conv2's is each ticket's own: excess in conv1 only."""
    layout = Layout(("conv1.weight", "conv2.weight", "conv3.weight"), ((12, 1, 3, 3), (24, 12, 3, 3), (32, 24, 3, 3)))
    draw = np.random.default_rng(seed)
    common = draw.normal(size=layout.n)
    first = layout.slices()["conv1.weight"]
    pruned_at = np.zeros((len(NAMES), layout.n), dtype=np.uint8)
    for k in range(len(NAMES)):
        score = draw.normal(size=layout.n)
        score[first] += 2 * common[first] + 0.5
        order = np.argsort(score)
        for level in reversed(LEVELS):
            pruned_at[k, order[: layout.n - round(level.density * layout.n)]] = level.index
    return TicketSet(NAMES, NAMES, layout, pruned_at, LEVELS)


def evaluation_document() -> dict:
    def entry(value: float, **more) -> dict:
        ci = {m: [value - 0.01, value + 0.01] for m in ("accuracy", "balanced_accuracy")}
        return {"accuracy": value, "balanced_accuracy": value, "recall": value, "roc_auc": 0.95, "ci": ci, **more}

    methods = [
        entry(
            v,
            method=m,
            applies=True,
            density=0.25,
            params_total=9_000,
            steps_extract=280 if m == "rtl" else 0,
            steps_joint=150,
        )
        for m, v in METHOD_VALUES.items()
    ]
    methods.append({"method": "imp_multi", "applies": False, "reason": "switched off in the settings"})
    return {
        "tickets": [
            entry(0.70 + 0.03 * k, name=name, density=0.25, params=2_700, n=2000) for k, name in enumerate(NAMES)
        ],
        "methods": methods,
        "routers": [
            entry(0.78, router="oracle", uses_label=True, agreement_with_oracle=1.0, flops_share=0.0),
            entry(0.70, router="min_entropy", uses_label=False, agreement_with_oracle=0.8, flops_share=0.8),
        ],
    }


def info_document(config: Config, tickets: TicketSet) -> dict:
    records = [
        {
            "rung": r.index,
            "ticket": k,
            "density": r.density,
            "kind": r.kind,
            "n": 1000,
            "accuracy": 0.6 + 0.1 * r.density,
            "ci": {},
            "balanced_accuracy": 0.6 + 0.1 * r.density,
            "measure": "extraction" if r.kind == "denser" else "final",
        }
        for r in LEVELS
        for k in range(tickets.k)
    ]
    return {
        "config": config.model_dump(mode="json"),
        "evaluation": evaluation_document(),
        "rungs": records,
        "data": {
            "spec": config.data.spec,
            "kind": "image",
            "fingerprint": "0123456789abcdef",
            "classes": ["a", "b"],
            "n_train": 5000,
            "n_val": 1000,
            "n_test": 2000,
            "input_shape": [1, 28, 28],
            "licence": "MIT",
        },
        "partition": {
            "by": "attribute",
            "column": "domain",
            "uses_label": True,
            "silhouette": None,
            "sizes": [{"subset": n, "train": 1000, "val": 200, "test": 400} for n in NAMES],
        },
        "model": {"name": "convnet"},
        "cost": {"params_total": 10_000, "n_prunable": tickets.n, "flops_executed": 3_800_000, "macs_dense": 1_900_000},
        "environment": {"torch": "2.13.0", "python": "3.11", "threads": 1, "processor": "cpu", "seconds": 42.0},
        "warnings": [],
    }


def write_run(root, name: str = "known-run"):
    from rtl_core.runs.checkpoint import Outcome, save_checkpoint

    config = Config(density=0.25)
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json")))
    tickets = tickets_with_shared_start()
    save_checkpoint(folder, Outcome(tickets, info_document(config, tickets)))
    return folder


@pytest.fixture(scope="session", autouse=True)
def components_are_looked_for_once() -> Iterator[None]:
    """Every AppTest asks all installed packages whether they bring a component; in one process the answer stays."""
    manifests = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: manifests)
        yield


@pytest.fixture
def known_cost(monkeypatch) -> TrainingCost:
    """What every training is estimated to cost; the estimate itself starts a process and takes seconds."""
    cost = TrainingCost(1_234, 5_678, 9_000_000, 100, 10.0, [])
    monkeypatch.setattr(training_cost, "estimate", lambda config: cost)
    return cost


@pytest.fixture
def runs_folder(tmp_path, monkeypatch):
    """An empty runs folder that the app uses instead of the user's."""
    root = tmp_path / "runs"
    root.mkdir()
    monkeypatch.setenv("RTL_RUNS", str(root))
    return root


@pytest.fixture
def known_run(runs_folder):
    return write_run(runs_folder)


@pytest.fixture
def known_tickets() -> TicketSet:
    return tickets_with_shared_start()
