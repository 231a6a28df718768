"""Several visitors at once: all that pages want of the core, from many threads, is answered as it is alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rtl_core.audit.accuracy_cost import cost_curve
from rtl_core.audit.attribution.aggregate import audit
from rtl_core.audit.attribution.explain import explain
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.methods import METHODS
from rtl_core.audit.attribution.partial_dependence import partial_dependence
from rtl_core.audit.evaluate import evaluation_set, method_answers, served_answers
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.mask_exchange import exchange
from rtl_core.audit.redundancy import redundancy
from rtl_core.audit.router_metrics import router_report
from rtl_core.config import parse
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.method_steps import warm_start
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.models.catalogue import build
from rtl_core.models.cost import forward_cost
from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.clustering import mask_map
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.routing.gate import fit_gate
from rtl_core.routing.serving import serving
from rtl_core.runs import fairness
from rtl_core.runs.attribution import Explained, check
from rtl_core.runs.checkpoint import Run, load_run
from rtl_core.runs.diagnose import diagnose
from rtl_core.runs.fairness import EXTRAS, Audited
from rtl_core.runs.open_run import OpenRun, open_run
from rtl_core.runs.prepare import experiment, prepare
from rtl_core.runs.routing import Routing
from rtl_core.runs.store import samples
from rtl_core.runs.training import train_new
from rtl_core.threads import pool, use_threads
from tests.crowd import crowd
from tests.toy_run import toy

pytestmark = pytest.mark.long

Job = Callable[[], Any]

THREADS = 32
SMALL = toy(
    density=0.3,
    denser=[0.6],
    lighter=[0.1],
    controls=["dense"],
    extract={"steps": 12, "warm_steps": 12},
    joint={"steps": 12},
    sharing={"head": "ticket"},
)
FEW_DRAWS = AuditSettings(permutations=100)
FEW_STEPS = {
    "integrated_gradients": (("steps", 8),),
    "layer_conductance": (("steps", 8),),
    "gradient_shap": (("samples", 4),),
    "kernel_shap": (("samples", 20),),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def pictures(root) -> Run:
    """Two tickets of a convolutional network over 240 pictures of three kinds of stripes."""
    draw, y = np.random.default_rng(0), np.arange(240) % 3
    x = draw.integers(0, 120, (240, 8, 8)) + 60 * np.eye(8, dtype=int)[y][:, None]
    np.savez(root / "pictures.npz", x=x.astype(np.uint8), y=y)
    data, partition = {"spec": f"npz:{root / 'pictures.npz'}"}, {"by": "kmeans", "k": 2, "min_size": 2}
    config = parse({**SMALL, "data": data, "partition": partition, "model": {"name": "convnet", "width": 0.25}})
    return load_run(root / train_new(config, root)["run"])


@pytest.fixture(scope="module")
def people(root) -> Run:
    """A ticket for each of two towns over a table of 300 people."""
    draw, n = np.random.default_rng(0), np.arange(300)
    a, b, sex = draw.normal(size=300), draw.normal(size=300), draw.choice(["f", "m"], 300)
    columns = {"a": a, "b": b, "town": np.array(["Aix", "Bern"])[n % 2], "sex": sex}
    pd.DataFrame({**columns, "yes": np.where(a > 0, "yes", "no")}).to_csv(root / "people.csv", index=False)
    data = {"spec": f"csv:{root / 'people.csv'}", "target": "yes", "groups": ["town", "sex"]}
    partition = {"by": "attribute", "column": "town", "min_size": 2}
    config = parse({**SMALL, "data": data, "partition": partition, "model": {"name": "mlp", "width": 0.25}})
    return load_run(root / train_new(config, root)["run"])


def jobs_of(run: Run, root: Path) -> dict[str, Job]:
    """Everything that pages want of a run. What the app's caches keep for all visitors is opened here, once."""
    opened = open_run(run)
    own = {
        **_over_networks(opened),
        **_over_routing(Routing.of(opened)),
        **_over_maps(Explained.over(opened)),
        **_over_groups(Audited(opened)),
        "open": lambda: Explained.of(run).rows(),
        "diagnose": lambda: diagnose(run, root),
        "overlap": lambda: (similarity(overlap(run.tickets)), chance_interval(overlap(run.tickets))),
    }
    return {f"{name} of {run.name}": job for name, job in own.items()}


def _over_networks(opened: OpenRun) -> dict[str, Job]:
    trained, layout, dataset = opened.trained_tickets, opened.layout, opened.dataset
    network, subnetwork, (a, b) = trained.network, trained.subnetworks[0], opened.run.tickets.names[:2]
    subset = ticket_subsets(dataset, opened.partition, opened.task)[0]
    setting = prepare(opened.config, silent, MemoryJournal())
    shapes = dataset.input_shape, network.output_shape

    def over() -> Experiment:
        return experiment(setting, silent, MemoryJournal())

    def fold() -> Any:
        pieces = serving(network, trained.subnetworks, layout).each(lambda at: dataset.inputs(at), np.arange(40) % 2)
        return {f"{at[0]}": outputs for at, outputs in pieces}

    return {
        "fold": fold,
        "train": lambda: warm_start(over()).shared,
        "recalibrate": lambda: recalibrate(over(), subnetwork, subset).buffers,
        "cost": lambda: forward_cost(network),
        "build": lambda: build(opened.config.model, *shapes, trained.seed).module.state_dict(),
        "merge": lambda: redundancy(trained, pairs=1),
        "exchange": lambda: exchange(trained, a, b, draws=1),
    }


