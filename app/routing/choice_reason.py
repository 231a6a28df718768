"""What the choice of a ticket for one input rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from rtl_core.runs.routing import Routing


@dataclass(frozen=True)
class Reason:
    """What an input's choice rests on, per ticket.

    probability  (K,) of the gate
    distance     (K,) to the centroid of the ticket's subset, among the gate's standardised features
    answer       (K,) index of the class that the ticket says; one-vs-rest: 1 where it claims the input. None where
                 answers are no classes
    confidence   (K,) the probability that it gives its answer; None where it gives none
    """

    probability: np.ndarray
    distance: np.ndarray
    answer: np.ndarray | None
    confidence: np.ndarray | None


def reason(routing: Routing, x: torch.Tensor) -> Reason:
    """x (1, *input_shape), as the networks take it."""
    scene, log_p = routing.scene, routing.task.log_p
    apart = scene.gate.features(x) - scene.centroids.parameters["weight"]
    probability = replace(scene.gate, inputs=lambda rows: x).probabilities(np.array([0]))[0]
    distance = apart.norm(dim=1).numpy()
    if log_p is None:
        return Reason(probability, distance, None, None)
    p = np.exp(log_p(scene.serving.of_one(x)))
    return Reason(probability, distance, p.argmax(axis=1), p.max(axis=1))
