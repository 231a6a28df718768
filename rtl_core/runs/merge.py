"""`remove`, `merge` and `redundancy`: a finished run with fewer tickets (docs/grow.md)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.audit import evaluate as audit
from rtl_core.audit.redundancy import Redundancy, answers_to_all, changes, redundancy
from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, Report, silent
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.grow import against_rest
from rtl_core.learning.merge import Merged, merged_assignment
from rtl_core.learning.merge import merge as merge_tickets
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.read_only import refused_in_public
from rtl_core.runs import change_tickets, open_run
from rtl_core.runs.change_tickets import Tickets
from rtl_core.runs.checkpoint import Run, load_lighter
from rtl_core.runs.train_methods import lighter_tickets
from rtl_core.tickets.ticket_set import TicketSet


@refused_in_public("removing a ticket")
def remove(run: Run, ticket: str, root: Path) -> dict[str, Any]:
    """A new run below `root` without one of the tickets: the JSON document of `remove`."""
    began = time.monotonic()
    (gone,) = _indices(run, [ticket])
    _check_left(run, 1)
    folder = change_tickets.new_folder(run, root, "removed", ticket)
    if (made := change_tickets.recorded(folder, "removed")) is not None:
        return made
    before = change_tickets.open_tickets(run)
    left = [k for k in range(run.tickets.k) if k != gone]
    values = _values(run, left)
    after = _with(before, left, None, values)
    document = {"from": run.name, "removed": ticket, **_routed(before, after)}
    changed = change_tickets.Changed(after, _lighter(run, left), _levels(run, left), values)
    return change_tickets.save(run, folder, changed, "removed", document, began)


@refused_in_public("merging tickets")
def merge(run: Run, tickets: Sequence[str], how: str, root: Path) -> dict[str, Any]:
    """A new run below `root` with several tickets as one, the last: the JSON document of `merge`.

    how  one of `learning.merge.WAYS`
    `subsets`: what that does to each of their subsets, on test rows (`audit.redundancy.changes`).
    """
    began = time.monotonic()
    chosen = _indices(run, tickets)
    _check_left(run, len(chosen) - 1)
    folder = change_tickets.new_folder(run, root, "merged", sorted(tickets), how)
    if (made := change_tickets.recorded(folder, "merged")) is not None:
        return made
    before = change_tickets.open_tickets(run)
    trained = before.setting.trained(before.tickets, before.rtl)
    merged = merge_tickets(trained, chosen, how)
    left, name = [k for k in range(run.tickets.k) if k not in chosen], merged.subnetwork.subset
    known = open_run.values_of(run)
    joint = tuple(value for k in chosen for value in known[run.tickets.subsets[k]])
    values = {**_values(run, left), name: joint}
    after = _with(before, left, merged, values)
    eval_set = change_tickets.on_test_rows(before)
    own = [answers_to_all(trained, before.rtl.subnetworks[k], eval_set) for k in chosen]
    subsets = changes(chosen, own, answers_to_all(trained, merged.subnetwork, eval_set), eval_set, run.config.seed)
    params = int(merged.subnetwork.mask.sum())
    document = {
        "from": run.name,
        "merged": {"ticket": name, "how": how, "density": params / run.tickets.n, "params": params},
        "subsets": subsets,
        **_routed(before, after),
    }
    lighter, records = _measured(trained, merged, chosen, before, len(left))
    lighter, records = {**_lighter(run, left), **lighter}, [*_levels(run, left), *records]
    changed = change_tickets.Changed(after, lighter, records, values)
    return change_tickets.save(run, folder, changed, "merged", document, began)


def redundancy_of(run: Run, pairs: int | None = None, report: Report = silent) -> Redundancy:
    """Which pairs of a run's tickets could be one, on validation rows."""
    return redundancy(open_run.open_run(run).trained_tickets, pairs=pairs, report=report)


