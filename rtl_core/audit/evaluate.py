"""How good tickets, methods and routers are on some rows: the JSON document of `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.learning.parts import Learned, Part, as_module
from rtl_core.models.network import Network
from rtl_core.statistics.estimates import json_interval
from rtl_core.statistics.intervals import bootstrap_ratios
from rtl_core.tasks.classification_metrics import binary_metrics, multiclass_metrics
from rtl_core.tickets.layout import Layout

BATCH = 128  # larger batches leave the processor's cache and are slower
METRICS = ("balanced_accuracy", "recall", "roc_auc", "accuracy")


@dataclass(frozen=True)
class Questions:
    """What is asked of the methods: which rows, and what counts as right.

    rows  the rows of the split that belong to some subset; subset (n,) their subsets
    """

    dataset: Dataset
    task: str
    rows: np.ndarray
    subset: np.ndarray
    names: tuple[str, ...]

    @property
    def y(self) -> np.ndarray:
        return self.dataset.y[self.rows]

    @property
    def units(self) -> np.ndarray:
        return self.dataset.unit[self.rows]


def questions(dataset: Dataset, partition: Partition, task: str, split: str, limit: int | None = None) -> Questions:
    """All rows of a split that have a subset; with `limit`, at most so many of each subset, evenly spaced."""
    rows = dataset.rows(split)
    rows = rows[partition.assignment[rows] >= 0]
    if limit is not None:
        subset = partition.assignment[rows]
        rows = np.concatenate([_at_most(rows[subset == k], limit) for k in range(partition.k)])
    return Questions(dataset, task, rows, partition.assignment[rows], partition.names)


def _at_most(rows: np.ndarray, limit: int) -> np.ndarray:
    return rows if len(rows) <= limit else rows[np.linspace(0, len(rows) - 1, limit).astype(int)]


@torch.no_grad()
def part_logits(network: Network, part: Part, layout: Layout, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """float32 (n, outputs) of one ticket in eval mode, in batches of `BATCH`."""
    module = as_module(network, part, layout)
    device = next(iter(part.shared.values())).device
    module = module.to(device)
    chunks = [module(dataset.inputs(rows[i : i + BATCH]).to(device)).cpu() for i in range(0, len(rows), BATCH)]
    return torch.cat(chunks).numpy() if chunks else np.zeros((0, network.outputs), np.float32)


def own_logits(network: Network, part: Part, layout: Layout, asked: Questions, k: int) -> np.ndarray:
    """What ticket k is judged on: its own subset's rows (multiclass), or all rows (one_vs_rest)."""
    return part_logits(network, part, layout, asked.dataset, asked.rows[judged(asked, k)])


def judged(asked: Questions, k: int) -> np.ndarray:
    """bool over the rows: those that ticket k answers for."""
    return asked.subset == k if asked.task == "multiclass" else np.ones(len(asked.rows), bool)


def ticket_figures(asked: Questions, k: int, logits: np.ndarray) -> dict[str, Any]:
    """One ticket's figures with their intervals, of `own_logits`."""
    among = judged(asked, k)
    if asked.task == "multiclass":
        return multiclass_metrics(asked.y[among], logits, asked.dataset.classes, asked.units[among])
    return binary_metrics(asked.subset == k, logits[:, 0], units=asked.units)


def method_outputs(network: Network, learned: Learned, layout: Layout, asked: Questions) -> list[np.ndarray]:
    """Per subset what `ticket_figures` takes. One multi-class mask answers for subset k with its k-th output less its
    largest other one, positive exactly where k is its argmax; or, read by its odds, with the log odds of k above those
    that all subsets alike would have, log 1 / (K - 1)."""
    if learned.reads == "per_subset":
        return [own_logits(network, part, layout, asked, k) for k, part in enumerate(learned.parts)]
    outputs = part_logits(network, learned.parts[0], layout, asked.dataset, asked.rows)
    answer = _lead if learned.reads == "argmax" else _log_odds
    return [answer(outputs, k) for k in range(len(asked.names))]


def _lead(outputs: np.ndarray, k: int) -> np.ndarray:
    others = np.delete(outputs, k, axis=1).max(axis=1)
    return (outputs[:, k] - others)[:, None]


def _log_odds(outputs: np.ndarray, k: int) -> np.ndarray:
    others = np.delete(outputs, k, axis=1)
    return (outputs[:, k] - logsumexp(others, axis=1) + np.log(others.shape[1]))[:, None]


def method_figures(asked: Questions, outputs: list[np.ndarray], seed: int) -> dict[str, Any]:
    """Means over the subsets, with intervals that resample pictures (rows of one unit together)."""
    each = [ticket_figures(asked, k, logits) for k, logits in enumerate(outputs)]
    means = {metric: _mean([figures[metric] for figures in each]) for metric in METRICS}
    return {**means, "n": len(asked.rows), "ci": _method_intervals(asked, outputs, each, seed)}


def _method_intervals(
    asked: Questions, outputs: list[np.ndarray], each: list[dict], seed: int
) -> dict[str, list[float | None]]:
    """accuracy, recall, balanced accuracy by the bootstrap over units; the AUC's interval is the mean of the
    tickets' ones, which is exact where they err together and too wide otherwise."""
    ratios = [_hits(asked, k, logits) for k, logits in enumerate(outputs)]
    k = len(ratios)
    hit = np.concatenate([r[0] for r in ratios])
    among = np.concatenate([r[1] for r in ratios])
    per = len(hit) // k  # rows of ratios that each ticket adds: accuracy first, then recalls

    def combine(values: np.ndarray) -> np.ndarray:
        tickets = values.reshape(len(values), k, per)
        recalls = tickets[:, :, 1:]
        recall = np.nanmean(recalls if asked.task == "multiclass" else recalls[:, :, :1], axis=(1, 2))
        return np.stack([tickets[:, :, 0].mean(axis=1), recall, np.nanmean(recalls, axis=(1, 2))], axis=1)

    low, high = bootstrap_ratios(
        hit, asked.units, denominators=among, combine=combine, seed=seed, names=("methods",), replicates=500
    )
    ci = {m: json_interval(low[i], high[i]) for i, m in enumerate(("accuracy", "recall", "balanced_accuracy"))}
    bounds = [figures["ci"]["roc_auc"] for figures in each]
    return {**ci, "roc_auc": [_mean([b[0] for b in bounds]), _mean([b[1] for b in bounds])]}


def _hits(asked: Questions, k: int, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(1 + classes, n) hits and (1 + classes, n) what they are counted among, for one ticket."""
    among = judged(asked, k)
    right = np.zeros(len(asked.rows), bool)
    if asked.task == "multiclass":
        right[among] = logits.argmax(axis=1) == asked.y[among]
        groups = [among & (asked.y == c) for c in range(len(asked.dataset.classes))]
    else:
        positive = asked.subset == k
        right = (logits[:, 0] > 0) == positive
        groups = [positive, ~positive]
    counted = np.stack([among, *groups])
    return (counted & right).astype(np.float32), counted.astype(np.float32)


def summary(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What a rung records: the headline and its interval."""
    keys = ("accuracy", "balanced_accuracy")
    return {**{key: figures[key] for key in keys}, "n": figures["n"], "ci": {key: figures["ci"][key] for key in keys}}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
