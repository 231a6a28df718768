"""The recipes of docs/architecture.md, followed: a model, a pruning score and a router that are not in the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.config import ModelSettings, parse
from rtl_core.learning.subnetwork import Subnetwork, as_module
from rtl_core.models import catalogue
from rtl_core.routing import routers
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.routing import Routing, route
from rtl_core.runs.store import samples
from rtl_core.runs.training import train_new
from rtl_core.tickets import pruning
from rtl_core.tickets.layout import Layout
from tests.toy_run import toy

pytestmark = pytest.mark.long

TINY = toy(data={"spec": "bundled:digits"}, partition={"by": "none"}, density=0.2, lighter=[0.05])


class OneLayer(nn.Module):
    """A model as somebody would add it: it states what masks cover, and ends in `head`."""

    prunable = ("body.weight",)

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Linear(inputs, 32, bias=False)
        self.head = nn.Linear(32, outputs)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x.flatten(1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def test_a_model(monkeypatch, tmp_path):
    built = lambda description: OneLayer(int(np.prod(description.input_shape)), description.outputs)  # noqa: E731
    monkeypatch.setitem(catalogue.CATALOGUE, "mlp", built)  # under a name that the settings know
    folder = train_new(parse({**TINY, "model": {"name": "mlp"}}), tmp_path)["folder"]
    opened = open_run(load_run(Path(folder)))
    (ticket,) = opened.learned["rtl"].subnetworks
    module = as_module(opened.network, ticket, opened.layout)
    assert set(opened.layout.names) == {"body.weight"}
    assert int((module.body.weight != 0).sum()) == int(ticket.mask.sum()) == round(0.2 * opened.layout.n)
    assert isinstance(ticket, Subnetwork)


def test_a_pruning_score(monkeypatch):
    def last_first(weights, kept, layout, gradients=None):
        return -np.arange(layout.n, dtype=float)

    monkeypatch.setitem(pruning.SCORES, "last_first", last_first)
    layout = Layout(("w",), ((10,),))
    every = np.ones(10, bool)
    mask = pruning.prune(pruning.scores_of("last_first", np.ones(10), every, layout), every, 4, layout)
    assert mask.tolist() == [True] * 4 + [False] * 6


def test_a_router(monkeypatch):
    class Always:
        name, uses_label = "always_the_first", False

        def choose(self, rows):
            return routers.Choice(np.zeros(len(rows), np.int64), np.full(len(rows), np.nan), 0.0, 0.0)

    monkeypatch.setitem(routers.ROUTERS, Always.name, lambda scene: Always())
    routed = route(Routing.of(open_run(load_run(samples()["domains"]))), Always.name)
    assert routed.report.row.agreement_with_oracle == pytest.approx(1 / 5)
    assert np.sum(routed.report.counts, axis=0).tolist()[1:] == [0] * 4


@pytest.mark.parametrize("name", ["mlp"])
def test_the_catalogue_itself_is_as_it_was(name):
    network = catalogue.build(ModelSettings(name=name), (1, 8, 8), 10, seed=0)
    assert network.prunable == ("fc1.weight", "fc2.weight")
