"""How good tickets and methods are on some rows: what `evaluate` says of them, whatever the task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch

from rtl_core.data.batches import rows_a_pass
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.models.network import Network
from rtl_core.routing.serving import Serving
from rtl_core.statistics.estimates import json_interval, json_number, mean_of_known
from rtl_core.statistics.intervals import bootstrap_units
from rtl_core.tasks.classification_metrics import FIGURES as OF_CLASSIFIERS
from rtl_core.tasks.task import Statistic, Task, figure_value
from rtl_core.tickets.layout import Layout

REPLICATES = 500
LEVEL_ROWS = 1000  # validation rows of a subset on which its ticket is measured at a level

Piece = tuple[np.ndarray, np.ndarray, torch.Tensor]  # rows, which of them are the ticket's own, its outputs


@dataclass(frozen=True)
class EvaluationSet:
    """The rows that methods are judged on, their subsets, and what counts as right.

    rows  the rows of the split that belong to some subset; subset (n,) their subsets
    """

    dataset: Dataset
    task: Task
    rows: np.ndarray
    subset: np.ndarray
    names: tuple[str, ...]

    @property
    def y(self) -> np.ndarray:
        """int64 (n,): the rows' classes, for data whose rows have one."""
        return self.dataset.labels[self.rows]

    @property
    def units(self) -> np.ndarray:
        return self.dataset.unit[self.rows]

    def judged(self, k: int) -> np.ndarray:
        """bool (n,): the rows that ticket k answers for."""
        return self.task.judged(self.subset == k)

    def truth(self, k: int, among: np.ndarray | slice = slice(None)) -> np.ndarray:
        """What ticket k's answers to some of the rows are compared with."""
        return self.task.truth(self.dataset, self.rows[among], self.subset[among] == k)

    @cached_property
    def own_truth(self) -> np.ndarray:
        """What each row's answer is compared with when its own subset's ticket gives it."""
        return self.task.truth(self.dataset, self.rows, np.ones(len(self.rows), bool))


@dataclass(frozen=True)
class Answers:
    """Every ticket's answers to n rows.

    kept    (K, n, ...) what the task keeps of an answer
    credit  (K, n) how well each row is answered
    doubt   (K, n) how unsure each ticket is; None where the task has no doubt
    """

    kept: np.ndarray
    credit: np.ndarray
    doubt: np.ndarray | None


def evaluation_set(
    dataset: Dataset, partition: Partition, task: Task, split: str, limit: int | None = None
) -> EvaluationSet:
    """All rows of a split that have a subset; with `limit`, at most so many of each subset, evenly spaced."""
    rows = dataset.rows(split)
    rows = rows[partition.assignment[rows] >= 0]
    if limit is not None:
        subset = partition.assignment[rows]
        rows = np.concatenate([_at_most(rows[subset == k], limit) for k in range(partition.k)])
    return EvaluationSet(dataset, task, rows, partition.assignment[rows], partition.names)


def _at_most(rows: np.ndarray, limit: int) -> np.ndarray:
    return rows if len(rows) <= limit else rows[np.linspace(0, len(rows) - 1, limit).astype(int)]


@torch.no_grad()
def answers_of(
    network: Network,
    subnetwork: Subnetwork,
    layout: Layout,
    eval_set: EvaluationSet,
    k: int,
    among: np.ndarray | slice = slice(None),
) -> tuple[np.ndarray, np.ndarray | None]:
    """(what is kept of a ticket's answers to some rows, its doubt), as ticket k; in batches of `rows_a_pass`."""
    module, rows = as_module(network, subnetwork, layout).to(subnetwork.device), eval_set.rows[among]
    own, size = eval_set.subset[among] == k, rows_a_pass(prod(network.output_shape))

    def pieces() -> Iterator[Piece]:
        for i in range(0, max(len(rows), 1), size):  # one batch of no rows gives empty answers their shape
            batch = rows[i : i + size]
            yield batch, own[i : i + size], module(eval_set.dataset.inputs(batch).to(subnetwork.device)).cpu()

    return _kept(eval_set, pieces())


