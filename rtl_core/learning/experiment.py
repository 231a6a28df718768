"""What every training is given: one setting in which all methods are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from rtl_core.config import Config
from rtl_core.events import Journal, Report, Stage
from rtl_core.learning.subsets import Subset
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout

Inputs = Callable[[np.ndarray], torch.Tensor]  # row indices -> the network's inputs


@dataclass(frozen=True)
class Experiment:
    """One setting in which all methods are compared; the pipeline wires it.

    network, subsets       for tickets: one subset each
    one_network, one       for one mask trained to tell the subsets apart (one_vs_rest only, else None)
    inputs                 row indices -> the network's inputs
    redrawn                the same network with other initial weights, where a control wants it
    of_size                a number of weights -> the network of the same kind that has about as many prunable ones; its
                           description says the width
    """

    config: Config
    network: Network
    layout: Layout
    subsets: tuple[Subset, ...]
    inputs: Inputs
    report: Report
    journal: Journal
    one_network: Network | None = None
    one: Subset | None = None
    redrawn: Network | None = None
    of_size: Callable[[int], Network] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(subset.name for subset in self.subsets)

    def as_multiclass(self) -> Experiment:
        """The same data for one network that tells the subsets apart, a class each."""
        return replace(self, network=self.one_network, subsets=(self.one,))

    def stage(self, phase: str, method: str, steps: int, ticket: str | None = None) -> Stage:
        """A stretch of so many batches per ticket, at the learning rate of its phase."""
        settings = self.config.joint if phase in ("joint", "scores") else self.config.extract
        decay = self.config.joint.decay if phase == "joint" else "none"
        return Stage(phase, method, steps, settings.learning_rate, self.config.seed, ticket, decay=decay)
