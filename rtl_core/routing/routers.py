"""Routers: who gets which ticket. All behind `choose(rows)`; none but those that say so reads a label.

A router is made from a `Scene` and closes over what it may see of a row. `ROUTERS` is the list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.learning.experiment import Inputs
from rtl_core.routing.features import Features
from rtl_core.routing.gate import LinearGate
from rtl_core.routing.hierarchy import Tree, fit_tree
from rtl_core.routing.router_inputs import Scene
from rtl_core.routing.serving import Serving
from rtl_core.routing.supsup_gradient import OneShotGradient
from rtl_core.tasks.task import Doubt, Task


@dataclass(frozen=True)
class Choice:
    """What a router decided for n rows, and what deciding cost.

    ticket      int64 (n,)
    confidence  float64 (n,): the probability that the router gives its choice; NaN where it gives none
    calls       forward passes through the network per input, beside the one that answers
    macs        multiply-adds per input outside those passes
    mixture     None: the chosen ticket answers; or (n, K) weights of the tickets' probabilities in the answer
    """

    ticket: np.ndarray
    confidence: np.ndarray
    calls: float
    macs: float
    mixture: np.ndarray | None = None


class Router(Protocol):
    """`uses_label`: whether it reads the label or the attribute that the subsets were made from."""

    name: str
    uses_label: bool

    def choose(self, rows: np.ndarray) -> Choice: ...


@dataclass(frozen=True)
class OracleRouter:
    """The subset itself: what the paper calls context routing, and the label-oracle where subsets are classes."""

    name: str
    uses_label: bool
    assignment: np.ndarray

    def choose(self, rows: np.ndarray) -> Choice:
        return Choice(self.assignment[rows], np.full(len(rows), np.nan), 0.0, 0.0)


@dataclass(frozen=True)
class ByGate:
    """The likeliest ticket of a linear gate."""

    name: str
    gate: LinearGate
    uses_label: bool = False

    def choose(self, rows: np.ndarray) -> Choice:
        p = self.gate.probabilities(rows)
        return Choice(p.argmax(axis=1), p.max(axis=1).astype(np.float64), 0.0, self.gate.macs)


@dataclass(frozen=True)
class ByTree:
    """Down a tree of tickets, one decision a level."""

    tree: Tree
    features: Features
    inputs: Inputs
    name: str = "hierarchical"
    uses_label: bool = False

    def choose(self, rows: np.ndarray) -> Choice:
        ticket, confidence, decisions = self.tree.descend(self.features.of_rows(self.inputs, rows))
        return Choice(ticket, confidence, 0.0, self.features.macs + decisions * self.features.dims)


@dataclass(frozen=True)
class LeastDoubt:
    """All tickets answer; the one that is surest, by the task's own measure, gets the row."""

    doubts: Callable[[np.ndarray], np.ndarray]
    doubt: Doubt
    uses_label: bool = False

    @property
    def name(self) -> str:
        return self.doubt.router

    def choose(self, rows: np.ndarray) -> Choice:
        doubts = self.doubts(rows)
        sure = self.doubt.probability
        confidence = np.full(len(rows), np.nan) if sure is None else sure(doubts.min(axis=0))
        return Choice(doubts.argmin(axis=0), confidence, len(doubts) - 1.0, 0.0)


@dataclass(frozen=True)
class ByGradient:
    """One gradient through the average of all tickets (routing/supsup_gradient.py)."""

    one_shot: OneShotGradient
    inputs: Inputs
    name: str = "one_shot_gradient"
    uses_label: bool = False

    def choose(self, rows: np.ndarray) -> Choice:
        ticket = self.one_shot.steepest(self.inputs, rows)
        return Choice(ticket, np.full(len(rows), np.nan), self.one_shot.passes, 0.0)


@dataclass(frozen=True)
class TopTwo:
    """The gate's two best tickets both answer: their answers are mixed in the gate's proportion, or, where tickets
    claim a row, the one with the larger product of the gate's probability and its own claim gets it."""

    gate: LinearGate
    serving: Serving
    task: Task
    name: str = "top2"
    uses_label: bool = False

    def choose(self, rows: np.ndarray) -> Choice:
        p = self.gate.probabilities(rows)
        two = np.argsort(-p, axis=1, kind="stable")[:, :2]
        share = np.take_along_axis(p, two, axis=1).astype(np.float64)
        if not self.task.mixes:
            share *= self._claims(rows, two)
        share /= share.sum(axis=1, keepdims=True)
        best, at = share.argmax(axis=1), np.arange(len(rows))
        mixture = None
        if self.task.mixes:
            mixture = np.zeros_like(p, np.float64)
            np.put_along_axis(mixture, two, share, axis=1)
        return Choice(two[at, best], share[at, best], 1.0, self.gate.macs, mixture)

    def _claims(self, rows: np.ndarray, two: np.ndarray) -> np.ndarray:
        """(n, 2): the probability by which each of the two tickets claims the row."""
        outputs = [self.serving.routed(lambda at: self.gate.inputs(rows[at]), ticket) for ticket in two.T]
        return np.stack([self.task.doubt.probability(self.task.doubt.of(of_one).numpy()) for of_one in outputs], axis=1)


def _given(scene: Scene) -> Router:
    return OracleRouter("oracle" if scene.given_by == "class" else "context", scene.uses_label, scene.assignment)


ROUTERS: dict[str, Callable[[Scene], Router]] = {
    "oracle": _given,
    "context": _given,
    "gate": lambda scene: ByGate("gate", scene.gate),
    "top2": lambda scene: TopTwo(scene.gate, scene.serving, scene.task),
    "centroid": lambda scene: ByGate("centroid", scene.centroids),
    "hierarchical": lambda scene: ByTree(
        fit_tree(scene.centroids, scene.assignment, scene.train), scene.features, scene.inputs
    ),
    "max_response": lambda scene: LeastDoubt(scene.doubts, scene.task.doubt),
    "min_entropy": lambda scene: LeastDoubt(scene.doubts, scene.task.doubt),
    "one_shot_gradient": lambda scene: ByGradient(scene.one_shot, scene.inputs),
}


def router_names(given_by: str, task: Task) -> tuple[str, ...]:
    """The routers that make sense: the subset's own ticket has one name, and tickets doubt in the task's own way."""
    left_out = {"context" if given_by == "class" else "oracle", "max_response", "min_entropy"}
    if task.doubt is None:
        left_out |= {"one_shot_gradient"}
    else:
        left_out -= {task.doubt.router}
    if not task.mixes and (task.doubt is None or task.doubt.probability is None):
        left_out |= {"top2"}
    return tuple(name for name in ROUTERS if name not in left_out)


def make_router(name: str, scene: Scene) -> Router:
    """The router of that name, fitted where it has anything to fit; BadInput where it does not apply."""
    names = router_names(scene.given_by, scene.task)
    if name not in names:
        raise BadInput(f"this run has no router '{name}'; it has: {', '.join(names)}")
    return ROUTERS[name](scene)
