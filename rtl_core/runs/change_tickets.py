"""A finished run with one ticket more or fewer becomes a new run; the old one is not touched.

What growing, removing and merging have in common: the run's data and tickets at hand, a gate before and after, and the
new folder. A run made so has the tickets alone: the controls of the old run had other tickets to be compared with.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.audit.evaluate import Answers, EvaluationSet, answers_of_all, evaluation_set
from rtl_core.config import Config
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.documents import plain
from rtl_core.events import Tensors
from rtl_core.files import make_once
from rtl_core.learning.subnetwork import TrainedMethod
from rtl_core.models.catalogue import rebuild
from rtl_core.read_only import refused_in_public
from rtl_core.routing.features import Features, fitted
from rtl_core.routing.gate import LinearGate, fit_gate
from rtl_core.routing.routers import LeastDoubt
from rtl_core.runs import pipeline
from rtl_core.runs.atomic import write_json
from rtl_core.runs.checkpoint import Outcome, Run, load_gate, load_run, load_theta_0, save_checkpoint
from rtl_core.runs.open_run import open_run
from rtl_core.runs.prepare import Setting
from rtl_core.runs.run_data import kept_rows
from rtl_core.runs.store import CONFIG_FILE, is_whole, slug
from rtl_core.statistics.estimates import json_interval, json_number, mean_credit
from rtl_core.statistics.intervals import bootstrap_ratios
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.ticket_set import TicketSet

REFITTED = "on the partition, after the tickets were changed"


@dataclass(frozen=True)
class Tickets:
    """The tickets of a run, before or after it is changed: over which data, and who chooses among them."""

    setting: Setting
    tickets: TicketSet
    rtl: TrainedMethod
    gate: LinearGate

    def answers(self, eval_set: EvaluationSet) -> Answers:
        """Every ticket's answers to every row."""
        return answers_of_all(self.setting.network, self.rtl.subnetworks, self.tickets.layout, eval_set)


@dataclass(frozen=True)
class Changed:
    """What a run becomes.

    lighter  (level index, ticket index) -> norm statistics of that lighter ticket
    levels   what they were measured at, as `info["rungs"]` has it
    values   subset -> values, as `values_of` gives them
    """

    tickets: Tickets
    lighter: Mapping[tuple[int, int], Tensors]
    levels: Sequence[Mapping[str, Any]]
    values: Mapping[str, Sequence[str]]


def open_tickets(run: Run) -> Tickets:
    """A run's tickets with the data that they were trained on and their gate; fitted now, where the run keeps none.

    BadInput: a run that has masks only, or whose data are gone or others by now.
    """
    opened = open_run(run)
    gate = opened.gate
    if gate is None:
        dataset = opened.dataset
        features = fitted("grid", dataset.inputs, dataset.rows("train"), dataset.input_shape)
        gate = fitted_gate(features, dataset, opened.partition)
    return Tickets(opened, run.tickets, opened.learned["rtl"], gate)


def setting_of(config: Config, dataset: Dataset, partition: Partition, run: Run) -> Setting:
    """The run's network over other data or subsets."""
    network = rebuild(run.info["model"])
    task = task_named(config.task).on(dataset, config.loss)
    return Setting(config, task, dataset, partition, network, None, run.tickets.layout)


def fitted_gate(features: Features, dataset: Dataset, partition: Partition) -> LinearGate:
    train, val = dataset.rows("train"), dataset.rows("val")
    return fit_gate(features, dataset.inputs, partition.assignment, train, val, partition.k)


def credit_by_router(state: Tickets, answers: Answers, eval_set: EvaluationSet) -> dict[str, np.ndarray]:
    """Router -> (n,): what its choice among a state's tickets is worth on the rows of an evaluation set."""
    task, n = eval_set.task, np.arange(len(eval_set.rows))
    gate = replace(state.gate, inputs=eval_set.dataset.inputs)
    chosen = {"gate": gate.probabilities(eval_set.rows).argmax(axis=1)}
    if task.doubt is not None:
        router = LeastDoubt(lambda rows: answers.doubt, task.doubt)
        chosen[router.name] = router.choose(eval_set.rows).ticket
    if task.choice_answers:
        return {router: ticket == eval_set.subset for router, ticket in chosen.items()}
    return {router: answers.credit[ticket, n] for router, ticket in chosen.items()}