def _with(before: Tickets, left: Sequence[int], merged: Merged | None, values: dict[str, tuple[str, ...]]) -> Tickets:
    """The tickets that are left, and the merged one after them."""
    own, setting = before.tickets, before.setting
    pruned_at, subnetworks = own.pruned_at[list(left)], [before.rtl.subnetworks[k] for k in left]
    if merged is not None:
        pruned_at, subnetworks = np.vstack([pruned_at, merged.pruned_at]), [*subnetworks, merged.subnetwork]
    names = tuple(own.names[k] for k in left) + (() if merged is None else (merged.subnetwork.subset,))
    tickets = TicketSet(names, tuple(values), own.layout, pruned_at, own.levels)
    code = np.full(own.k + 1, len(left) if merged is not None else -1)
    code[list(left)], code[-1] = np.arange(len(left)), -1  # the last place is for rows of no subset
    partition = replace(setting.partition, names=tuple(values), assignment=code[setting.partition.assignment])
    config = parse({**setting.config.model_dump(mode="json"), "controls": []})
    changed = replace(setting, config=config, partition=partition)
    gate = change_tickets.fitted_gate(before.gate.features, setting.dataset, partition)
    return Tickets(changed, tickets, replace(before.rtl, subnetworks=tuple(subnetworks)), gate)


def _routed(before: Tickets, after: Tickets) -> dict[str, Any]:
    """Routers before and after, on the test rows that have a ticket after."""
    eval_set, was = change_tickets.on_test_rows(after), before.setting.partition
    eval_set_before = replace(eval_set, subset=was.assignment[eval_set.rows], names=was.names)
    credits = [
        change_tickets.credit_by_router(state, state.answers(own), own)
        for state, own in ((before, eval_set_before), (after, eval_set))
    ]
    return change_tickets.routed(*credits, eval_set.units)


def _measured(
    trained: TrainedTickets, merged: Merged, chosen: Sequence[int], before: Tickets, k: int
) -> tuple[dict[tuple[int, int], Any], list[dict[str, Any]]]:
    """Norm statistics and figures of the merged ticket's lighter levels; k: its index in the new run."""
    setting, name = before.setting, merged.subnetwork.subset
    assignment = merged_assignment(trained, chosen)
    subset, two = against_rest(setting.dataset, assignment, name, trained.task)
    config, layout = setting.config, setting.layout
    experiment = Experiment(config, trained.network, layout, (subset,), setting.dataset.inputs, silent, MemoryJournal())
    alone = TicketSet((name,), (name,), layout, merged.pruned_at[None], before.tickets.levels)
    eval_set = audit.evaluation_set(setting.dataset, two, trained.task, "val", audit.LEVEL_ROWS)
    lighter, records = lighter_tickets(
        experiment, replace(before.rtl, subnetworks=(merged.subnetwork,)), alone, eval_set
    )
    return {(level, k): of_level for (level, _), of_level in lighter.items()}, [{**r, "ticket": k} for r in records]


def _lighter(run: Run, left: Sequence[int]) -> dict[tuple[int, int], Any]:
    return {(level, left.index(k)): tensors for (level, k), tensors in load_lighter(run).items() if k in left}


def _levels(run: Run, left: Sequence[int]) -> list[dict[str, Any]]:
    return [{**r, "ticket": left.index(r["ticket"])} for r in run.info["rungs"] if r["ticket"] in left]


def _values(run: Run, left: Sequence[int]) -> dict[str, tuple[str, ...]]:
    known = open_run.values_of(run)
    return {run.tickets.subsets[k]: known[run.tickets.subsets[k]] for k in left}


def _indices(run: Run, tickets: Sequence[str]) -> list[int]:
    for ticket in tickets:
        if ticket not in run.tickets.names:
            raise BadInput(f"run '{run.name}' has no ticket '{ticket}'; it has: {', '.join(run.tickets.names)}")
    return [run.tickets.names.index(ticket) for ticket in tickets]


def _check_left(run: Run, fewer: int) -> None:
    if run.tickets.k - fewer < 2:
        raise BadInput(f"run '{run.name}' has {run.tickets.k} tickets, and at least two must be left to choose among")
