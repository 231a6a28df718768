"""`grow`: a ticket for new data beside the tickets of a finished run (docs/grow.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.audit import evaluate as audit
from rtl_core.config import Config, parse, with_setting
from rtl_core.data import sources
from rtl_core.data.concatenate import joined
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.events import Event, MemoryJournal, Report, silent
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.grow import Grown, against_rest, first_subnetwork, grow_ticket
from rtl_core.read_only import refused_in_public
from rtl_core.runs import change_tickets, open_run
from rtl_core.runs.change_tickets import Tickets
from rtl_core.runs.checkpoint import Run, load_lighter
from rtl_core.runs.prepare import Setting, device_here, refusing_divergence
from rtl_core.runs.train_methods import lighter_tickets
from rtl_core.tasks.task import Task
from rtl_core.tickets.ticket_set import TicketSet

VERB = "grown"
# The settings that say how the new ticket is trained; all others are the old run's.
CHANGEABLE = (
    "gated.steps",
    "gated.batch_size",
    "gated.learning_rate",
    "gated.binarise_every",
    "joint.learning_rate",  # of its head and norms
)


@dataclass(frozen=True)
class Plan:
    """A ticket to grow.

    name        of the new ticket: the value that it is for
    setting     the new run's: data of both, K + 1 subsets
    assignment  (n,) 0 for rows of the new value, 1 for what it is told from
    """

    name: str
    setting: Setting
    assignment: np.ndarray
    values: dict[str, tuple[str, ...]]


@refused_in_public("adding a ticket")
def grow(
    run: Run,
    spec: str,
    root: Path,
    name: str | None = None,
    changes: Sequence[str] = (),
    report: Report = silent,
) -> dict[str, Any]:
    """Adds a ticket for what is new in `spec` and writes the new run below `root`: the JSON document of `grow`.

    name     the value that gets the ticket, where the data have several new ones
    changes  settings as `key=value`, of `CHANGEABLE`

    `forgetting`: for each old ticket the largest change of any logit on its own run's test rows. `tickets`: how many of
    the old and of the new test rows each ticket answers rightly.
    BadInput, before anything is trained, where run and data do not fit or there is nothing new.
    """
    began = time.monotonic()
    before = change_tickets.open_tickets(run)
    plan = planned(run, before, spec, name, changes)
    setting = plan.setting
    stated = (setting.config.model_dump(mode="json"), setting.dataset.fingerprint, plan.name)
    folder = change_tickets.new_folder(run, root, VERB, *stated)
    if (made := change_tickets.recorded(folder, VERB)) is not None:
        return made
    report(Event("start", "rtl", steps=setting.config.gated.steps))
    eval_set = change_tickets.on_test_rows(before)
    had = before.answers(eval_set)
    grown, lighter, records = _train(run, before, plan, report)
    report(Event("evaluate", "rtl"))
    tickets = _with_ticket(run.tickets, plan.name, grown)
    rtl = replace(before.rtl, subnetworks=(*before.rtl.subnetworks, grown.subnetwork))
    gate = change_tickets.fitted_gate(before.gate.features, setting.dataset, setting.partition)
    after = Tickets(setting, tickets, rtl, gate)
    has = after.answers(eval_set)
    routers = [change_tickets.credit_by_router(state, got, eval_set) for state, got in ((before, had), (after, has))]
    document = {
        "from": run.name,
        "grown": _figures(after),
        "forgetting": [float(np.abs(now - then).max()) for now, then in zip(has.kept, had.kept, strict=False)],
        **change_tickets.routed(*routers, eval_set.units),
        "tickets": _old_and_new(after),
    }
    levels = [*run.info["rungs"], *records]
    changed = change_tickets.Changed(after, {**load_lighter(run), **lighter}, levels, plan.values)
    return change_tickets.save(run, folder, changed, VERB, document, began)


def planned(run: Run, before: Tickets, spec: str, name: str | None, changes: Sequence[str]) -> Plan:
    """What is to be grown; every refusal of `grow` is made here."""
    by, task = run.info["partition"]["by"], before.setting.task
    if by != ("class" if task.choice_answers else "attribute"):
        raise BadInput(
            "a ticket is grown for a new class of one-vs-rest tickets, or for a new value of the attribute of "
            f"multi-class ones; the tickets of '{run.name}' are {task.name} by {by}"
        )
    config = _config(run, spec, changes)
    dataset = joined(before.setting.dataset, _loaded(run, task, config))
    config = parse(with_setting(config.model_dump(mode="json"), f"data.spec={json.dumps(dataset.spec)}"))
    split, known = open_run.all_values(run, dataset), open_run.values_of(run)
    having_one = {value for values in known.values() for value in values}
    new = [value for value in split.names if value not in having_one]
    value = _the_new_one(new, name, spec, by)
    values = {**known, value: (value,)}
    partition = open_run.by_values(split, values)
    assignment = np.where(split.assignment == split.names.index(value), 0, 1)
    return Plan(value, change_tickets.setting_of(config, dataset, partition, run), assignment, values)


def _config(run: Run, spec: str, changes: Sequence[str]) -> Config:
    """The old run's settings over the new data, pictures brought to the side that the network takes."""
    values, shape = run.config.model_dump(mode="json"), run.info["data"]["input_shape"]
    for change in changes:
        if change.partition("=")[0] not in CHANGEABLE:
            raise BadInput(f"grow takes the settings {', '.join(CHANGEABLE)}; '{change}' is not among them")
        values = with_setting(values, change)
    square = len(shape) == 3 and shape[1] == shape[2] >= 8
    data = {**values["data"], "spec": spec, **({"image_size": shape[2]} if square else {})}
    return parse({**values, "controls": [], "device": device_here(run.config), "data": data})


