"""The runs of the collapse study: settings, how far down they go, and what is heard in every round.

`python -m benchmarks.collapse` runs and judges them; figures of every run are kept in docs/results/collapse.json, so
it goes on where it was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config, parse
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning.methods import ticket_rounds, ticket_set, warm_start
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.watched import extract_watched
from rtl_core.runs.modes import RUNG_ROWS
from rtl_core.runs.setting import experiment, prepare
from rtl_core.tickets.overlap import overlap
from rtl_core.tickets.similarity import similarity

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
TUNING_SEEDS, HELD_OUT_SEEDS = (0, 1), (31, 32, 33)

CLASSES = {"task": "one_vs_rest", "partition": {"by": "class"}, "sharing": {"head": "ticket"}}
DOMAINS = {"data": {"spec": "bundled:domains"}}
FASHION = {"data": {"spec": "bundled:fashion"}, **CLASSES}
DIGITS = {"data": {"spec": "bundled:digits", "val_share": 0.3}, **CLASSES}
ADULT = {
    "data": {"spec": "bundled:adult"},
    "task": "multiclass",
    "partition": {"by": "attribute", "column": "sex"},
}
SMALL = {"model": {"name": "convnet", "width": 0.66}}
MLP = {"model": {"name": "mlp"}}
GHOST = {"model": {"name": "ghostnet", "width": 0.5}}
MAGNITUDE, LAMP = {"score": "global_magnitude"}, {"score": "lamp"}


@dataclass(frozen=True)
class Case:
    """A setting, and the densities down to which its runs go: one deep, one mild."""

    settings: dict[str, Any]
    extract: dict[str, Any]
    deep: float
    mild: float
    tuned: bool = True  # whether tuning sees it at all


CASES = {
    "domains, convnet": Case({**DOMAINS, **SMALL}, {"steps": 50, **MAGNITUDE}, 0.03, 0.24),
    "domains, convnet, LAMP": Case({**DOMAINS, **SMALL}, {"steps": 80, **LAMP}, 0.03, 0.24),
    "domains, mlp": Case({**DOMAINS, **MLP}, {"steps": 100, **MAGNITUDE}, 0.002, 0.1),
    "domains, ghostnet": Case({**DOMAINS, **GHOST}, {"steps": 30, **MAGNITUDE}, 0.1, 0.5, tuned=False),
    "clothes, convnet": Case({**FASHION, **SMALL}, {"steps": 40, **MAGNITUDE}, 0.02, 0.17),
    "clothes, mlp": Case({**FASHION, **MLP}, {"steps": 60, **MAGNITUDE}, 0.001, 0.06),
    "digits, convnet": Case({**DIGITS, **SMALL}, {"steps": 40, **MAGNITUDE}, 0.01, 0.25, tuned=False),
    "digits, mlp": Case({**DIGITS, **MLP}, {"steps": 60, **MAGNITUDE}, 0.01, 0.25),
    "incomes, mlp": Case({**ADULT, **MLP}, {"steps": 60, **MAGNITUDE}, 0.001, 0.05, tuned=False),
    "domains, convnet, over-confident": Case(
        {**DOMAINS, **SMALL, "data": {"spec": "bundled:domains", "limit": 1500}},
        {"steps": 300, **MAGNITUDE},
        0.03,
        0.24,
    ),
    "clothes, mlp, over-confident": Case(
        {**FASHION, **MLP, "data": {"spec": "bundled:fashion", "limit": 1500}},
        {"steps": 300, **MAGNITUDE},
        0.001,
        0.06,
        tuned=False,
    ),
}


def config_of(case: Case, density: float, seed: int) -> Config:
    extract = {"schedule": "fraction", "fraction": 0.3, "layer_floor": 0, **case.extract}
    settings = {"extract": extract, "density": density, "seed": seed, "workers": 1, "lighter": [], "controls": []}
    return parse({**case.settings, **settings, "collapse": {"policy": "warn"}})


def jobs(part: str) -> dict[str, Config]:
    """Name -> config of every run of a part."""
    seeds = TUNING_SEEDS if part == "tuning" else HELD_OUT_SEEDS
    found = {}
    for seed in seeds:
        for name, case in CASES.items():
            for how, density in (("deep", case.deep), ("mild", case.mild)):
                if part == "held_out" or case.tuned:
                    found[f"{name} / {how} / seed {seed}"] = config_of(case, density, seed)
    return found


def run(config: Config) -> dict[str, Any]:
    """Per round, means over the tickets: signals, accuracies, overlap."""
    began = time.monotonic()
    journal = MemoryJournal()
    setting = prepare(config, silent, journal)
    asked = audit.questions(setting.dataset, setting.partition, config.task, "val", RUNG_ROWS)

    def lab() -> Any:
        return experiment(setting, silent, journal)

    start, labs = warm_start(lab()), [lab() for _ in asked.names]
    extractions = extract_watched(
        [ticket_rounds(own, start, k) for k, own in enumerate(labs)],
        [_listener(own, asked, k) for k, own in enumerate(labs)],
        config,
        lambda values: False,
        lambda each: [job() for job in each],
        silent,
    )
    tickets = ticket_set(labs[0], extractions)
    every = range(len(tickets.rungs))
    keys = [key for key, value in extractions[0].records[0].items() if isinstance(value, float)]
    rounds = {key: [float(np.mean([e.records[r][key] for e in extractions])) for r in every] for key in keys}
    pairs = np.triu_indices(tickets.k, 1)
    measures = [similarity(overlap(tickets, rung)) for rung in tickets.rungs]
    for name in ("iou", "excess"):
        rounds[name] = [_plain(np.mean(getattr(each, name)[pairs])) for each in measures]
    rounds["own_confidence"] = [[e.records[r]["confidence"] for e in extractions] for r in every]
    metric = "balanced_accuracy" if config.task == "one_vs_rest" else "accuracy"
    return {"config": _digest(config), "metric": metric, "rounds": rounds, "seconds": time.monotonic() - began}


def _listener(lab: Any, asked: audit.Questions, k: int) -> Callable[[Any], dict[str, Any]]:
    """Accuracy, and every signal that was tried, of a ticket just trained."""
    before: list[np.ndarray] = []

    def listen(part: Any) -> dict[str, Any]:
        config = lab.config
        part = recalibrate(
            lab.network, part, lab.subsets[k], lab.layout, lab.inputs, config.sharing.recalibrate_batches, config.seed
        )
        logits = audit.own_logits(lab.network, part, lab.layout, asked, k)
        figures = audit.ticket_figures(asked, k, logits)
        probability = softmax(logits, axis=1) if logits.shape[1] > 1 else np.hstack([p := expit(logits), 1 - p])
        before.append(answer := probability.argmax(axis=1))
        top = np.sort(probability, axis=1)
        return {
            "density": float(part.mask.mean()),
            "accuracy": figures["accuracy"],
            "balanced_accuracy": figures["balanced_accuracy"],
            **collapse.signals(logits),
            "margin": float((top[:, -1] - top[:, -2]).mean()),
            "spread": float(logits.std(axis=0).mean()),
            "agreement": float((answer == before[-2]).mean()) if len(before) > 1 else 1.0,
            "agreement_with_dense": float((answer == before[0]).mean()),
        }

    return listen


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _digest(config: Config) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]


def study(part: str, workers: int) -> dict[str, dict]:
    """Runs what is not kept yet; every finished run is written at once."""
    path = RESULTS / "collapse.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    wanted = jobs(part)
    missing = {n: c for n, c in wanted.items() if kept.get(n, {}).get("config") != _digest(c)}
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for name, found in pool.imap_unordered(_job, missing.items()):
            kept[name] = {"part": part, **found}
            path.write_text(json.dumps(kept, indent=1, sort_keys=True))
            print(f"{name}: {found['seconds']:.0f} s", flush=True)
    return {name: kept[name] for name in wanted}


def _job(job: tuple[str, Config]) -> tuple[str, dict]:
    return job[0], run(job[1])
