"""What a ticket is asked: all that depends on the kind of answer when tickets are trained and judged.

A `Task` is a value: the rest of the house reads its fields and never its name. What an input is (a picture, a table's
row) is another question, answered by `Dataset.kind`.

Words used below: n rows, K tickets. `own` bool (n,) says which rows are of a ticket's own subset. `outputs` is what
the network gives, (n, *output_shape); an `answer` is what is kept of an output to judge it by, small enough that the
answers of K tickets to all rows lie in memory at once (a label map never does); `truth` is what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from rtl_core.config import LossSettings
    from rtl_core.data.dataset import Dataset

Loss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]  # (outputs, truth) -> scalar
Statistic = Callable[[np.ndarray], np.ndarray]  # row weights (b, n) -> (b, figures); NaN where undefined


@dataclass(frozen=True)
class Figure:
    """One figure of merit.

    unit       "share" (shown in per cent) or a symbol such as "dB"
    fall       so far from its best, in its own unit, tickets have collapsed by it
    resampled  whether `Task.measure` gives it, so that its interval can be resampled; otherwise `Task.estimates` does
    """

    name: str
    title: str
    unit: str = "share"
    higher_is_better: bool = True
    resampled: bool = True
    fall: float = 0.02

    @property
    def sign(self) -> int:
        """By which its values are multiplied so that more is better."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True)
class Doubt:
    """How unsure a ticket is of its answer: what a router goes by that lets every ticket answer.

    router       the name of the router that takes the ticket with the least doubt
    of           outputs (n, ...) -> (n,), differentiable
    probability  doubt (n,) -> (n,) that the row is the ticket's own; None where doubt says nothing of that
    """

    router: str
    of: Callable[[torch.Tensor], torch.Tensor]
    probability: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class Task:
    """One kind of answer.

    title          of a run's tickets, in a few words
    figures        the first is the headline
    output_shape   of one row
    pools          (own, rest), bool over all rows -> the pools that a batch takes equal shares of
    truth          (dataset, rows (n,), own (n,)) -> (n, ...)
    judged         own (n,) -> bool (n,): the rows that a ticket answers for
    loss           (outputs, truth) -> scalar
    loss_for       (dataset, settings of the loss) -> the loss on these data, where they set it; None: it is `loss`
    answer         (outputs (n, ...), truth) -> (n, ...); it must not depend on which rows are the ticket's own
    credit         (answers, truth) -> (n,) bool or float: how well each row is answered, more is better
    credited       what the mean credit of rows is called, and its unit
    measure        (answers, truth) -> the resampled figures of weighted rows, in their order
    drawn_as       what one row's outputs and truth are to whoever draws them: "class", "label map" (labels, h, w) and
                   (h, w), "picture" (c, h, w) in [0, 1], or a name that a task brings with its drawing (app/tasks.py)
    estimates      (answers, truth, ids of units (n,), names of the classes) -> the JSON of all figures with intervals
                   in closed form; None: all figures are resampled
    details        (answers, truth, ids of units (n,), dataset) -> more keys of the JSON of a ticket, such as figures of
                   each class with their intervals; None: there are none
    doubt          None where an answer does not say how sure it is
    log_p          answers -> float64 (n, choices): log-probabilities; None where an answer is not one of a few choices
    choices        dataset -> the names of those choices
    explains       (dataset, subset of the ticket) -> names of the numbers that a map can explain; None: there are none
    explained      outputs -> (n, m): those numbers; None: the outputs themselves
    explained_as   what such a number is, in a few words
    network        the network of the catalogue that is made for such answers; None: answers are a row of numbers, which
                   most give
    choice_answers whether choosing a ticket is the answer already: a label-oracle would then be right by definition
    readings       name -> (outputs of ONE network that tells the K subsets apart (n, K), k) -> a ticket's outputs
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    output_shape: Callable[[Dataset], tuple[int, ...]]
    pools: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
    truth: Callable[[Dataset, np.ndarray, np.ndarray], np.ndarray]
    judged: Callable[[np.ndarray], np.ndarray]
    loss: Loss
    credit: Callable[[np.ndarray, np.ndarray], np.ndarray]
    measure: Callable[[np.ndarray, np.ndarray], Statistic]
    answer: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda outputs, truth: outputs
    loss_for: Callable[[Dataset, LossSettings], Loss] | None = None
    credited: Figure = Figure("credit", "mean credit", unit="")
    drawn_as: str = "class"
    estimates: Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[str]], dict[str, Any]] | None = None
    details: Callable[[np.ndarray, np.ndarray, np.ndarray, Dataset], dict[str, Any]] | None = None
    doubt: Doubt | None = None
    log_p: Callable[[np.ndarray], np.ndarray] | None = None
    choices: Callable[[Dataset], tuple[str, ...]] | None = None
    explains: Callable[[Dataset, str], tuple[str, ...]] | None = None
    explained: Callable[[torch.Tensor], torch.Tensor] | None = None
    explained_as: str = "output"
    network: str | None = None
    choice_answers: bool = False
    readings: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = field(default_factory=dict)

    def on(self, dataset: Dataset, settings: LossSettings) -> Task:
        """The task with the loss that its data and the settings make."""
        return self if self.loss_for is None else replace(self, loss=self.loss_for(dataset, settings))

    @property
    def headline(self) -> Figure:
        return self.figures[0]

    @property
    def resampled(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures if figure.resampled)

    @property
    def needs_rest(self) -> bool:
        """Whether a ticket learns from rows of other subsets too."""
        nothing = np.zeros(0, bool)
        return len(self.pools(nothing, nothing)) > 1

    @property
    def mixes(self) -> bool:
        """Whether the answers of two tickets can be averaged: both are probabilities of the same choices."""
        return self.log_p is not None and not self.choice_answers

    def mix(self, answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The answers (K, n, choices) of K tickets averaged as probabilities with weights (n, K): (n, choices)."""
        p = np.einsum("nk,kno->no", weights, np.exp(np.stack([self.log_p(each) for each in answers])))
        return np.log(p + np.finfo(float).tiny)


def ratios(
    numerators: np.ndarray, denominators: np.ndarray, combine: Callable[[np.ndarray], np.ndarray] | None = None
) -> Statistic:
    """The statistic that divides weighted sums over rows, (m, n) each; `combine` (b, m) -> (b, figures)."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        above, below = weights @ numerators.T, weights @ denominators.T
        values = np.divide(above, below, out=np.full_like(below, np.nan), where=below != 0)
        return values if combine is None else combine(values)

    return statistic


def figure_value(entry: Mapping[str, Any], figure: str) -> float | None:
    """A figure of a row of `evaluate` (a ticket, a method, a router): classifiers' figures stand in the row itself,
    those of other tasks under `figures`. Its interval is `entry["ci"][figure]` in both."""
    figures = entry.get("figures") or {}
    return figures[figure] if figure in figures else entry.get(figure)
