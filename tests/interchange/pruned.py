"""Pruned networks and their masks for tests: what was pruned is known from plain torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks import join_with_notes, read_masks
from rtl_core.interchange.import_masks_ticket import Choice
from rtl_core.tickets.ticket_set import TicketSet

LAYERS = ("0.weight", "3.weight")


def saved(path: Path, what: object, **settings: object) -> Path:
    torch.save(what, path, **settings)
    return path


def joined(*files: Path, **chosen: object) -> tuple[TicketSet, dict[str, str]]:
    """The tickets of all files, and tensor -> why it is left out; `chosen`: fields of a `Choice`."""
    return read(*files, **chosen)[:2]


def read(*files: Path, **chosen: object) -> tuple[TicketSet, dict[str, str], str]:
    """The same, and all notes as one text."""
    choice = Choice(**chosen)
    foreign = [ticket for file in files for ticket in read_masks(file, choice=choice)]
    tickets, left_out, notes = join_with_notes(foreign, choice)
    return tickets, {entry["tensor"]: entry["reason"] for entry in left_out}, "\n".join(notes)


def refusal(*files: Path, **chosen: object) -> str:
    """The sentence with which files are refused."""
    with pytest.raises(BadInput) as caught:
        joined(*files, **chosen)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


def network(seed: int = 0) -> nn.Sequential:
    """Weights of 216 and 2,880 in `LAYERS`, none of them zero."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 10))


def masks(seed: int = 0, keep: float = 0.2) -> dict[str, torch.Tensor]:
    """Float masks of the network's layers."""
    draw = torch.Generator().manual_seed(seed)
    weights = network().state_dict()
    return {name: (torch.rand(weights[name].shape, generator=draw) < keep).float() for name in LAYERS}


def pruned(seed: int = 0) -> dict[str, torch.Tensor]:
    """The network's state dict with zeros where `masks(seed)` has them."""
    weights = network(seed).state_dict()
    return {**weights, **{name: weights[name] * mask for name, mask in masks(seed).items()}}


def flat(masks: dict[str, torch.Tensor]) -> np.ndarray:
    """bool (weights,), in the order of the layers."""
    return torch.cat([mask.flatten() != 0 for mask in masks.values()]).numpy()


def keeps(tickets: TicketSet, *seeds: int) -> bool:
    """Whether the tickets keep what the masks of these seeds keep, in both layers."""
    return tickets.layout.n == 3096 and np.array_equal(tickets.masks(), [flat(masks(seed)) for seed in seeds])
