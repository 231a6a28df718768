"""What may be asked of maps, by names: which method against which baseline, for which output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from rtl_core.audit.attribution.baselines import baseline_of, default_baseline
from rtl_core.audit.attribution.explain import Question
from rtl_core.audit.attribution.methods import method_named, settings_of
from rtl_core.audit.attribution.parameters import Parameters
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput


@dataclass(frozen=True)
class MapRequest:
    """How maps are made.

    method      of `methods.METHODS`
    baseline    a name of baselines.py; None: black for pictures, the median for tables
    target      a number of the task's `explains` by name or place, such as a class; None: the largest one. A ticket
                with one output explains that
    seed        of the methods and baselines that draw
    parameters  (name, value) pairs: the method's settings, where they differ from the defaults
    """

    method: str = "integrated_gradients"
    baseline: str | None = None
    target: str | None = None
    seed: int = 0
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def settings(self) -> Parameters:
        """All settings of the method. BadInput names the one that is wrong."""
        return settings_of(method_named(self.method), dict(self.parameters))

    def baseline_for(self, dataset: Dataset) -> str:
        """The baseline's name."""
        return self.baseline or default_baseline(dataset)

    def question(self, subject: Subject, x: torch.Tensor) -> Question:
        """What is asked of inputs x (n, *shape). BadInput names the method, setting or baseline that is wrong."""
        dataset = subject.dataset
        chosen = baseline_of(self.baseline_for(dataset), dataset, x, self.seed)
        return Question(method_named(self.method), self.settings, chosen, subject.groups, self.seed, subject.sure)

    def output(self, subject: Subject) -> int | None:
        """The number of the output that explains `target`; None where each input's largest one is explained."""
        outputs = subject.explains(subject.tickets.names[0])
        if self.target is None:
            return None
        if subject.has_one_output:
            raise BadInput(f"tickets of task '{subject.task.name}' have one output each; leave the target out")
        if self.target in outputs:
            return outputs.index(self.target)
        if self.target.isdigit() and int(self.target) < len(outputs):
            return int(self.target)
        raise BadInput(f"there is no output '{self.target}'; there are: {', '.join(outputs)}")
