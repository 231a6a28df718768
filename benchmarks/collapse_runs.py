"""The runs of the collapse study: settings, how far down they go, and what is heard in every round.

`python -m benchmarks.collapse` runs and judges them; figures of every run are kept in docs/results/collapse.json, so
it goes on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from benchmarks.resumable import hashed, kept
from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config, parse
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.extract import Extraction, Measure
from rtl_core.learning.extract_with_alarm import Alarm, extract_watched
from rtl_core.learning.method_steps import ticket_rounds, ticket_set, warm_start
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.runs.prepare import experiment, prepare
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.ticket_set import TicketSet

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


def jobs(runs: str) -> dict[str, tuple[str, Config]]:
    """Name -> part and config of every run of a part."""
    seeds = TUNING_SEEDS if runs == "tuning" else HELD_OUT_SEEDS
    jobs_ = {}
    for seed in seeds:
        for name, case in CASES.items():
            for how, density in (("deep", case.deep), ("mild", case.mild)):
                if runs == "held_out" or case.tuned:
                    jobs_[f"{name} / {how} / seed {seed}"] = runs, config_of(case, density, seed)
    return jobs_


# (experiment, validation rows, training rows, k) -> how ticket k is measured after a round
Measuring = Callable[[Experiment, audit.EvaluationSet, audit.EvaluationSet, int], Measure]


@dataclass(frozen=True)
class Descent:
    """Tickets that went down in step, and what was heard of them after every round.

    new_experiment  makes an experiment of one's own
    start   the weights that every round starts from
    eval_set  the validation rows that the tickets are asked
    """

    new_experiment: Callable[[], Experiment]
    start: RewindPoint
    eval_set: audit.EvaluationSet
    tickets: TicketSet
    extractions: list[Extraction]

    def signal(self, key: str) -> list[float]:
        """Per round the mean over the tickets."""
        rounds = range(len(self.tickets.levels))
        return [float(np.mean([e.records[r][key] for e in self.extractions])) for r in rounds]


def descend(config: Config, measuring: Measuring | None = None, alarm: Alarm = lambda rounds: None) -> Descent:
    """The run's extraction, without stopping at an alarm unless one is given; `measuring`: how each ticket is measured
    after a round."""
    setting = prepare(config, silent, MemoryJournal())
    eval_set, train_set = (
        audit.evaluation_set(setting.dataset, setting.partition, setting.task, split, audit.LEVEL_ROWS)
        for split in ("val", "train")
    )
    measuring = measuring or (lambda own, rows, _, k: _listener(own, rows, k))

    def new_experiment() -> Experiment:
        return experiment(setting, silent, MemoryJournal())  # its own: a journal would go on with what it knows

    start, experiments = warm_start(new_experiment()), [new_experiment() for _ in eval_set.names]
    extractions = extract_watched(
        [ticket_rounds(own, start, k) for k, own in enumerate(experiments)],
        [measuring(own, eval_set, train_set, k) for k, own in enumerate(experiments)],
        config,
        alarm,
        lambda each: [job() for job in each],
        silent,
    )
    return Descent(new_experiment, start, eval_set, ticket_set(experiments[0], extractions), extractions)


def metric_of(config: Config) -> str:
    return task_named(config.task).headline.name


def run(job: tuple[str, Config]) -> dict[str, Any]:
    """Per round, means over the tickets: signals, accuracies, overlap."""
    runs, config = job
    descent = descend(config)
    tickets, records = descent.tickets, [e.records for e in descent.extractions]
    rounds = {key: descent.signal(key) for key, value in records[0][0].items() if isinstance(value, float)}
    pairs = np.triu_indices(tickets.k, 1)
    measures = [similarity(overlap(tickets, level)) for level in tickets.levels]
    for name in ("iou", "excess"):
        rounds[name] = [_plain(np.mean(getattr(each, name)[pairs])) for each in measures]
    rounds["own_confidence"] = [[own[r]["confidence"] for own in records] for r in range(len(tickets.levels))]
    return {"part": runs, "metric": metric_of(config), "rounds": rounds}


def _listener(setup: Experiment, eval_set: audit.EvaluationSet, k: int) -> Callable[[Any], dict[str, Any]]:
    """Accuracy, and every signal that was tried, of a ticket just trained."""
    before: list[np.ndarray] = []

    def listen(subnetwork: Any) -> dict[str, Any]:
        subnetwork = recalibrate(setup, subnetwork, setup.subsets[k])
        logits, doubt = audit.answers_of(setup.network, subnetwork, setup.layout, eval_set, k, eval_set.judged(k))
        figures = audit.ticket_figures(eval_set, k, logits)
        probability = softmax(logits, axis=1) if logits.shape[1] > 1 else np.hstack([p := expit(logits), 1 - p])
        before.append(answer := probability.argmax(axis=1))
        top = np.sort(probability, axis=1)
        return {
            "density": float(subnetwork.mask.mean()),
            "accuracy": figures["accuracy"],
            "balanced_accuracy": figures["balanced_accuracy"],
            **collapse.signals(eval_set.task, logits, doubt),
            "margin": float((top[:, -1] - top[:, -2]).mean()),
            "spread": float(logits.std(axis=0).mean()),
            "agreement": float((answer == before[-2]).mean()) if len(before) > 1 else 1.0,
            "agreement_with_dense": float((answer == before[0]).mean()),
        }

    return listen


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def digest(job: tuple[str, Config]) -> str:
    """Of everything but the alarm: these runs go on whatever it says."""
    return hashed(job[1].model_dump_json(exclude={"collapse"}))


def study(runs: str, workers: int) -> dict[str, dict]:
    return kept(RESULTS / "collapse.json", jobs(runs), digest, run, workers)
