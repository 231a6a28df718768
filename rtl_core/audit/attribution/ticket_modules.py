"""What is explained: a run's tickets as plain modules, and the same weights under other masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from rtl_core.audit.attribution.regions import Regions, regions_of
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.models.network import Network
from rtl_core.rng import numpy_generator
from rtl_core.tasks.task import Task
from rtl_core.tickets.pruning import dead_layers, random_like
from rtl_core.tickets.ticket_set import TicketSet

ABLATED = 7  # cells a side that ablation takes away from a picture, one at a time


class Explained(nn.Module):
    """A network whose outputs (n, ...) become the numbers (n, m) that a map can explain."""

    def __init__(self, network: nn.Module, explained: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.network, self.explained = network, explained

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.explained(self.network(x))


@dataclass(frozen=True)
class Subject:
    """The tickets of a run with what they are asked about.

    subnetworks  ticket -> its tensors
    others  method ("dense", ...) -> ticket -> the tensors of that method for the ticket's subset
    """

    task: Task
    dataset: Dataset
    network: Network
    tickets: TicketSet
    subnetworks: Mapping[str, Subnetwork]
    others: Mapping[str, Mapping[str, Subnetwork]]

    @classmethod
    def of(
        cls, task: Task, dataset: Dataset, network: Network, tickets: TicketSet, learned: Mapping[str, TrainedMethod]
    ) -> Subject:
        """From a run's pieces; BadInput where there are no weights of the tickets, or nothing that a map explains."""
        if task.explains is None:
            raise BadInput(f"a map explains one number, and the answers of task '{task.name}' have none to choose")
        if "rtl" not in learned:
            raise BadInput("the run has masks only; explaining a ticket needs its weights")
        by_subset = {
            method: dict(zip(tickets.names, outcome.subnetworks, strict=True))
            for method, outcome in learned.items()
            if outcome.reads == "per_subset"
        }
        return cls(task, dataset, network, tickets, by_subset.pop("rtl"), by_subset)

    @property
    def groups(self) -> Regions:
        """What ablation takes away at a time: a cell of a picture, a column of a table."""
        return regions_of(self.dataset, ABLATED)

    def index(self, ticket: str) -> int:
        if ticket not in self.tickets.names:
            raise BadInput(f"there is no ticket '{ticket}'; there are: {', '.join(self.tickets.names)}")
        return self.tickets.names.index(ticket)

    def explains(self, ticket: str) -> tuple[str, ...]:
        """The names of the numbers that a map of the ticket can explain."""
        return self.task.explains(self.dataset, self.tickets.subsets[self.index(ticket)])

    @property
    def sure(self) -> bool:
        """Whether answers have a probability."""
        return self.task.log_p is not None

    @property
    def has_one_output(self) -> bool:
        return len(self.explains(self.tickets.names[0])) == 1

    def module(self, ticket: str) -> nn.Module:
        """The ticket as a plain module of its own."""
        self.index(ticket)
        return self._module(self.subnetworks[ticket])

    def dense(self, ticket: str) -> nn.Module | None:
        """The dense control for the ticket's subset, where the run has one."""
        smallest = self.others.get("dense")
        return self._module(smallest[ticket]) if smallest else None

    def under_mask(self, ticket: str, mask: np.ndarray) -> nn.Module:
        """The ticket's weights, head and norms under another mask, bool (N,)."""
        self.index(ticket)
        return self._module(replace(self.subnetworks[ticket], mask=mask))

    def _module(self, subnetwork: Subnetwork) -> nn.Module:
        """With the numbers that a map can explain as its outputs, in eval mode."""
        module = as_module(self.network, subnetwork, self.tickets.layout)
        return module if self.task.explained is None else Explained(module, self.task.explained).eval()

    def under_random_mask(self, ticket: str, seed: int) -> nn.Module:
        """Under a random mask with as many weights in every layer as the ticket's."""
        mask = self.tickets.masks()[self.index(ticket)]
        drawn = random_like(mask, self.tickets.layout, numpy_generator(seed, "attribution", "random mask", ticket))
        return self.under_mask(ticket, drawn)

    def under_other_masks(self, ticket: str, most: int) -> list[nn.Module]:
        """Under the masks of the tickets that follow it, at most so many."""
        k, masks = self.index(ticket), self.tickets.masks()
        following = [(k + i) % len(masks) for i in range(1, len(masks))]
        return [self.under_mask(ticket, masks[other]) for other in following[:most]]

    def empty_layers(self, ticket: str) -> tuple[str, ...]:
        """Layers of which the ticket keeps nothing."""
        return dead_layers(self.tickets.masks()[self.index(ticket)], self.tickets.layout)
