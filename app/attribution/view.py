"""What is looked at on the Attribution page, and what is computed of it: each once, and kept for the other sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from app import cache
from app.kinds import Kind, kind_of

if TYPE_CHECKING:
    import torch

    from rtl_core.audit.attribution.compare_tickets import SideBySide
    from rtl_core.audit.attribution.deletion_insertion import Curves
    from rtl_core.audit.attribution.explain import Question
    from rtl_core.audit.attribution.map_request import MapRequest
    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.attribution import Checked, Explained
    from rtl_core.runs.checkpoint import Run
    from rtl_core.tasks.task import Task

MAPS_A_CHECK = 14  # computed for one map's checks: other masks, shuffled weights, shaken inputs
SEVERAL = 12  # tickets shown at once at most

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Chosen:
    """One input, which need not be a row of the data.

    key     names it in caches
    x       uint8 (1, c, h, w) or float32 (1, features), as the data set holds its rows
    called  what sentences call it: "test picture 12"
    truth   its class, where that is known
    subset  the ticket that it belongs to, where that is known
    sample  its place among the test rows, where it is one
    """

    key: Key
    x: np.ndarray
    called: str
    truth: str | None = None
    subset: str | None = None
    sample: int | None = None


@dataclass(frozen=True)
class View:
    """An input, what is asked about it, and how the maps are drawn. What is computed of it is looked up once a page.

    tickets   those that are shown
    compared  the one whose dense control and random mask stand beside them
    sign      whether the maps keep their sign, where they have one
    opacity   of the map over the picture; None: the map stands alone
    shared    whether all maps have one colour scale
    """

    explained: Explained
    chosen: Chosen
    request: MapRequest
    tickets: tuple[str, ...]
    compared: str
    sign: bool
    opacity: float | None
    shared: bool

    @property
    def run(self) -> Run:
        return self.explained.run

    @property
    def dataset(self) -> Dataset:
        return self.explained.subject.dataset

    @property
    def kind(self) -> Kind:
        return kind_of(self.dataset)

    @property
    def key(self) -> Key:
        folder = self.run.folder
        return str(folder), cache.changed(folder), self.chosen.key, self.request, self.tickets, self.compared

    @property
    def x(self) -> torch.Tensor:
        """(1, *shape), as the networks take it."""
        return replace(self.dataset, x=self.chosen.x).inputs(np.array([0]))

    @cached_property
    def question(self) -> Question:
        return _question(self.run, self.chosen.key, self.request, self)

    @cached_property
    def side_by_side(self) -> SideBySide:
        return _side_by_side(self)

    @cached_property
    def signed(self) -> bool:
        """Whether for and against have different colours; a method that gives sizes only knows no against."""
        return self.sign and bool((self.side_by_side.maps.attributions < 0).any())

    @property
    def seconds_to_check(self) -> float:
        """An estimate, from how long one map takes."""
        return _seconds_a_map(self) * len(self.tickets) * MAPS_A_CHECK

    def dead(self, ticket: str) -> bool:
        """Whether the ticket says the same to every input."""
        return _dead(self.run, ticket, self.explained)

    def checked(self, ticket: str) -> Checked:
        return _checked(self, ticket)

    def curves(self, ticket: str) -> Curves:
        """What deleting and inserting the input in the order of the ticket's map does."""
        return _curves(self, ticket)

    @property
    def task(self) -> Task:
        return self.explained.subject.task

    def explained_names(self) -> list[str]:
        """What each map explains: a class, or the ticket's own subset where its one output says yes. Dense control and
        random mask stand for the ticket they are compared with."""
        comparison, tickets = self.side_by_side, self.run.tickets.names
        stands_for = [name if name in tickets else self.compared for name in comparison.names]
        subject, targets = self.explained.subject, comparison.maps.target
        return [subject.explains(name)[target] for name, target in zip(stands_for, targets, strict=True)]

    @property
    def followed(self) -> str:
        """What is followed of an answer as the input changes."""
        return "probability" if self.explained.subject.sure else self.task.explained_as

    @property
    def against(self) -> str:
        """What the maps compare the input with, as is printed on every one."""
        texts = {"baseline": f"against {self.request.baseline}", "zeros": "against zeros", "nothing": "no baseline"}
        return texts[self.question.method.against]


@cache.networks_of_run(max_entries=cache.RUNS_AT_WORK, show_spinner="Loading the networks and their data")
def explained(run: Run) -> Explained:
    """The run with its data and weights. Raises BadInput."""
    from rtl_core.runs.attribution import Explained

    return Explained.over(cache.opened(run))


@cache.of_run(max_entries=64, show_spinner=False)
def _question(run: Run, chosen: Key, request: MapRequest, _view: View) -> Question:
    return request.question(_view.explained.subject, _view.x)


@cache.of_run(View, max_entries=64, show_spinner="Computing the maps")
def _side_by_side(view: View) -> SideBySide:
    from rtl_core.audit.attribution.compare_tickets import side_by_side

    subject, x, question = view.explained.subject, view.x, view.question
    target = view.request.output(subject)
    return side_by_side(subject, view.tickets, view.compared, x, question, target)


@cache.of_run(View, max_entries=64, show_spinner=False)
def _seconds_a_map(view: View) -> float:
    from rtl_core.audit.attribution.explain import explain

    module, x, question = view.explained.subject.module(view.compared), view.x, view.question.at_fixed_steps
    seconds = []
    for _ in range(2):  # the first call of a method also loads what it needs
        began = time.monotonic()
        explain(module, x, question)
        seconds.append(time.monotonic() - began)
    return min(seconds)


@cache.of_run(max_entries=512, show_spinner=False)
def _dead(run: Run, ticket: str, _explained: Explained) -> bool:
    from rtl_core.runs.attribution import constant_output

    return constant_output(_explained.subject, ticket)


@cache.of_run(View, max_entries=512, show_spinner=False)
def _checked(view: View, ticket: str) -> Checked:
    from rtl_core.runs.attribution import check

    return check(view.explained.subject, ticket, view.x, maps_of(view, ticket), view.question)


@cache.of_run(View, max_entries=512, show_spinner=False)
def _curves(view: View, ticket: str) -> Curves:
    from rtl_core.audit.attribution.deletion_insertion import curves
    from rtl_core.audit.attribution.regions import smallest_regions
    from rtl_core.rng import numpy_generator

    draws = numpy_generator(view.request.seed, "deletion", 0)
    module, regions = view.explained.subject.module(ticket), smallest_regions(view.dataset)
    return curves(module, view.x, maps_of(view, ticket), view.question, regions, draws)


def maps_of(view: View, name: str) -> Any:
    """The `Maps` of one of the networks side by side."""
    comparison = view.side_by_side
    i = comparison.names.index(name)
    fields = ("attributions", "target", "output", "baseline_output", "steps")
    return type(comparison.maps)(**{field: getattr(comparison.maps, field)[i : i + 1] for field in fields})