def _over_routing(routing: Routing) -> dict[str, Job]:
    scene, routed = routing.scene, routing.routed("gate")
    fitted = (scene.features, scene.inputs, scene.assignment, scene.train, scene.val, scene.k)
    return {
        **{f"route by {name}": partial(_routed, routing, name) for name in routing.routers},
        "answers": lambda: served_answers(scene.serving, routing.eval_set),
        "gate": lambda: fit_gate(*fitted).parameters,
        "budget": lambda: cost_curve(routing.eval_set, routed.choice, routing.offered, routing.servings, "macs", 3),
        "reopen": lambda: Routing.of(routing.opened).answers,
    }


def _routed(routing: Routing, name: str) -> Any:
    return router_report(routing.routed(name))


def _over_maps(explained: Explained) -> dict[str, Job]:
    subject, rows = explained.subject, explained.rows()[:3]
    dataset, ticket = subject.dataset, explained.run.tickets.names[0]
    x = dataset.inputs(rows)

    def maps_by(name: str) -> Any:
        question = MapRequest(name, parameters=FEW_STEPS.get(name, ())).question(subject, x)
        return explain(subject.module(ticket), x, question)

    def checked() -> Any:
        question = MapRequest("saliency").question(subject, x[:1])
        return check(subject, ticket, x[:1], explain(subject.module(ticket), x[:1], question), question)

    def of_all() -> Any:
        request = MapRequest("integrated_gradients", parameters=FEW_STEPS["integrated_gradients"])
        return audit(subject, explained.run.tickets.names, rows, request)

    fitting = [name for name, m in METHODS.items() if not m.unfit(subject.module(ticket), dataset.input_shape)]
    entries = {f"maps by {name}": partial(maps_by, name) for name in fitting}
    if dataset.kind == "table":
        module, column = subject.module(ticket), dataset.sources[0]
        entries["dependence"] = lambda: partial_dependence(module, dataset, explained.rows(), column)
    return {**entries, "check": checked, "maps of all": of_all}


def _over_groups(audited: Audited) -> dict[str, Job]:
    opened, learned = audited.opened, audited.method("rtl")
    rows = evaluation_set(opened.dataset, opened.partition, opened.task, "test")
    entries: dict[str, Job] = {"decide": lambda: method_answers(opened.network, learned, opened.layout, rows)}
    if "sex" in opened.dataset.attributes:
        entries["fairness"] = lambda: fairness.audit(audited, ["sex"], settings=FEW_DRAWS, extras=tuple(EXTRAS))
    return entries


def test_a_crowd_is_answered_as_one_visitor_is(pictures, people, root):
    jobs = {**jobs_of(pictures, root), **jobs_of(people, root)}
    assert crowd(jobs, THREADS, calls=4) == []


@pytest.mark.slow
def test_a_crowd_that_stays(pictures, people, root):
    jobs = {**jobs_of(pictures, root), **jobs_of(people, root)}
    assert crowd(jobs, THREADS, calls=50) == []


@pytest.mark.slow
def test_a_crowd_over_the_samples(root):
    jobs = {}
    for name in ("domains", "adult"):
        jobs |= jobs_of(load_run(samples()[name]), root)
    jobs["map of masks"] = lambda: mask_map(similarity(overlap(load_run(samples()["fashion10"]).tickets)), "umap")
    assert crowd(jobs, THREADS, calls=4) == []


def test_every_thread_keeps_its_own_count():
    """The second thread sets its count after the first one has, and before it has computed anything."""
    before, result, turn = torch.get_num_threads(), {}, Barrier(2)

    def compute(count: int, order: int) -> None:
        if order:
            turn.wait()
        use_threads(count)
        if not order:
            turn.wait()
        turn.wait()
        torch.ones(64, 64) @ torch.ones(64, 64)
        with pool(2) as workers:
            inherited = list(workers.map(lambda _: torch.get_num_threads(), range(4)))
        result[count] = {torch.get_num_threads(), *inherited}

    threads = [Thread(target=compute, args=(count, order)) for order, count in enumerate((2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use_threads(before)
    assert result == {1: {1}, 2: {2}}


_MAPS_AT_ONCE = """
import numpy as np
from threading import Thread
from rtl_core.data.umap_places import umap_places
rows = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
threads = [Thread(target=umap_places, args=(rows,), kwargs={"random_state": 0, "n_epochs": 5}) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""


@pytest.mark.slow
def test_maps_at_once_do_not_end_the_process_where_there_is_no_openmp():
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _MAPS_AT_ONCE],
        env={**os.environ, "NUMBA_THREADING_LAYER": "workqueue"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.split()) == (0, ["done"]), ended.stderr[-500:]
