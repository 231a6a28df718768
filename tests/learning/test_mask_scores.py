"""Mask scores over frozen weights: budgets, gradients known on paper, and what must not move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.events import Diverged, MemoryJournal, Stage, Stopped, silent
from rtl_core.learning import mask_scores as gated
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.method_steps import warm_start
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout

FLAT = {"score": "global_magnitude", "layer_floor": 0}
LAYOUT = Layout(("a", "b"), ((4,), (6,)))


@pytest.mark.parametrize("budget", [1, 7, 13, 30])
def test_the_budget_is_met_exactly_whatever_the_scores(budget):
    draw = np.random.default_rng(budget)
    for scores in (draw.random((3, 10)), np.zeros((3, 10)), draw.integers(0, 2, (3, 10)).astype(float)):
        kept = gated.binarise(scores, budget, LAYOUT)
        assert kept.sum() == budget
        assert scores[kept].min() >= scores[~kept].max(initial=-1)


def test_one_ticket_may_get_more_than_another_and_floors_hold():
    scores = np.stack([np.linspace(1, 2, 10), np.linspace(0, 0.9, 10)])
    assert gated.binarise(scores, 10, LAYOUT).sum(axis=1).tolist() == [10, 0]
    kept = gated.binarise(scores, 10, LAYOUT, layer_floor=2)
    assert kept.sum() == 10 and (kept[:, :4].sum(axis=1) >= 2).all() and (kept[:, 4:].sum(axis=1) >= 2).all()
    assert kept[1].tolist() == [False] * 2 + [True] * 2 + [False] * 4 + [True] * 2
    with pytest.raises(BadInput, match="a floor of 4 weights in each layer of 2 tickets needs more than the 10"):
        gated.binarise(scores, 10, LAYOUT, layer_floor=4)
    with pytest.raises(BadInput, match="2 tickets over 10 weights cannot keep 21 together"):
        gated.binarise(scores, 21, LAYOUT)


def test_smaller_budgets_are_nested_in_larger_ones():
    scores = np.random.default_rng(0).integers(0, 5, (3, 10)).astype(float)
    for small, large in ((3, 4), (4, 12), (12, 29)):
        assert not (gated.binarise(scores, small, LAYOUT) & ~gated.binarise(scores, large, LAYOUT)).any()


def test_first_scores_rank_the_weights_by_magnitude(make_experiment):
    experiment = make_experiment(extract={"score": "global_magnitude"})
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks=None)
    scores = gated.first_scores(experiment, subnetworks, experiment.subsets)
    assert all(np.array_equal(scores[0], row) for row in scores) and scores.min() == 0 and scores.max() == 1
    assert np.array_equal(
        np.argsort(scores[0]), np.argsort(experiment.layout.flatten(subnetworks[0].shared).abs().numpy())
    )


def test_straight_through_gives_the_masked_weight_and_a_gradient_to_every_score():
    weight, mask = torch.tensor([2.0, -3.0]), torch.tensor([1.0, 0.0])
    score = torch.tensor([0.3, 0.9], requires_grad=True)
    out = weight * gated.straight_through(mask, score)
    assert out.tolist() == [2.0, -0.0]
    (out * torch.tensor([5.0, 7.0])).sum().backward()
    assert score.grad.tolist() == [10.0, -21.0]  # weight * g, also where the mask is 0


def test_the_gates_gradient_is_its_probability_less_the_tickets_share_in_the_answer():
    own, second = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    gate = torch.tensor([[0.5, -0.5]], requires_grad=True)
    loss = gated.mixture_loss(own, second, gate, torch.tensor([0]))
    loss.backward()
    p = functional.softmax(gate.detach(), dim=1)[0]
    answers = torch.tensor([torch.softmax(own[0], 0)[0], torch.softmax(second[0], 0)[0]])
    share = p * answers / (p * answers).sum()
    assert loss.item() == pytest.approx(-float(torch.log((p * answers).sum())))
    assert gate.grad[0].tolist() == pytest.approx((p - share).tolist(), abs=1e-6)


def test_expected_density_and_imbalance_on_paper():
    gate = torch.zeros(4, 2)  # both tickets half of the time
    far_above, far_below = torch.full((10,), 9.0), torch.full((10,), -9.0)
    assert gated.expected_density(gate, [far_above, far_below], 0.0).item() == pytest.approx(0.5)
    assert gated.imbalance(gate).item() == pytest.approx(1)
    one_sided = torch.tensor([[30.0, 0.0]] * 4)
    assert gated.imbalance(one_sided).item() == pytest.approx(2)
    assert gated.expected_density(one_sided, [far_above, far_below], 0.0).item() == pytest.approx(1)


class TwoFeatureGate:
    def __init__(self, x):
        self.x = x
        self.parameters = {"weight": torch.zeros(2, 2)}

    def logits(self, rows):
        return self.x[rows] @ self.parameters["weight"]


@pytest.fixture
def toy():
    """Two subsets of opposite rules on two inputs: y = [x0 > 0] and y = [x1 > 0], told apart by the sign of x0 + x1."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=generator)
    first = x.sum(dim=1) > 0
    y = torch.where(first, x[:, 0] > 0, x[:, 1] > 0).long()
    module = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    network = Network(module, ("weight",), (), (), 2, (2,), {"name": "custom"})
    layout = Layout(("weight",), ((2, 2),))

    def subset(name, rows):
        return Subset(name, (np.flatnonzero(rows.numpy()),), lambda r: y[r], functional.cross_entropy)

    def run(steps=60, journal=None):
        shared = {"weight": module.weight.detach().clone()}
        subnetworks = [Subnetwork(name, None, shared, {}, {}) for name in ("first", "second")]
        subsets, gate = (subset("first", first), subset("second", ~first)), TwoFeatureGate(x)
        config = parse({"gated": {"learning_rate": 0.05, "binarise_every": 5, "batch_size": 32}, "extract": FLAT})
        experiment = Experiment(
            config, network, layout, subsets, lambda rows: x[rows], silent, journal or MemoryJournal()
        )
        scores = gated.train_scores(experiment, subnetworks, subsets, gate, 0.5, Stage("scores", "rtl", steps, 1e-2, 0))
        return scores, gate, shared, x, first

    return run