def served_answers(tickets: Serving, eval_set: EvaluationSet) -> Answers:
    """Every ticket's answers to every row, by tickets that are ready to serve."""

    def of_ticket(k: int) -> tuple[np.ndarray, np.ndarray | None]:
        pieces = tickets.each(lambda at: eval_set.dataset.inputs(eval_set.rows[at]), np.full(len(eval_set.rows), k))
        return _kept(eval_set, ((eval_set.rows[at], eval_set.subset[at] == k, outputs) for at, outputs in pieces))

    return gathered(eval_set, [of_ticket(k) for k in range(tickets.k)])


def _kept(eval_set: EvaluationSet, pieces: Iterable[Piece]) -> tuple[np.ndarray, np.ndarray | None]:
    """(answers, doubt) of pieces (rows, own, outputs), in their order."""
    task, kept, doubt = eval_set.task, [], []
    for rows, own, outputs in pieces:
        kept.append(task.answer(outputs.numpy(), task.truth(eval_set.dataset, rows, own)))
        if task.doubt is not None:
            doubt.append(task.doubt.of(outputs).numpy())
    return np.concatenate(kept), np.concatenate(doubt) if doubt else None


def own_answers(
    network: Network, subnetwork: Subnetwork, layout: Layout, eval_set: EvaluationSet, k: int
) -> np.ndarray:
    """What ticket k is judged by: its answers to the rows that it answers for."""
    return answers_of(network, subnetwork, layout, eval_set, k, eval_set.judged(k))[0]


def answers_of_all(
    network: Network, subnetworks: Sequence[Subnetwork], layout: Layout, eval_set: EvaluationSet
) -> Answers:
    """Every ticket's answers to every row."""
    return gathered(
        eval_set, [answers_of(network, subnetwork, layout, eval_set, k) for k, subnetwork in enumerate(subnetworks)]
    )


def gathered(eval_set: EvaluationSet, given: Sequence[tuple[np.ndarray, np.ndarray | None]]) -> Answers:
    """From (answers, doubt) of each ticket to all rows."""
    kept, doubt = zip(*given, strict=True)
    credit = np.stack([eval_set.task.credit(answers, eval_set.truth(k)) for k, answers in enumerate(kept)])
    return Answers(np.stack(kept), credit, None if eval_set.task.doubt is None else np.stack(doubt))


def ticket_figures(eval_set: EvaluationSet, k: int, answers: np.ndarray) -> dict[str, Any]:
    """One ticket's figures with their intervals, of `own_answers`."""
    among = eval_set.judged(k)
    return figures(eval_set.task, answers, eval_set.truth(k, among), eval_set.units[among], eval_set.dataset.classes)


def ticket_details(eval_set: EvaluationSet, k: int, answers: np.ndarray) -> dict[str, Any]:
    """What the task says of one ticket beside its figures, of `own_answers`."""
    among, task = eval_set.judged(k), eval_set.task
    if task.details is None:
        return {}
    return task.details(answers, eval_set.truth(k, among), eval_set.units[among], eval_set.dataset)


