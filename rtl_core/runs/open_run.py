"""The one door to a finished run: its own network, weights and subsets, over its own data or over others.

Everything is taken from what the run holds, never made anew from its settings: a run that tickets were added to, merged
in or taken from is opened as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rtl_core.config import PartitionSettings
from rtl_core.data import partitions
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import TrainedMethod
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import rebuild
from rtl_core.routing.gate import LinearGate
from rtl_core.runs.checkpoint import Run, load_assignment, load_gate, load_learned
from rtl_core.runs.gates import remade_gate
from rtl_core.runs.prepare import Setting
from rtl_core.runs.run_data import dataset_of
from rtl_core.tasks.catalogue import task_named
from rtl_core.threads import use_threads


@dataclass(frozen=True, kw_only=True)
class OpenRun(Setting):
    """A finished run at work: what a training knows of its networks and data, and what came of it.

    partition  which of the run's subsets each row belongs to; -1 for rows of none
    network    without weights of its own: every method brings them
    learned    method -> what it computes with
    """

    run: Run
    learned: Mapping[str, TrainedMethod]

    @cached_property
    def gate(self) -> LinearGate | None:
        """The gate on file, over these data; None for runs that were made without one."""
        tensors = load_gate(self.run)
        if not tensors:
            return None
        features, dense = self.run.info["gate"]["features"], rebuild(self.run.info["model"])
        return remade_gate(tensors, features, self.run.tickets.k, self.dataset, dense)

    @property
    def trained_tickets(self) -> TrainedTickets:
        return self.trained(self.run.tickets, self.learned["rtl"])


def open_run(run: Run, spec: str | None = None) -> OpenRun:
    """The run over its own data, or over those that a spec names without the rows that it has seen.

    BadInput for runs that have masks only, for data that do not fit, and where its own have changed
    (`run_data.dataset_of`).
    """
    if run.masks_only:
        raise BadInput(f"run '{run.name}' has masks only: there is no network to ask")
    use_threads(run.config.threads)  # those it was trained with, so that its answers are the same bits
    dataset, left_out = dataset_of(run, spec)
    partition = subsets_of(run, dataset)
    if not (partition.assignment[dataset.rows("test")] >= 0).any():
        raise BadInput(f"no row of '{dataset.spec}' that could be tested on belongs to a subset of run '{run.name}'")
    task, model = task_named(run.config.task).on(dataset, run.config.loss), run.info["model"]
    return OpenRun(
        config=run.config,
        task=task,
        dataset=dataset,
        partition=partition,
        network=rebuild(model),
        one_network=rebuild({**model, "outputs": run.tickets.k}) if task.readings else None,
        layout=run.tickets.layout,
        rows_left_out=left_out,
        run=run,
        learned=load_learned(run),
    )


def subsets_of(run: Run, dataset: Dataset) -> Partition:
    """The run's own subsets on some rows; BadInput where they cannot be read off them."""
    by, column = run.info["partition"]["by"], run.info["partition"]["column"]
    values = values_of(run)
    if by == "class":
        result = np.array(dataset.classes, object)[dataset.labels]
    elif by == "attribute" and column in dataset.attributes:
        result = dataset.attributes[column].astype(str).to_numpy(object)
    elif dataset.fingerprint == run.info["data"]["fingerprint"]:
        kept = load_assignment(run)
        return by_values(all_values(run, dataset), values) if kept is None else _partition(run, kept)
    else:
        raise BadInput(
            f"the run's subsets were made by {by}{f' ({column})' if column else ''}, which cannot be read off "
            f"'{dataset.spec}'; give data that has this attribute"
        )
    return _partition(run, _subset_of_each(result, values))


def _partition(run: Run, assignment: np.ndarray) -> Partition:
    stated = run.info["partition"]
    return Partition(
        stated["by"],
        stated["column"],
        run.tickets.subsets,
        assignment,
        stated["uses_label"],
        stated.get("silhouette"),
        tuple(stated.get("notes", ())),
    )


def values_of(run: Run) -> dict[str, tuple[str, ...]]:
    """Subset -> the values of the class, attribute or clustering that belong to it: several after a merge."""
    merged = run.info["partition"].get("values", {})
    return {subset: tuple(merged.get(subset, (subset,))) for subset in run.tickets.subsets}


def all_values(run: Run, dataset: Dataset) -> Partition:
    """The run's way of splitting data, with or without a ticket for each value."""
    settings = {**run.config.partition.model_dump(), "column": run.info["partition"]["column"]}
    return partitions.split(dataset, PartitionSettings.model_validate(settings), run.config.seed)


def by_values(split: Partition, values: Mapping[str, Sequence[str]]) -> Partition:
    """The same rows by subset, where a subset has several of the split's values or one; -1 for the rest."""
    assignment = np.where(split.assignment >= 0, _subset_of_each(split.names, values)[split.assignment], -1)
    return replace(split, names=tuple(values), assignment=assignment)


def _subset_of_each(listed: Iterable[object], values: Mapping[str, Sequence[str]]) -> np.ndarray:
    """int64: the number of the subset that each of the listed values belongs to; -1 for values of none."""
    owner = {value: k for k, of_subset in enumerate(values.values()) for value in of_subset}
    return np.array([owner.get(str(value), -1) for value in listed], np.int64)
