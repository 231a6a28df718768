"""What is looked at on the Routing page, and what is computed of it: each once, and kept for the other sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from app import cache
from app.kinds import Kind, kind_of, nouns
from app.routing.choice_reason import Reason, reason
from rtl_core.data.umap_places import umap_places
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.audit.accuracy_cost import AtBudget
    from rtl_core.audit.evaluate import EvaluationSet
    from rtl_core.audit.evaluation_rows import RouterRow
    from rtl_core.audit.router_metrics import Routed, RouterReport
    from rtl_core.data.dataset import Dataset
    from rtl_core.routing.budget import Assignment
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.routing import Routing
    from rtl_core.tasks.task import Figure

CURVE_POINTS = 12
MAP_ROWS = 4_000  # drawn at most; more would hide one another
_NEIGHBOURS = 15  # of UMAP
_SAMPLED = 1_000  # rows whose distances say what is usual

Key = tuple[str, int, str]  # folder, its last change, router


@dataclass(frozen=True)
class View:
    """A router of a run, and what its tickets may cost. What is computed of it is looked up once a page.

    share  mean non-zero multiply-adds of an input, as a share of what the tickets at their own density cost with this
           router; None: all at their own density
    """

    routing: Routing
    router: str
    share: float | None = None

    @property
    def run(self) -> Run:
        return self.routing.run

    @property
    def dataset(self) -> Dataset:
        return self.routing.opened.dataset

    @property
    def eval_set(self) -> EvaluationSet:
        return self.routing.eval_set

    @property
    def names(self) -> tuple[str, ...]:
        return self.run.tickets.names

    @property
    def kind(self) -> Kind:
        return kind_of(self.dataset)

    @property
    def noun(self) -> str:
        """Of several inputs."""
        return nouns(self.dataset)[1]

    @property
    def one_vs_rest(self) -> bool:
        return self.routing.task.choice_answers

    @property
    def says_classes(self) -> bool:
        """Whether a ticket's answer is one of a few choices."""
        return self.routing.task.log_p is not None

    @property
    def credited(self) -> Figure:
        """What the mean of how well inputs are answered is called."""
        return self.routing.task.credited

    @property
    def worths(self) -> tuple[Figure, ...]:
        """What a router's answers are judged by, the first one first: for classes the share of right ones."""
        return (self.credited,) if self.says_classes else self.routing.task.resampled

    @property
    def worth(self) -> Figure:
        return self.worths[0]

    @property
    def key(self) -> Key:
        return str(self.run.folder), cache.changed(self.run.folder), self.router

    @cached_property
    def routed(self) -> Routed:
        """The router's choice, tickets at their own density."""
        return _routed(self)

    @cached_property
    def report(self) -> RouterReport:
        """What `python -m rtl_core route` says of the router."""
        return _report(self)

    @property
    def oracle(self) -> View:
        """The same run with the router that is told the subset."""
        return View(self.routing, "oracle" if self.routing.scene.given_by == "class" else "context")

    @cached_property
    def credit_alone(self) -> np.ndarray:
        """(n,): what a budget counts, with tickets at their own density: how well the chosen ticket answers, without a
        second one mixed in. For classes bool, whether it is right; one-vs-rest: it is the subset's and claims the
        input."""
        return self.routed.credit_alone

    @property
    def has_lighter(self) -> bool:
        """Whether there are tickets below the target density to choose from."""
        try:
            return len(self.routing.offered.levels) > 1
        except BadInput:  # nothing was measured at or below it
            return False

    @cached_property
    def full_cost(self) -> float:
        """Mean non-zero multiply-adds of an input, tickets at their own density."""
        return float(self.routing.offered.cost("macs")[self.routed.choice.ticket, 0].mean())

    @cached_property
    def lightest_share(self) -> float:
        """The budget that the lightest level of every chosen ticket costs."""
        return float(self.routing.offered.cost("macs")[self.routed.choice.ticket, -1].mean()) / self.full_cost

    @cached_property
    def point(self) -> AtBudget:
        """What the budget buys."""
        return _point(self, self.share)

    @cached_property
    def curve(self) -> list[AtBudget]:
        return _curve(self)

    @property
    def ticket(self) -> np.ndarray:
        """int64 (n,): who answers, under the budget."""
        return self.routed.choice.ticket if self.share is None else self._bought.ticket

    @property
    def level(self) -> np.ndarray | None:
        """int64 (n,): index into the levels that are offered; None where all stand at their own density."""
        return None if self.share is None else self._bought.level

    @cached_property
    def _bought(self) -> Assignment:
        return _bought(self, self.share)

    def rows_of_matrix(self, by_class: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """(names of the rows, (n,) which of them each input is in): classes, or the subsets' own tickets."""
        return (self.dataset.classes, self.eval_set.y) if by_class else (self.names, self.eval_set.subset)

    def counts(self, by_class: bool) -> np.ndarray:
        """int (rows of the matrix, K): inputs of each that go to each ticket."""
        names, place = self.rows_of_matrix(by_class)
        counted = np.zeros((len(names), len(self.names)), int)
        np.add.at(counted, (place, self.ticket), 1)
        return counted

    def misrouted_shares(self, by_class: bool) -> np.ndarray:
        """float (rows of the matrix,): the share that goes to another ticket than its own; 0 where nobody is asked."""
        names, place = self.rows_of_matrix(by_class)
        misrouted = np.bincount(place, weights=self.ticket != self.eval_set.subset, minlength=len(names))
        return misrouted / np.maximum(np.bincount(place, minlength=len(names)), 1)

    def compared(self) -> list[RouterRow]:
        """A row of figures per router that is not slow: on file, or computed now where an older file lacks it. A slow
        router is among them while it is the chosen one."""
        rows = _compared(self.run, self.routing)
        return rows if self.router in {row.router for row in rows} else [*rows, _row(self)]

    def map_of_inputs(self, method: str) -> tuple[np.ndarray, np.ndarray, float]:
        """(positions among the inputs asked, their places (m, 2), share of variance shown by PCA's two axes)."""
        return _map(self.run, method, self.routing)

    def reason(self, position: int) -> Reason:
        """Why the input at that position among those asked goes where it goes."""
        return reason(self.routing, self.dataset.inputs(self.eval_set.rows[[position]]))

    def reason_for(self, x: np.ndarray) -> Reason:
        """The same for an input from elsewhere, (1, *shape) as the data hold their rows."""
        return reason(self.routing, replace(self.dataset, x=x).inputs(np.array([0])))

    @cached_property
    def usual_distance(self) -> tuple[float, float]:
        """5 % and 95 % of the test inputs' distances to their nearest centroid."""
        return _usual_distance(self.run, self.routing)


@cache.networks_of_run(
    max_entries=cache.RUNS_AT_WORK, show_spinner="Loading the networks, and asking every ticket about every test row"
)
def routing_of(run: Run) -> Routing:
    """The run with its data, weights and gate. Raises BadInput."""
    from rtl_core.runs.routing import Routing

    routing = Routing.of(cache.opened(run))
    _ = routing.answers  # here, under this cache's lock
    return routing


@cache.of_run(View, max_entries=32, show_spinner="Routing the test rows")
def _routed(view: View) -> Routed:
    return view.routing.routed(view.router)


@cache.of_run(View, max_entries=32, show_spinner="Counting who goes where")
def _report(view: View) -> RouterReport:
    from rtl_core.audit.router_metrics import router_report

    return router_report(_routed(view))


@cache.of_run(View, max_entries=64, show_spinner=False)
def _bought(view: View, share: float) -> Assignment:
    from rtl_core.routing.budget import within_mean

    choice = view.routed.choice
    return within_mean(choice.ticket, choice.confidence, view.routing.offered, "macs", share * view.full_cost)


@cache.of_run(View, max_entries=64, show_spinner="Asking the lighter tickets")
def _point(view: View, share: float) -> AtBudget:
    from rtl_core.audit.accuracy_cost import at_budget

    routing = view.routing
    bound = share * view.full_cost
    return at_budget(routing.eval_set, view.routed.choice, routing.offered, routing.servings, "macs", bound)


@cache.of_run(View, max_entries=16, show_spinner="Asking the lighter tickets, once for every point of the curve")
def _curve(view: View) -> list[AtBudget]:
    from rtl_core.audit.accuracy_cost import cost_curve

    routing = view.routing
    return cost_curve(routing.eval_set, view.routed.choice, routing.offered, routing.servings, "macs", CURVE_POINTS)


@cache.of_run(View, max_entries=32, show_spinner=False)
def _row(view: View) -> RouterRow:
    from rtl_core.audit.router_metrics import router_row

    return router_row(_routed(view))


@cache.of_run(max_entries=8, show_spinner="Comparing the routers")
def _compared(run: Run, _routing: Routing) -> list[RouterRow]:
    from rtl_core.runs.routing import SLOW

    on_file = {row.router: row for row in run.record.evaluation.routers if row.macs_share is not None}
    names = [name for name in _routing.routers if name not in SLOW]
    return [on_file.get(name) or _row(View(_routing, name)) for name in names]


@cache.of_run(max_entries=16, show_spinner="Drawing the map (UMAP is loaded when it is first asked for)")
def _map(run: Run, method: str, _routing: Routing) -> tuple[np.ndarray, np.ndarray, float]:
    from sklearn.decomposition import PCA

    n, gate = len(_routing.eval_set.rows), _routing.scene.gate
    positions = np.arange(n) if n <= MAP_ROWS else np.linspace(0, n - 1, MAP_ROWS).astype(int)
    seen = gate.features.of_rows(gate.inputs, _routing.eval_set.rows[positions]).numpy()
    if method == "UMAP":
        return positions, umap_places(seen, n_neighbors=_NEIGHBOURS, random_state=0), float("nan")
    model = PCA(2, svd_solver="covariance_eigh").fit(seen)
    return positions, model.transform(seen), float(model.explained_variance_ratio_.sum())


@cache.of_run(max_entries=8, show_spinner=False)
def _usual_distance(run: Run, _routing: Routing) -> tuple[float, float]:
    import torch

    scene, rows = _routing.scene, _routing.eval_set.rows
    some = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLED)).astype(int)]
    apart = torch.cdist(scene.features.of_rows(scene.inputs, some), scene.centroids.parameters["weight"])
    low, high = np.quantile(apart.amin(dim=1).numpy(), [0.05, 0.95])
    return float(low), float(high)