def routed(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], units: np.ndarray) -> dict[str, Any]:
    """`routed_before` and `routed_after`: the mean credit of what the gate's tickets answer (for classes the share of
    right answers), and the change, with their intervals; `routers`: the same for every router. All on the same rows."""
    rows = []
    for router, had in before.items():
        has = after[router]
        low, high = bootstrap_ratios(has.astype(float) - had, units, seed=0, names=("routed", router))
        was, is_now = share(had, units), share(has, units)
        change = float(has.mean() - had.mean())
        values = {"before": was["accuracy"], "after": is_now["accuracy"], "change": change}
        ci = {"before": was["ci"]["accuracy"], "after": is_now["ci"]["accuracy"]}
        rows.append({"router": router, **values, "n": len(had), "ci": {**ci, "change": json_interval(low[0], high[0])}})
    gate = rows[0]
    return {
        "routed_before": gate["before"],
        "routed_after": gate["after"],
        "ci": {f"routed_{name}": gate["ci"][name] for name in ("before", "after", "change")},
        "routers": rows,
    }


def on_test_rows(state: Tickets) -> EvaluationSet:
    setting = state.setting
    return evaluation_set(setting.dataset, setting.partition, setting.task, "test")


def share(credit: np.ndarray, units: np.ndarray) -> dict[str, Any]:
    """{accuracy, n, ci} of the answers to some rows: their mean credit."""
    mean = mean_credit(credit, units)
    return {
        "accuracy": json_number(mean.value),
        "n": len(credit),
        "ci": {"accuracy": json_interval(mean.low, mean.high)},
    }


def new_folder(run: Run, root: Path, verb: str, *stated: Any) -> Path:
    """Where the changed run belongs: the same change of the same run has the same name."""
    words = json.dumps([run.manifest["files"], *stated], sort_keys=True)
    base = slug(run.name.partition(f"-{verb}-")[0])
    return root / f"{base}-{verb}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def recorded(folder: Path, verb: str) -> dict[str, Any] | None:
    """The JSON document of a change that was made before; None where it was not."""
    if not is_whole(folder):
        return None
    info = load_run(folder).info
    return {"run": folder.name, "folder": str(folder), "seconds": 0.0, "reused": True, **info[verb]}


@refused_in_public("writing a run")
def save(
    run: Run, folder: Path, changed: Changed, verb: str, document: Mapping[str, Any], began: float
) -> dict[str, Any]:
    """Writes the new run: the JSON document of the verb.

    document  what the verb says beside where the run is
    began     when the verb did, by `time.monotonic`
    """
    state, seconds, document = changed.tickets, time.monotonic() - began, plain(document)
    setting = state.setting
    described = pipeline.describe(setting, state.tickets)
    merged = {subset: list(of_subset) for subset, of_subset in changed.values.items() if list(of_subset) != [subset]}
    info = {
        **described,
        "partition": {**described["partition"], **({"values": merged} if merged else {})},
        "rungs": list(changed.levels),
        "gate": {"features": state.gate.features.name, "macs": state.gate.macs, "trained": REFITTED},
        "environment": {**pipeline._environment(setting.config), "seconds": seconds},
        "notes": [
            f"Made from '{run.name}'. It has no controls: those of '{run.name}' had other tickets to be compared with."
        ],
        "evaluation": pipeline.evaluate(setting, state.tickets, {"rtl": state.rtl}, state.gate),
        verb: document,
    }
    gate = {**load_gate(run), **state.gate.as_tensors()}  # what the gate sees of an input stays
    rows = kept_rows(setting.dataset, setting.partition)
    outcome = Outcome(state.tickets, info, load_theta_0(run), (state.rtl,), changed.lighter, gate, rows)

    def fill(draft: Path) -> None:
        write_json(draft / CONFIG_FILE, setting.config.model_dump(mode="json"))
        save_checkpoint(draft, outcome)

    make_once(folder, fill, is_whole)
    return {"run": folder.name, "folder": str(folder), "seconds": seconds, "reused": False, **document}
