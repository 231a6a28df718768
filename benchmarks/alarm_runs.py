"""The runs of the alarm study: settings, and what is measured of every ticket after every round.

`python -m benchmarks.alarm` makes and judges them. Figures of every run are kept in docs/results/alarm.json, so that
the study goes on where it was interrupted, and a rule is tried without any training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from benchmarks.collapse_runs import (
    ADULT,
    DIGITS,
    DOMAINS,
    FASHION,
    LAMP,
    MAGNITUDE,
    MLP,
    RESULTS,
    SMALL,
    Case,
    config_of,
    descend,
)
from benchmarks.resumable import hashed, kept
from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.extract_with_alarm import Raised
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.pruning import kept_count, prune, scores_of

TUNING_SEEDS, HELD_OUT_SEEDS = (0, 1, 2), (101, 102, 103, 104)


def few(settings: dict[str, Any], rows: int) -> dict[str, Any]:
    """The same data, cut to so many rows."""
    return {**settings, "data": {**settings["data"], "limit": rows}}


def by(settings: dict[str, Any], **partition: Any) -> dict[str, Any]:
    """The same data for tickets that tell all classes, under another partition."""
    return {"data": settings["data"], "task": "multiclass", "partition": partition}


CLUSTERS = {"by": "kmeans", "k": 3}
LONG = 200  # steps a round after which a network knows few rows by heart

TUNING = {
    "digits by class, mlp": Case({**DIGITS, **MLP}, {"steps": 50, **MAGNITUDE}, 0.005, 1),
    "digits in clusters, convnet": Case({**by(DIGITS, **CLUSTERS), **SMALL}, {"steps": 40, **MAGNITUDE}, 0.005, 1),
    "digits in clusters, LAMP, convnet": Case({**by(DIGITS, **CLUSTERS), **SMALL}, {"steps": 60, **LAMP}, 0.003, 1),
    "digits in clusters, few rows, mlp": Case(
        {**by(few(DIGITS, 600), **CLUSTERS), **MLP}, {"steps": LONG, **MAGNITUDE}, 0.003, 1
    ),
    "domains, mlp": Case({**few(DOMAINS, 10_000), **MLP}, {"steps": 50, **MAGNITUDE}, 0.003, 1),
    "domains, convnet": Case({**few(DOMAINS, 10_000), **SMALL}, {"steps": 40, **MAGNITUDE}, 0.02, 1),
    "domains, few rows, convnet": Case({**few(DOMAINS, 1500), **SMALL}, {"steps": 150, **MAGNITUDE}, 0.04, 1),
    "incomes by sex, mlp": Case({**ADULT, **MLP}, {"steps": 60, **MAGNITUDE}, 0.001, 1),
}
HELD_OUT = {
    "clothes by class, mlp": Case({**few(FASHION, 4000), **MLP}, {"steps": 40, **MAGNITUDE}, 0.001, 1),
    "clothes in clusters, LAMP, mlp": Case({**by(FASHION, **CLUSTERS), **MLP}, {"steps": 60, **LAMP}, 0.0005, 1),
    "domains in clusters, convnet": Case(
        {**by(few(DOMAINS, 10_000), **CLUSTERS), **SMALL}, {"steps": 40, **MAGNITUDE}, 0.01, 1
    ),
    "clothes in clusters, few rows, mlp": Case(
        {**by(few(FASHION, 1000), **CLUSTERS), **MLP}, {"steps": LONG, **MAGNITUDE}, 0.001, 1
    ),
    "domains in clusters, few rows, convnet": Case(
        {**by(few(DOMAINS, 1500), **CLUSTERS), **SMALL}, {"steps": 120, **MAGNITUDE}, 0.03, 1
    ),
    "incomes in clusters, mlp": Case({**by(ADULT, by="kmeans", k=4), **MLP}, {"steps": 60, **MAGNITUDE}, 0.001, 1),
    "incomes by age, few rows, mlp": Case(
        {**by(few(ADULT, 2000), by="quantiles", column="age", k=3), **MLP}, {"steps": LONG, **MAGNITUDE}, 0.001, 1
    ),
}
STUDY = {"tuning": (TUNING, TUNING_SEEDS), "held_out": (HELD_OUT, HELD_OUT_SEEDS)}


def jobs(used_for: str) -> dict[str, tuple[str, Config]]:
    """Name -> what for, and the config of every run."""
    cases, seeds = STUDY[used_for]
    return {
        f"{name} / seed {seed}": (used_for, config_of(case, case.deep, seed))
        for seed in seeds
        for name, case in cases.items()
    }


def run(job: tuple[str, Config]) -> dict[str, Any]:
    """Per round, means over the tickets of everything that was measured; it ends two rounds into a fall."""
    used_for, config = job
    metric = task_named(config.task).headline.name

    def fell(rounds: Sequence[Sequence[dict[str, Any]]]) -> Raised | None:
        """Whether the fall and the round after it are behind, this round being a third (it is not kept)."""
        values = [float(np.mean([figures[metric] for figures in tickets])) for tickets in rounds]
        at = collapse.fall(values)
        return Raised({}, 0) if at is not None and at <= len(values) - 3 else None

    config = config.model_copy(update={"collapse": config.collapse.model_copy(update={"policy": "stop"})})
    descent = descend(config, Listener, fell)
    rounds = {key: descent.signal(key) for key in descent.extractions[0].records[0] if key not in ("rung", "measure")}
    return {
        "part": used_for,
        "metric": metric,
        "rows": len(descent.eval_set.rows),
        "tickets": descent.tickets.k,
        "rounds": {key: [float(f"{value:.5g}") for value in values] for key, values in rounds.items()},
    }


@dataclass
class Listener:
    """What is measured of ticket k after a round: on validation rows, on training rows, and after one and two more
    cuts that nothing is trained after."""

    setup: Experiment
    val: audit.EvaluationSet
    train: audit.EvaluationSet
    k: int
    before: np.ndarray | None = None

    def __call__(self, subnetwork: Subnetwork) -> dict[str, Any]:
        settled = recalibrate(self.setup, subnetwork, self.setup.subsets[self.k])
        log_p, doubt, val = self.figures(settled, self.val)
        _, _, train = self.figures(settled, self.train)
        val["temperature"], val["calibrated_loss"] = calibrated(log_p, self.truth(self.val))
        right = np.take_along_axis(log_p, self.truth(self.val)[:, None], axis=1)[:, 0]
        val["brier"] = float(((np.exp(log_p) ** 2).sum(1) - 2 * np.exp(right) + 1).mean())
        val["doubt_rose"] = 0.5 if self.before is None else float((doubt > self.before).mean())
        self.before = doubt
        figures = {"density": float(subnetwork.mask.mean()), **val, **named(train, "train")}
        for name, cuts in (("next", 1), ("after_next", 2)):
            lighter = recalibrate(self.setup, self.cut(subnetwork, cuts), self.setup.subsets[self.k])
            ahead, _, after = self.figures(lighter, self.val)
            after["agreement"] = float((ahead.argmax(1) == log_p.argmax(1)).mean())
            after["divergence"] = float((np.exp(log_p) * (log_p - np.maximum(ahead, -30))).sum(1).mean())
            figures |= named(after, name)
        return figures

    def truth(self, rows: audit.EvaluationSet) -> np.ndarray:
        """int (n,): which choice is right."""
        truth = rows.truth(self.k, rows.judged(self.k))
        return truth.reshape(len(truth)).astype(int)

    def figures(self, subnetwork: Subnetwork, rows: audit.EvaluationSet) -> tuple[np.ndarray, np.ndarray, dict]:
        """(log-probabilities, doubt, figures) of the rows that the ticket answers for."""
        setup, task = self.setup, rows.task
        answers, doubt = audit.answers_of(setup.network, subnetwork, setup.layout, rows, self.k, rows.judged(self.k))
        log_p, truth = task.log_p(answers), self.truth(rows)
        own = audit.ticket_figures(rows, self.k, answers)
        return (
            log_p,
            doubt,
            {
                **{name: own[name] for name in ("accuracy", "balanced_accuracy")},
                **collapse.signals(task, answers, doubt),
                "loss": -float(log_p[np.arange(len(truth)), truth].mean()),
                "doubt": float(doubt.mean()),
                "doubt_spread": float(doubt.std()),
            },
        )

    def cut(self, subnetwork: Subnetwork, cuts: int) -> Subnetwork:
        """As the next rounds would cut it, with the weights of this one."""
        layout, settings = self.setup.layout, self.setup.config.extract
        weights, mask = layout.flatten(subnetwork.shared).cpu().numpy(), subnetwork.mask
        scores = scores_of(settings.score, weights, mask, layout, None)
        keep = kept_count(mask.mean() * (1 - settings.fraction) ** cuts, layout.n)
        return replace(subnetwork, mask=prune(scores, mask, keep, layout, settings.layer_floor))


def named(figures: dict[str, float], prefix: str) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def calibrated(log_p: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(the temperature that fits the labels best, the mean log loss under it)."""

    def loss(log_temperature: float) -> float:
        scaled = log_p / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]).mean())

    best = minimize_scalar(loss, bounds=(-3, 4), method="bounded")
    return float(np.exp(best.x)), float(best.fun)


def study(used_for: str, workers: int) -> dict[str, dict]:
    return kept(RESULTS / "alarm.json", jobs(used_for), digest, run, workers)


def digest(job: tuple[str, Config]) -> str:
    """Of everything that is not a default, so that a setting added later makes no run again; and not of the alarm:
    these runs go on whatever it says."""
    return hashed(job[1].model_dump_json(exclude={"collapse"}, exclude_defaults=True))
