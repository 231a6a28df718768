"""Accounting of routers on tables small enough to count by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rtl_core.audit.accuracy_cost import cost_curve
from rtl_core.audit.evaluate import Answers, EvaluationSet, gathered
from rtl_core.audit.router_metrics import Routed, TicketCosts, calibration, router_report, router_row
from rtl_core.data.dataset import Dataset
from rtl_core.documents import plain
from rtl_core.routing.budget import Options
from rtl_core.routing.routers import Choice, LeastDoubt, OracleRouter
from rtl_core.routing.serving import Serving
from rtl_core.statistics.intervals import wilson
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.ticket_set import Level

# six rows, two subsets, two classes; ticket 0 says class 0 of every row, ticket 1 says class 1
Y = np.array([0, 1, 0, 1, 0, 1])
SUBSET = np.array([0, 0, 0, 1, 1, 1])
CHOSEN = np.array([0, 1, 1, 1, 1, 0])
SURE = np.log(3.0)  # probabilities 3/4 and 1/4
EVERYONE = np.stack([np.tile([SURE, 0.0], (6, 1)), np.tile([0.0, SURE], (6, 1))]).astype(np.float32)
COSTS = TicketCosts(2000, np.array([10, 30]), np.array([100, 300]))
SURENESS = np.array([0.95, 0.65, 0.65, 0.95, 0.95, 0.65])


def eval_set(task: str = "multiclass", copies: int = 1) -> EvaluationSet:
    n = 6 * copies
    dataset = Dataset(
        spec="toy",
        kind="table",
        x=np.eye(2, dtype=np.float32)[np.tile(Y, copies)],
        y=np.tile(Y, copies),
        classes=("a", "b"),
        attributes=pd.DataFrame({"side": np.tile(["l", "r", "l", "r", "l", "r"], copies)}),
        split=np.full(n, "test"),
        unit=np.arange(n),
        fingerprint="toy",
    )
    return EvaluationSet(dataset, TASKS[task], np.arange(n), np.tile(SUBSET, copies), ("one", "two"))


def routed(task: str = "multiclass", uses_label: bool = False, **choice) -> Routed:
    answers = answers_of(task, EVERYONE)
    doubt = TASKS[task].doubt
    router = OracleRouter("oracle", True, SUBSET) if uses_label else LeastDoubt(lambda rows: answers.doubt, doubt)
    made = {"ticket": CHOSEN, "confidence": SURENESS, "calls": 0.5, "macs": 50.0, **choice}
    return Routed(eval_set(task), router, Choice(**made), answers, COSTS)


def answers_of(task: str, outputs: np.ndarray, copies: int = 1) -> Answers:
    doubts = [TASKS[task].doubt.of(torch.from_numpy(each)).numpy() for each in outputs]
    return gathered(eval_set(task, copies), list(zip(outputs, doubts, strict=True)))


def test_a_row_by_hand():
    row = router_row(routed())
    # answers are the chosen tickets: 0 1 1 1 1 0 against 0 1 0 1 0 1
    assert row.accuracy == pytest.approx(3 / 6)
    assert row.balanced_accuracy == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert row.agreement_with_oracle == pytest.approx(3 / 6)  # rows 0, 3 and 4
    assert row.ci["agreement_with_oracle"] == pytest.approx(wilson(3, 6))
    # some ticket is right on every row; where the chosen one is not, it loses log 3/4 - log 1/4
    assert row.regret_01 == pytest.approx(3 / 6)
    assert row.regret_loss == pytest.approx(3 / 6 * np.log(3))
    assert row.flops_share == pytest.approx((0.5 * 2000 + 100) / (0.5 * 2000 + 100 + 2000))
    macs = 0.5 * 200 + 50
    assert row.macs_share == pytest.approx(macs / (macs + (2 * 100 + 4 * 300) / 6))
    assert (row.router, row.uses_label, row.n, row.note) == ("min_entropy", False, 6, None)
    assert json.loads(json.dumps(plain(row), allow_nan=False)) == plain(row)


def test_a_mixture_answers_with_its_probabilities():
    # 3/4 ticket 0 and 1/4 ticket 1 of each row: class 0 has 3/4 * 3/4 + 1/4 * 1/4 = 5/8
    row = router_row(routed(mixture=np.tile([0.75, 0.25], (6, 1)), ticket=np.zeros(6, int)))
    assert row.accuracy == pytest.approx(3 / 6)
    expected = np.log(3 / 4) - np.where(Y == 0, np.log(5 / 8), np.log(3 / 8))
    assert row.regret_loss == pytest.approx(expected.mean())


def test_the_label_oracle_of_one_vs_rest_claims_nothing():
    row = router_row(routed("one_vs_rest", uses_label=True, ticket=SUBSET, confidence=np.full(6, np.nan)))
    assert row.accuracy is row.balanced_accuracy is row.regret_01 is row.regret_loss is row.ece is None
    assert row.agreement_with_oracle == 1 and row.uses_label
    assert "no accuracy is claimed" in row.note


def test_one_vs_rest_answers_with_the_ticket_itself():
    row = router_row(routed("one_vs_rest"))
    assert row.accuracy == row.agreement_with_oracle == pytest.approx(0.5)
    assert row.balanced_accuracy == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert row.regret_01 is None


def test_the_label_oracle_of_multiclass_tickets_is_called_an_upper_bound():
    assert "upper bound" in router_row(routed(uses_label=True, ticket=SUBSET)).note


def test_the_document_of_route_by_hand():
    report = router_report(routed())
    assert report.classes == ["a", "b"] and report.tickets == ["one", "two"]
    assert report.counts == [[1, 2], [1, 2]]
    assert report.confusion == [[1, 2], [1, 2]]
    assert report.cost.params == pytest.approx((2 * 10 + 4 * 30) / 6)
    assert report.cost.flops_executed == 0.5 * 2000 + 100 + 2000
    assert report.cost.macs_nonzero == pytest.approx(0.5 * 200 + 50 + (2 * 100 + 4 * 300) / 6)
    assert report.cost.gate_flops_share == pytest.approx(1100 / 3100)
    assert [(g.group, g.n, g.status) for g in report.groups] == [
        ("side=l", 3, "refused"),
        ("side=r", 3, "refused"),
    ]
    assert report.groups[0].agreement is None and report.groups[0].counts == [1, 2]
    document = plain(report)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["accuracy"] == report.row.accuracy and document["calibration"]["bins"][0]["from"] == 0.6


def test_groups_with_enough_rows_say_how_often_they_reach_their_ticket():
    many = eval_set(copies=12)
    choice = Choice(np.tile(CHOSEN, 12), np.full(72, np.nan), 0.0, 0.0)
    answers = answers_of("multiclass", np.tile(EVERYONE, (1, 12, 1)), copies=12)
    left, right = router_report(Routed(many, OracleRouter("context", True, SUBSET), choice, answers, COSTS)).groups
    assert (left.n, left.status, left.agreement) == (36, "ok", pytest.approx(2 / 3))
    assert right.agreement == pytest.approx(1 / 3)
    assert right.ci == pytest.approx(wilson(12, 36))


def test_calibration_by_hand():
    calibrated = calibration(routed())
    low, high = calibrated.bins
    # at .65 rows 1, 2, 5: none reaches its own ticket; at .95 rows 0, 3, 4: all do
    assert (low.low, low.n, low.agreement) == (0.6, 3, 0)
    assert (high.high, high.n, high.agreement) == (1.0, 3, 1)
    assert low.confidence == pytest.approx(0.65) and high.confidence == pytest.approx(0.95)
    assert calibrated.ece == pytest.approx(0.5 * 0.65 + 0.5 * 0.05)
    assert calibrated.n == 6
    assert calibration(routed(confidence=np.full(6, np.nan))) is None


class _Says(nn.Module):
    """Class 0 or 1 of every row."""

    def __init__(self, answer: int):
        super().__init__()
        self.answer = nn.Parameter(torch.eye(2)[answer])

    def forward(self, x):
        return self.answer.expand(len(x), 2)


def test_the_curve_keeps_every_bound_and_counts_what_was_used():
    levels = (Level(1, 0.5, "target"), Level(2, 0.1, "lighter"))
    cost = np.array([[40, 10], [40, 20]])
    offered = Options(levels, cost, cost, np.array([[0.9, 0.5], [0.9, 0.5]]))
    servings = [Serving((_Says(0), _Says(1)), (2,)), Serving((_Says(1), _Says(1)), (2,))]  # the lighter ticket 0 errs
    choice = Choice(SUBSET, np.full(6, np.nan), 0.0, 0.0)
    curve = cost_curve(eval_set(), choice, offered, servings, "macs", points=4)
    assert [point.bound for point in curve] == [10, 20, 30, 40]
    assert all(point.cost <= point.bound for point in curve)
    assert curve[0].tickets == [6, 0] and curve[0].levels == [0, 6]
    assert curve[0].accuracy == pytest.approx(3 / 6)  # class 1 of every row
    assert curve[-1].tickets == [3, 3] and curve[-1].levels == [6, 0]
    assert curve[-1].accuracy == pytest.approx(4 / 6)  # 0 0 0 1 1 1 against 0 1 0 1 0 1
    assert curve[-1].ci.accuracy == pytest.approx(wilson(4, 6))
    again = cost_curve(eval_set(), choice, offered, servings, "macs", points=4)
    assert again == curve


def test_tickets_of_the_curve_that_are_one_vs_rest_must_be_the_subsets_and_say_yes():
    offered = Options((Level(1, 0.5, "target"),), np.array([[5], [5]]), np.array([[5], [5]]), np.full((2, 1), 0.9))
    yes, no = nn.Linear(2, 1), nn.Linear(2, 1)
    for module, bias in ((yes, 9.0), (no, -9.0)):
        nn.init.zeros_(module.weight), nn.init.constant_(module.bias, bias)
    choice = Choice(CHOSEN, np.full(6, np.nan), 0.0, 0.0)
    curve = cost_curve(eval_set("one_vs_rest"), choice, offered, [Serving((yes, no), (1,))], "params", points=1)
    assert curve[0].accuracy == pytest.approx(1 / 6)  # of the three rows with their own ticket, one has ticket 0
