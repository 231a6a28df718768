"""A run before any training: its data, partition and networks, and the same as the learning room sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch

from rtl_core.config import Config
from rtl_core.data import partitions, sources
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.events import Diverged, Journal, Report
from rtl_core.learning.backbone import backbone_features
from rtl_core.learning.experiment import Experiment, Inputs
from rtl_core.learning.subnetwork import TrainedMethod
from rtl_core.learning.subsets import ticket_subsets, which_subset
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import at_width, build, of_size
from rtl_core.models.network import Network
from rtl_core.rng import numpy_generator
from rtl_core.storage_budget import budget
from rtl_core.tasks.catalogue import task_of
from rtl_core.tasks.task import Task
from rtl_core.threads import use_threads
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count
from rtl_core.tickets.storage import check_budget
from rtl_core.tickets.ticket_set import TicketSet


@dataclass(frozen=True)
class Counted:
    """Rows of other data than a run's own that do not count (None: not checked), and what is to be said of them and of
    how the data were read."""

    rows_left_out: int | None
    notes: list[str]


@dataclass(frozen=True)
class Setting:
    """A run before any training, or a finished one over data: what is learned from, or asked about, and with what.

    rows_left_out  rows of other data than a run's own that do not count, as it has seen them; None: not checked
    """

    config: Config
    task: Task
    dataset: Dataset
    partition: Partition
    network: Network
    one_network: Network | None
    layout: Layout
    redrawn: Network | None = None  # the network from other initial weights, where a control wants it
    rows_left_out: int | None = 0

    @cached_property
    def inputs(self) -> Inputs:
        """Row indices -> the network's inputs; on another device the rows lie there, all at once, so none travels."""
        device = device_here(self.config)
        return self.dataset.inputs if device == "cpu" else self.dataset.inputs_on(device)

    def trained(self, tickets: TicketSet, rtl: TrainedMethod) -> TrainedTickets:
        """Tickets of this network as they compute, over these data."""
        over = (self.task, self.dataset, self.partition, self.network)
        batches, seed = self.config.sharing.recalibrate_batches, self.config.seed
        return TrainedTickets(*over, rtl.subnetworks, tickets, batches, seed)

    def network_of(self, learned: TrainedMethod) -> Network:
        """The network that a method's subnetworks belong to; without weights where it is of another width."""
        if learned.width is not None:
            return at_width(self.network, learned.width)
        if learned.reads == "per_subset":
            return self.network
        if self.one_network is None:
            raise BadInput(f"method '{learned.method}' answers for all subsets at once; task '{self.task.name}' cannot")
        return self.one_network

    @property
    def reading_notes(self) -> list[str]:
        """Sentences on what was left out of the data, or read otherwise than it stands there."""
        return [*self.dataset.notes, *self.partition.notes]

    @property
    def counted(self) -> Counted:
        """What results about these data say of them."""
        left_out, spec, notes = self.rows_left_out, self.dataset.spec, self.reading_notes
        if left_out is None:
            notes.append(
                f"It could not be checked whether the run was trained on rows of '{spec}': it keeps no digests of its "
                "own rows, and its data are not what or where they were. If it was, the figures flatter it."
            )
        elif left_out:
            notes.append(
                f"{left_out:,} of {len(self.dataset):,} rows are left out: the run was trained or tuned on them."
            )
        return Counted(left_out, notes)


@contextmanager
def refusing_divergence(config: Config) -> Iterator[None]:
    """Inside, a training whose loss becomes infinite is bad input: the learning rate is a setting."""
    try:
        yield
    except Diverged as error:
        scores = error.stage.phase == "scores"
        name, rate = (
            ("gated.learning_rate", config.gated.learning_rate) if scores else (None, error.stage.learning_rate)
        )
        raise BadInput(f"{error}: lower {name or 'the learning rate'} (it is {rate:g})") from None


def device_here(config: Config) -> str:
    """Where a run that is trained already computes: on its device, or on the processor of a machine without one."""
    return "cpu" if config.device == "cuda" and not torch.cuda.is_available() else config.device


def prepare(config: Config, report: Report, journal: Journal, dataset: Dataset | None = None) -> Setting:
    """Data, partition and networks of a run; raises BadInput where they do not fit together."""
    use_threads(config.threads)
    if device_here(config) != config.device:
        raise BadInput("setting 'device': this machine has no CUDA device that PyTorch can use; take cpu")
    task = task_of(config)
    dataset = dataset if dataset is not None else sources.load(config.data, config.seed)
    features = None
    if config.partition.by in ("kmeans", "hdbscan") and config.partition.features == "backbone":
        if dataset.labels is None:
            raise BadInput(
                f"partition.features backbone: it learns to tell classes apart, and '{dataset.spec}' has no class for "
                "each row; take raw or pca"
            )
        backbone = build(config.model, dataset.input_shape, len(dataset.classes), config.seed)
        with refusing_divergence(config):
            features = backbone_features(backbone, dataset, config, report, journal)
    task = task.on(dataset, config.loss)
    partition = partitions.split(dataset, config.partition, config.seed, features)
    network = build(config.model, dataset.input_shape, task.output_shape(dataset), config.seed)
    one_network = build(config.model, dataset.input_shape, partition.k, config.seed) if task.readings else None
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    if config.storage is not None:
        check_budget(budget(config.storage), kept_count(config.density, layout.n), layout.n)
    redrawn = None
    if "reinitialised" in config.controls:
        other = int(numpy_generator(config.seed, "reinitialised").integers(2**31))
        redrawn = build(config.model, dataset.input_shape, network.output_shape, other)
    return Setting(config, task, dataset, partition, network, one_network, layout, redrawn)


def experiment(setting: Setting, report: Report, journal: Journal) -> Experiment:
    """The setting as the learning room sees it."""
    one = None
    if setting.one_network is not None:
        one = which_subset(setting.dataset, setting.partition)
    return Experiment(
        setting.config,
        setting.network,
        setting.layout,
        ticket_subsets(setting.dataset, setting.partition, setting.task, setting.config.reweigh),
        setting.inputs,
        report,
        journal,
        setting.one_network,
        one,
        setting.redrawn,
        lambda weights: of_size(setting.network, weights, setting.config.seed),
    )
