"""Gated mode on the toy net: exact budgets at every level, frozen weights, and the controls over the same backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtl_core.events import Event
from rtl_core.learning import gated_methods
from rtl_core.learning.baselines import CONTROLS, gradient_steps
from rtl_core.tickets.pruning import kept_count

CONTROLS_HERE = {name: control.gated for name, control in CONTROLS.items() if control.gated is not None}
SETTINGS = {
    "mode": "gated",
    "gated": {"backbone_steps": 6, "steps": 5, "batch_size": 8, "learning_rate": 0.05},
    "controls": ["imp_single", "dense"],
}


class Gate:
    """Sees the first two inputs."""

    def __init__(self, experiment):
        self.inputs, self.parameters = experiment.inputs, {"weight": torch.zeros(2, 3)}

    def logits(self, rows):
        return self.inputs(rows)[:, :2] @ self.parameters["weight"]


@pytest.fixture
def learned(make_experiment):
    experiment = make_experiment(**SETTINGS)
    start = gated_methods.backbone(experiment)
    return experiment, start, gated_methods.learn_gated(experiment, start, Gate(experiment))


def test_every_rung_keeps_exactly_its_budget_over_all_tickets_and_is_nested(learned):
    experiment, _, gated = learned
    tickets, total = gated.tickets, gated.tickets.k * experiment.layout.n
    before = np.ones((tickets.k, experiment.layout.n), bool)
    for level in tickets.levels:
        masks = tickets.masks(level)
        assert masks.sum() == kept_count(level.density, total)
        assert not (masks & ~before).any()
        before = masks
    subnetworks = gated.learned.subnetworks
    assert all(
        np.array_equal(subnetwork.mask, mask) for subnetwork, mask in zip(subnetworks, tickets.masks(), strict=True)
    )


def test_the_backbone_never_moves_and_is_shared_by_all_methods(learned):
    experiment, start, gated = learned
    for method in ("rtl", *CONTROLS_HERE):
        subnetworks = (
            gated.learned if method == "rtl" else CONTROLS_HERE[method](experiment, start, gated)
        ).subnetworks
        assert len(subnetworks) == 3
        for subnetwork in subnetworks:
            assert all(torch.equal(subnetwork.shared[name], start.shared[name]) for name in start.shared)


def test_one_mask_has_a_tickets_budget_and_the_union_control_the_unions(learned):
    experiment, start, gated = learned
    one = CONTROLS_HERE["imp_single"](experiment, start, gated)
    assert {int(subnetwork.mask.sum()) for subnetwork in one.subnetworks} == {kept_count(0.5, experiment.layout.n)}
    union = CONTROLS_HERE["imp_single_union"](experiment, start, gated)
    assert {int(subnetwork.mask.sum()) for subnetwork in union.subnetworks} == {
        int(gated.tickets.masks().any(axis=0).sum())
    }
    assert all(subnetwork.mask is None for subnetwork in CONTROLS_HERE["dense"](experiment, start, gated).subnetworks)


def test_the_same_seed_gives_the_same_bits(make_experiment):
    def once():
        experiment = make_experiment(**SETTINGS)
        gate = Gate(experiment)
        gated = gated_methods.learn_gated(experiment, gated_methods.backbone(experiment), gate)
        return gated.tickets.pruned_at, gate.parameters["weight"], gated.learned.subnetworks[0].private["5.weight"]

    first, again = once(), once()
    assert np.array_equal(first[0], again[0])
    assert all(torch.equal(a, b) for a, b in zip(first[1:], again[1:], strict=True))


def test_the_steps_promised_are_the_steps_taken(make_experiment):
    taken: dict[tuple, int] = {}

    def count(event: Event) -> None:
        if event.step:
            taken[event.phase, event.method] = event.step

    experiment = make_experiment(report=count, **SETTINGS)
    start = gated_methods.backbone(experiment)
    gated = gated_methods.learn_gated(experiment, start, Gate(experiment))
    for method in experiment.config.controls:
        CONTROLS_HERE[method](experiment, start, gated)
    assert sum(taken.values()) == gradient_steps(experiment.config, 3, experiment.layout.n)
