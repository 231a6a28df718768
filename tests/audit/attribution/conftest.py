"""Small subjects: tickets over a net on 8 x 8 digits or on a table, untrained or trained within a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.audit.attribution.explain import Maps, Question, explain
from rtl_core.audit.attribution.methods import METHODS, Method, settings_of
from rtl_core.audit.attribution.sanity import Sanity, sanity
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.config import DataSettings, ModelSettings
from rtl_core.data import sources
from rtl_core.data.dataset import Dataset
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.models.catalogue import build, wrap
from rtl_core.models.network import Network
from rtl_core.tasks.classification import MULTICLASS, ONE_VS_REST
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

NAMES = ("a", "b", "c")


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.flatten(x))


def subject_of(dataset: Dataset, network: Network, density: float) -> Subject:
    """Three tickets with random masks over the network's weights as they are, and the dense network."""
    weights = {name: p.detach().clone() for name, p in network.module.named_parameters()}
    layout = Layout.of(weights, network.prunable)
    pruned_at = (np.random.default_rng(0).random((3, layout.n)) >= density).astype(np.uint8)
    tickets = TicketSet(NAMES, NAMES, layout, pruned_at, (Level(1, density, "target"),))
    buffers = {name: b.detach().clone() for name, b in network.module.named_buffers()}

    def learned(method: str, masks: list) -> TrainedMethod:
        subnetworks = tuple(
            Subnetwork(name, mask, weights, {}, buffers) for name, mask in zip(NAMES, masks, strict=True)
        )
        return TrainedMethod(method, subnetworks, "per_subset", network.output_shape, 0, 0, 0)

    methods = {"rtl": learned("rtl", list(tickets.masks())), "dense": learned("dense", [None] * 3)}
    task = ONE_VS_REST if network.output_shape == (1,) else MULTICLASS
    return Subject.of(task, dataset, network, tickets, methods)


def trained(subject: Subject, steps: int) -> Subject:
    """The first ticket's weights trained on all classes; outside its mask they stay as they were."""
    module = subject.module("a").train()
    weights = dict(module.named_parameters())
    masks = subject.tickets.layout.unflatten(torch.from_numpy(subject.tickets.masks()[0]))
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    generator = np.random.default_rng(0)
    for _ in range(steps):
        rows = generator.choice(subject.dataset.rows("train"), 64)
        loss = nn.functional.cross_entropy(
            module(subject.dataset.inputs(rows)), torch.from_numpy(subject.dataset.y[rows])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for name, mask in masks.items():
                weights[name].mul_(mask)
    new = {name: p.detach().clone() for name, p in weights.items()}
    for name, mask in masks.items():
        new[name] = torch.where(mask, new[name], subject.subnetworks["a"].shared[name])
    buffers = {name: b.detach().clone() for name, b in module.named_buffers()}
    subnetworks = {
        name: replace(subnetwork, shared=new, buffers=buffers) for name, subnetwork in subject.subnetworks.items()
    }
    return replace(subject, subnetworks=subnetworks)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return sources.load(DataSettings(spec="bundled:digits"), 0)


@pytest.fixture(scope="session")
def linear(digits) -> Subject:
    network = wrap(Linear(), ["head.weight"], ["head.bias"], digits.input_shape, 10)
    nn.init.normal_(network.module.head.weight, generator=torch.Generator().manual_seed(0))
    return subject_of(digits, network, 0.5)


@pytest.fixture(scope="session")
def random_net(digits) -> Subject:
    return subject_of(digits, build(ModelSettings(name="convnet", width=0.5), digits.input_shape, 10, 0), 0.3)


@pytest.fixture(scope="session")
def one_vs_rest(digits) -> Subject:
    return subject_of(digits, build(ModelSettings(name="convnet", width=0.25), digits.input_shape, 1, 0), 0.3)


@pytest.fixture(scope="session")
def trained_net(random_net) -> Subject:
    """It tells 96 % of the test digits right."""
    return trained(random_net, 120)


@pytest.fixture(scope="session")
def checked(digits) -> Callable[..., tuple[Maps, Sanity]]:
    """Maps of sixteen test digits through ticket a, with their scores."""

    def check(subject: Subject, method: str | Method, n: int = 16, **parameters) -> tuple[Maps, Sanity]:
        method = METHODS[method] if isinstance(method, str) else method
        x = digits.inputs(digits.rows("test")[:n])
        black = x.min() * torch.ones_like(x[:1])
        question = Question(method, settings_of(method, parameters), black, subject.groups)
        maps = explain(subject.module("a"), x, question)
        return maps, sanity(subject, "a", x, maps, question)

    return check
