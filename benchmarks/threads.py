"""Everything that pages want of the core, from many threads at once: it is answered as it is alone.

    python -m benchmarks.threads [--threads 32] [--calls 50] [--out docs/results/threads.md]

The runs are two small ones that are trained first: pictures through a convolutional network, and a table with groups.
Threads take turns 250 times as often as usual (`benchmarks.crowd`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.crowd import crowd
from rtl_core import expected_warnings
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
from rtl_core.overlap.chance_level import chance_interval, permutation_test
from rtl_core.overlap.clustering import tree
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.ownership import dead_filters, intersections, ownership
from rtl_core.overlap.similarity import layer_profile, similarity
from rtl_core.routing.gate import fit_gate
from rtl_core.routing.serving import serving
from rtl_core.runs import fairness
from rtl_core.runs.attribution import Explained, check
from rtl_core.runs.checkpoint import Run, load_run
from rtl_core.runs.diagnose import diagnose
from rtl_core.runs.fairness import EXTRAS, Audited
from rtl_core.runs.open_run import OpenRun, open_run
from rtl_core.runs.prepare import experiment, prepare
from rtl_core.runs.report import run_document
from rtl_core.runs.routing import Routing
from rtl_core.runs.training import train_new
from rtl_core.tickets.ticket_set import TicketSet

Job = Callable[[], Any]

SMALL = {
    "density": 0.3,
    "denser": [0.6],
    "lighter": [0.1],
    "controls": ["dense"],
    "extract": {"steps": 12, "warm_steps": 12},
    "joint": {"steps": 12},
    "sharing": {"head": "ticket", "recalibrate_batches": 2},
}
FEW_DRAWS = AuditSettings(permutations=100)
FEW_STEPS = {
    "integrated_gradients": (("steps", 8),),
    "layer_conductance": (("steps", 8),),
    "gradient_shap": (("samples", 4),),
    "kernel_shap": (("samples", 20),),
}


def pictures(root: Path) -> Run:
    """Two tickets of a convolutional network over 240 pictures of three kinds of stripes."""
    draw, y = np.random.default_rng(0), np.arange(240) % 3
    x = draw.integers(0, 120, (240, 8, 8)) + 60 * np.eye(8, dtype=int)[y][:, None]
    np.savez(root / "pictures.npz", x=x.astype(np.uint8), y=y)
    data, partition = {"spec": f"npz:{root / 'pictures.npz'}"}, {"by": "kmeans", "k": 2, "min_size": 2}
    config = parse({**SMALL, "data": data, "partition": partition, "model": {"name": "convnet", "width": 0.25}})
    return load_run(root / train_new(config, root)["run"])


def people(root: Path) -> Run:
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
        "report": lambda: run_document(run, root=root),
        **_over_masks(run.tickets),
    }
    return {f"{name} of {run.name}": job for name, job in own.items()}


def _over_masks(tickets: TicketSet) -> dict[str, Job]:
    level, (a, b) = tickets.target, tickets.names[:2]
    return {
        "overlap": lambda: (similarity(overlap(tickets)), chance_interval(overlap(tickets))),
        "layers": lambda: layer_profile(overlap(tickets)),
        "tree": lambda: tree(similarity(overlap(tickets))),
        "pair": lambda: permutation_test(overlap(tickets), a, b),
        "owners": lambda: (ownership(tickets, level), intersections(tickets, level, None)),
        "dead filters": lambda: dead_filters(tickets, level),
    }


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


def table(threads: int, calls: int) -> tuple[str, bool]:
    """The page, and whether all went well."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        jobs = {**jobs_of(pictures(root), root), **jobs_of(people(root), root)}
        began = time.monotonic()
        wrong = crowd(jobs, threads, calls)
        seconds = time.monotonic() - began
    lines = [
        f"# {threads} threads at once\n",
        f"{threads} threads each made {calls} calls, of {len(jobs)} things that pages want of a run: "
        f"{threads * calls:,} in {seconds:.0f} s. Every answer is compared with the one that was given to a caller "
        "alone, and what all threads of the process share with what it was before. Made by "
        f"`python -m benchmarks.threads --threads {threads} --calls {calls}`.\n",
        f"Errors, other answers, and changes of what is shared: {len(wrong)}.\n",
        *(f"- {one}" for one in wrong[:20]),
    ]
    return "\n".join(lines), not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    given = parser.parse_args()
    expected_warnings.hide()
    text, fine = table(given.threads, given.calls)
    print(text)
    if given.out:
        given.out.write_text(text, "utf-8")
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
