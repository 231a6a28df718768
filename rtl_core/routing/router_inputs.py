"""What routers are made from: the tickets of a run, and what may be seen of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rtl_core.learning.experiment import Inputs
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.routing.features import Features
from rtl_core.routing.gate import LinearGate, centroid_gate, fit_gate
from rtl_core.routing.serving import Serving, serving
from rtl_core.routing.supsup_gradient import OneShotGradient, one_shot_gradient
from rtl_core.tasks.task import Task


@dataclass(frozen=True)
class Scene:
    """What routers are made from.

    inputs      row indices -> the network's inputs
    assignment  (all rows,) the subset of each row, -1 for none. Read at `train` and `val` to fit a gate; at other
                rows by the one router that is told the answer
    given_by    what the subsets were made from, and whether that is (or is read off) a label
    serving     the tickets
    doubts      row indices -> (K, rows): how unsure every ticket is; None where the task has no doubt
    one_shot    the tickets' weights side by side, for the router that goes by a gradient; None: the same
    trained     the gate that was trained with the tickets; None: one is fitted to the partition
    """

    inputs: Inputs
    features: Features
    assignment: np.ndarray
    given_by: str
    uses_label: bool
    train: np.ndarray
    val: np.ndarray
    task: Task
    serving: Serving
    doubts: Callable[[np.ndarray], np.ndarray] | None
    one_shot: OneShotGradient | None
    trained: LinearGate | None = None

    @property
    def k(self) -> int:
        return self.serving.k

    @cached_property
    def gate(self) -> LinearGate:
        if self.trained is not None:
            return self.trained
        return fit_gate(self.features, self.inputs, self.assignment, self.train, self.val, self.k)

    @cached_property
    def centroids(self) -> LinearGate:
        return centroid_gate(self.features, self.inputs, self.assignment, self.train, self.k)


def scene_of(tickets: TrainedTickets, features: Features, trained: LinearGate | None = None) -> Scene:
    """The scene of a run's tickets; gates are fitted on its train rows and chosen on its validation rows."""
    dataset, partition, doubt = tickets.dataset, tickets.partition, tickets.task.doubt
    computing = (tickets.network, tickets.subnetworks, tickets.tickets.layout)
    ready = serving(*computing)
    return Scene(
        dataset.inputs,
        features,
        partition.assignment,
        partition.by,
        partition.uses_label,
        dataset.rows("train"),
        dataset.rows("val"),
        tickets.task,
        ready,
        doubt and (lambda rows: ready.doubts(lambda at: dataset.inputs(rows[at]), len(rows), doubt)),
        doubt and one_shot_gradient(*computing, doubt),
        trained,
    )