def _loaded(run: Run, task: Task, config: Config) -> Dataset:
    """The new data; BadInput where the tickets cannot answer for them."""
    dataset, trained = sources.load(config.data, config.seed), run.info["data"]
    if not task.choice_answers and list(dataset.classes) != trained["classes"]:
        raise BadInput(
            f"the tickets tell {', '.join(trained['classes'])} apart; '{dataset.spec}' has {', '.join(dataset.classes)}"
        )
    column = run.info["partition"]["column"]
    if not task.choice_answers and column not in dataset.attributes:
        raise BadInput(f"the subsets are values of '{column}', and '{dataset.spec}' has no such attribute")
    return dataset


def _the_new_one(new: Sequence[str], name: str | None, spec: str, by: str) -> str:
    kind = "class" if by == "class" else "value"
    if not new:
        raise BadInput(f"'{spec}' has no {kind} without a ticket; give data with a new one")
    if name is None and len(new) > 1:
        raise BadInput(f"'{spec}' has several new ones ({', '.join(new)}); say with --name which gets the ticket")
    if name is not None and name not in new:
        raise BadInput(f"'{name}' is no new {kind} of '{spec}'; there are: {', '.join(new)}")
    return name or new[0]


def _train(
    run: Run, before: Tickets, plan: Plan, report: Report
) -> tuple[Grown, dict[tuple[int, int], Any], list[dict[str, Any]]]:
    """(the new ticket, norm statistics of its lighter levels, what they were measured at)."""
    setting = plan.setting
    config, dataset, k = setting.config, setting.dataset, run.tickets.k
    subset, two = against_rest(dataset, plan.assignment, plan.name, setting.task)
    journal = MemoryJournal()
    experiment = Experiment(config, setting.network, setting.layout, (subset,), setting.inputs, report, journal)
    start = first_subnetwork(setting.network, before.rtl.subnetworks, plan.name)
    with refusing_divergence(config):
        grown = grow_ticket(experiment, start, run.tickets.levels, run.tickets.target.density)
    alone = TicketSet((plan.name,), (plan.name,), setting.layout, grown.pruned_at[None], run.tickets.levels)
    eval_set = audit.evaluation_set(dataset, two, setting.task, "val", audit.LEVEL_ROWS)
    lighter, records = lighter_tickets(
        experiment, replace(before.rtl, subnetworks=(grown.subnetwork,)), alone, eval_set
    )
    return (
        grown,
        {(level, k): of_level for (level, _), of_level in lighter.items()},
        [{**r, "ticket": k} for r in records],
    )


def _with_ticket(tickets: TicketSet, name: str, grown: Grown) -> TicketSet:
    pruned_at = np.vstack([tickets.pruned_at, grown.pruned_at])
    return replace(tickets, names=(*tickets.names, name), subsets=(*tickets.subsets, name), pruned_at=pruned_at)


def _figures(after: Tickets) -> dict[str, Any]:
    """The new ticket on the test rows of old and new data."""
    k, eval_set, layout = after.tickets.k - 1, change_tickets.on_test_rows(after), after.tickets.layout
    answers = audit.own_answers(after.setting.network, after.rtl.subnetworks[k], layout, eval_set, k)
    figures, params = audit.ticket_figures(eval_set, k, answers), int(after.rtl.subnetworks[k].mask.sum())
    return {
        "ticket": after.tickets.names[k],
        "steps": after.setting.config.gated.steps,
        "density": params / after.tickets.n,
        "params": params,
        **figures,
    }


def _old_and_new(after: Tickets) -> list[dict[str, Any]]:
    """For each ticket the mean credit of its answers to the old and to the new test rows: for one-vs-rest tickets the
    share of all rows that are rightly told from or counted to its subset, for multi-class ones of right classes."""
    eval_set = change_tickets.on_test_rows(after)
    credit, new = after.answers(eval_set).credit, eval_set.subset == after.tickets.k - 1
    sides = {"old": ~new, "new": new}
    return [
        {"name": name} | {side: change_tickets.share(own[rows], eval_set.units[rows]) for side, rows in sides.items()}
        for name, own in zip(after.tickets.names, credit, strict=True)
    ]
