"""The tickets of a finished training as they compute, over their data: what exchange, merging and their audits take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.models.network import Network
from rtl_core.tasks.task import Task
from rtl_core.tickets.ticket_set import TicketSet


@dataclass(frozen=True)
class TrainedTickets:
    """Tickets with what they compute with and what they are for.

    batches, seed  the training batches on which norm statistics are re-estimated, and the seed of their draw: those of
                   the run, so that they come from the very rows that the tickets' own came from
    """

    task: Task
    dataset: Dataset
    partition: Partition
    network: Network
    subnetworks: Sequence[Subnetwork]
    tickets: TicketSet
    batches: int
    seed: int
