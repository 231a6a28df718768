"""Gated mode on the toy net: exact budgets at every rung, frozen weights, and the controls over the same backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rtl_core.events import Event
from rtl_core.learning import gated
from rtl_core.learning.controls import CONTROLS, gradient_steps
from rtl_core.tickets.pruning import kept_count

CONTROLS_HERE = {name: control.gated for name, control in CONTROLS.items() if control.gated is not None}
SETTINGS = {
    "mode": "gated",
    "gated": {"backbone_steps": 6, "steps": 5, "batch_size": 8, "learning_rate": 0.05},
    "controls": ["imp_single", "dense"],
}


class Gate:
    """Sees the first two inputs."""

    def __init__(self, lab):
        self.inputs, self.parameters = lab.inputs, {"weight": torch.zeros(2, 3)}

    def logits(self, rows):
        return self.inputs(rows)[:, :2] @ self.parameters["weight"]


@pytest.fixture
def learned(make_lab):
    lab = make_lab(**SETTINGS)
    start = gated.backbone(lab)
    return lab, start, gated.learn_gated(lab, start, Gate(lab))


def test_every_rung_keeps_exactly_its_budget_over_all_tickets_and_is_nested(learned):
    lab, _, found = learned
    tickets, total = found.tickets, found.tickets.k * lab.layout.n
    before = np.ones((tickets.k, lab.layout.n), bool)
    for rung in tickets.rungs:
        masks = tickets.masks(rung)
        assert masks.sum() == kept_count(rung.density, total)
        assert not (masks & ~before).any()
        before = masks
    parts = found.learned.parts
    assert all(np.array_equal(part.mask, mask) for part, mask in zip(parts, tickets.masks(), strict=True))


def test_the_backbone_never_moves_and_is_shared_by_all_methods(learned):
    lab, start, found = learned
    for method in ("rtl", *CONTROLS_HERE):
        parts = (found.learned if method == "rtl" else CONTROLS_HERE[method](lab, start, found)).parts
        assert len(parts) == 3
        for part in parts:
            assert all(torch.equal(part.shared[name], start.shared[name]) for name in start.shared)


def test_one_mask_has_a_tickets_budget_and_the_union_control_the_unions(learned):
    lab, start, found = learned
    one = CONTROLS_HERE["imp_single"](lab, start, found)
    assert {int(part.mask.sum()) for part in one.parts} == {kept_count(0.5, lab.layout.n)}
    union = CONTROLS_HERE["imp_single_union"](lab, start, found)
    assert {int(part.mask.sum()) for part in union.parts} == {int(found.tickets.masks().any(axis=0).sum())}
    assert all(part.mask is None for part in CONTROLS_HERE["dense"](lab, start, found).parts)


def test_the_same_seed_gives_the_same_bits(make_lab):
    def once():
        lab = make_lab(**SETTINGS)
        gate = Gate(lab)
        found = gated.learn_gated(lab, gated.backbone(lab), gate)
        return found.tickets.pruned_at, gate.parameters["weight"], found.learned.parts[0].private["5.weight"]

    first, again = once(), once()
    assert np.array_equal(first[0], again[0])
    assert all(torch.equal(a, b) for a, b in zip(first[1:], again[1:], strict=True))


def test_the_steps_promised_are_the_steps_taken(make_lab):
    taken: dict[tuple, int] = {}

    def count(event: Event) -> None:
        if event.step:
            taken[event.phase, event.method] = event.step

    lab = make_lab(report=count, **SETTINGS)
    start = gated.backbone(lab)
    found = gated.learn_gated(lab, start, Gate(lab))
    for method in lab.config.controls:
        CONTROLS_HERE[method](lab, start, found)
    assert sum(taken.values()) == gradient_steps(lab.config, 3, lab.layout.n)