def test_tickets_find_their_own_input_and_the_gate_finds_the_subset(toy):
    scores, gate, shared, _, first = toy()
    masks = gated.binarise(scores, 4, Layout(("weight",), ((2, 2),)))
    assert masks.tolist() == [[True, False, True, False], [False, True, False, True]]
    assert shared["weight"].tolist() == [[-1.0, -1.0], [1.0, 1.0]]  # the shared weights never moved
    chosen = gate.logits(np.arange(400)).argmax(dim=1)
    assert (chosen == (~first).long()).float().mean() > 0.95
    assert not any(tensor.requires_grad for tensor in gate.parameters.values())


def test_training_is_deterministic_and_resumes_bit_for_bit(toy):
    whole, gate, *_ = toy(steps=23)

    class StopsAt(MemoryJournal):
        def mark(self, stage, step, last, state):
            super().mark(stage, step, last, state)
            if step == 12:  # between two binarisations
                self.kept = {stage.key: (step, {name: t.detach().clone() for name, t in state().items()})}
                raise Stopped("stopped here")

        def recall(self, stage):
            return getattr(self, "kept", {}).get(stage.key)

    journal = StopsAt()
    with pytest.raises(Stopped):
        toy(steps=23, journal=journal)
    journal.mark = lambda *_: None
    resumed, resumed_gate, *_ = toy(steps=23, journal=journal)
    assert np.array_equal(whole, resumed)
    assert torch.equal(gate.parameters["weight"], resumed_gate.parameters["weight"])


def test_one_tickets_training_does_not_move_anothers_scores(make_experiment):
    experiment = make_experiment(gated={"batch_size": 8})
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks=None)
    rests = replace(experiment.subsets[1], loss=lambda logits, targets: 0 * logits.sum())
    subsets = (experiment.subsets[0], rests)
    before = gated.first_scores(experiment, subnetworks[:2], subsets)
    scores = gated.train_scores(experiment, subnetworks[:2], subsets, None, 0.5, Stage("scores", "rtl", 5, 1e-2, 0))
    assert (scores[0] != before[0]).any() and np.array_equal(scores[1], before[1])


def test_scores_that_diverge_end_the_training(make_experiment):
    experiment = make_experiment()
    lost = replace(experiment.subsets[0], loss=lambda logits, targets: logits.sum() * float("nan"))
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks=None)[:1]
    with pytest.raises(Diverged, match="the loss of 'rtl' became nan in step 1 of scores"):
        gated.train_scores(experiment, subnetworks, (lost,), None, 0.5, Stage("scores", "rtl", 5, 1e-2, 0))


def test_a_finished_stage_is_passed_and_reported(make_experiment):
    events = []
    experiment = make_experiment(report=events.append)
    subnetworks, stage = (
        warm_start(experiment).subnetworks(experiment.names, masks=None),
        Stage("scores", "rtl", 3, 1e-2, 0),
    )
    first = gated.train_scores(experiment, subnetworks, experiment.subsets, None, 0.5, stage)
    events.clear()
    assert np.array_equal(gated.train_scores(experiment, subnetworks, experiment.subsets, None, 0.5, stage), first)
    assert [(event.step, event.steps) for event in events] == [(9, 9)]