def figures(
    task: Task, answers: np.ndarray, truth: np.ndarray, units: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """The JSON of a task's figures: in closed form where the task has one, else resampled. Tasks that are no
    classifications leave the classifiers' figures null and give their own under `figures`."""
    if task.estimates is not None:
        return task.estimates(answers, truth, units, classes)
    statistic, names = task.measure(answers, truth), [figure.name for figure in task.resampled]
    (values,) = statistic(np.ones((1, len(units))))
    low, high = bootstrap_units(statistic, units, seed=0, names=("figures",), replicates=REPLICATES)
    return {
        **dict.fromkeys(OF_CLASSIFIERS),
        "figures": {name: json_number(value) for name, value in zip(names, values, strict=True)},
        "n": len(units),
        "n_pos": None,
        "n_neg": None,
        "constant": None,
        "ci": {name: json_interval(a, b) for name, a, b in zip(names, low, high, strict=True)},
    }


def own_credit(eval_set: EvaluationSet, k: int, answers: np.ndarray) -> float:
    """What ticket k's `own_answers` to its own subset's rows are worth on average: what a budget buys."""
    among = eval_set.judged(k)
    credit = eval_set.task.credit(answers, eval_set.truth(k, among))
    return float(credit[eval_set.subset[among] == k].mean())


def headline(
    task: Task, answers: np.ndarray, truth: np.ndarray, units: np.ndarray, classes: Sequence[str]
) -> tuple[float, float, float]:
    """(value, low, high) of the task's headline figure; NaN where undefined."""
    row, name = figures(task, answers, truth, units, classes), task.headline.name
    value, low, high = np.array([figure_value(row, name), *row["ci"][name]], float)  # None becomes NaN
    return float(value), float(low), float(high)


def paired_change(
    task: Task,
    before_after: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    units: np.ndarray,
    seed: int,
    name: str,
) -> tuple[float, float]:
    """The interval of the change of the headline figure: the bootstrap draws units, each with its answers before and
    after. `name` names the stream of random numbers."""
    before, after = (task.measure(answers, truth) for answers in before_after)

    def change(weights: np.ndarray) -> np.ndarray:
        return after(weights)[:, 0] - before(weights)[:, 0]

    low, high = bootstrap_units(change, units, seed=seed, names=(name,))
    return float(low), float(high)


def method_answers(
    network: Network, learned: TrainedMethod, layout: Layout, eval_set: EvaluationSet
) -> list[np.ndarray]:
    """Per subset what `ticket_figures` takes. One network that tells the subsets apart is read as the task says."""
    if learned.reads == "per_subset":
        return [
            own_answers(network, subnetwork, layout, eval_set, k) for k, subnetwork in enumerate(learned.subnetworks)
        ]
    return [answers for answers, _ in read_answers(network, learned, layout, eval_set)]


def read_answers(
    network: Network, learned: TrainedMethod, layout: Layout, eval_set: EvaluationSet
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per subset (answers, doubt) to all rows of one network that tells the subsets apart, read as the task says."""
    outputs = answers_of(network, learned.subnetworks[0], layout, eval_set, 0)[0]
    read = [eval_set.task.readings[learned.reads](outputs, k) for k in range(len(eval_set.names))]
    return [(answers, eval_set.task.doubt.of(torch.from_numpy(answers)).numpy()) for answers in read]


def method_figures(eval_set: EvaluationSet, answers: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    """Means over the subsets, with intervals that resample pictures (rows of one unit together).

    Figures that cannot be resampled get the mean of the tickets' intervals, which is exact where they err together and
    too wide otherwise.
    """
    task = eval_set.task
    each = [ticket_figures(eval_set, k, of_ticket) for k, of_ticket in enumerate(answers)]
    means = {figure.name: mean_of_known([figure_value(row, figure.name) for row in each]) for figure in task.figures}
    low, high = bootstrap_units(
        over_subsets(eval_set, answers), eval_set.units, seed=seed, names=("methods",), replicates=REPLICATES
    )
    ci = {figure.name: json_interval(low[i], high[i]) for i, figure in enumerate(task.resampled)}
    for figure in (figure for figure in task.figures if not figure.resampled):
        bounds = [row["ci"][figure.name] for row in each]
        ci[figure.name] = [mean_of_known([b[0] for b in bounds]), mean_of_known([b[1] for b in bounds])]
    own = means if task.estimates is not None else {**dict.fromkeys(OF_CLASSIFIERS), "figures": means}
    return {**own, "n": len(eval_set.rows), "ci": ci}


def over_subsets(eval_set: EvaluationSet, answers: Sequence[np.ndarray]) -> Statistic:
    """The mean over the subsets of what `Task.measure` gives for each; an undefined one is left out."""
    each = [
        (among, eval_set.task.measure(of_ticket, eval_set.truth(k, among)))
        for k, of_ticket in enumerate(answers)
        for among in (eval_set.judged(k),)
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        values = np.stack([measure(weights[:, among]) for among, measure in each])
        return np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)

    return statistic


def summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is recorded of a ticket at a level: the headline figures with their intervals."""
    names = ["accuracy", "balanced_accuracy"]
    more = {"figures": row["figures"]} if "figures" in row else {}
    ci = {name: row["ci"][name] for name in (*names, *more.get("figures", ())) if name in row["ci"]}
    return {**{name: row[name] for name in names}, **more, "n": row["n"], "ci": ci}
