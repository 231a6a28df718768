"""Which tickets could be one: changes counted on paper, verdicts by their intervals, a partition without meaning."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rtl_core.audit.evaluate import EvaluationSet
from rtl_core.audit.redundancy import changes, margin_of, redundancy, verdict, warnings
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.documents import plain
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import wrap
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

NAMES = ("A", "B", "C")


def eval_set_of(task: str, y, subset, names=NAMES) -> EvaluationSet:
    n = len(y)
    x, frame = np.zeros((n, 3), np.float32), pd.DataFrame(index=range(n))
    split = np.full(n, "val", object)
    dataset = Dataset("toy", "table", x, np.array(y), ("no", "yes"), frame, split, np.arange(n), "toy")
    return EvaluationSet(dataset, TASKS[task], np.arange(n), np.array(subset), names)


def test_multi_class_changes_on_paper():
    eval_set = eval_set_of("multiclass", [1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1])
    own_a, own_b = np.eye(2)[[1, 1, 0, 1, 0, 0]], np.eye(2)[[0, 0, 0, 0, 1, 1]]
    after = np.eye(2)[[1, 0, 1, 1, 1, 1]]
    a, b = changes((0, 1), [own_a, own_b], after, eval_set, seed=0)
    assert (a.subset, a.n, a.before, a.after, a.change) == ("A", 4, 0.75, 0.25, -0.5)
    low, high = a.ci.change
    assert -1 <= low < -0.5 < high <= 0
    assert (b.before, b.after, b.ci.change) == (1.0, 1.0, [None, None])  # equal everywhere: no spread


def test_one_vs_rest_leaves_out_the_partners_rows():
    """A: two of its rows, two of C's; B's rows, to which the merged ticket says yes, do not count against A."""
    eval_set = eval_set_of("one_vs_rest", [0] * 6, [0, 0, 1, 1, 2, 2])
    own = np.array([[1, -1, -1, -1, -1, 1]]).T  # recall 1/2, specificity on C 1/2
    after = np.array([[1, 1, 1, 1, -1, 1]]).T  # recall 1, specificity 1/2
    (a, _) = changes((0, 1), [own, own], after, eval_set, seed=0)
    assert (a.metric, a.n, a.before, a.after, a.change) == ("balanced_accuracy", 4, 0.5, 0.75, 0.25)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(-0.009, 0.02), (0.0, 0.1)], "could be merged"),
        ([(-0.009, 0.02), (-0.02, 0.1)], "not shown"),
        ([(0.1, 0.2), (-0.2, -0.011)], "costs accuracy"),
        ([(0.1, 0.2), (None, None)], "not shown"),
    ],
)
def test_verdicts(spans, message):
    rows = [SimpleNamespace(ci=SimpleNamespace(change=list(span))) for span in spans]
    assert verdict(rows, Figure("accuracy", "accuracy")) == message
    turned = [SimpleNamespace(ci=SimpleNamespace(change=[end and -end for end in span[::-1]])) for span in spans]
    assert verdict(turned, Figure("error", "error", "m", higher_is_better=False)) == message


def test_the_margin_is_in_the_figure_s_own_unit():
    assert margin_of(Figure("accuracy", "accuracy")) == 0.01
    (row,) = [SimpleNamespace(ci=SimpleNamespace(change=[-0.05, 0.01]))]
    assert verdict([row], Figure("psnr", "PSNR", "dB", fall=0.2)) == "could be merged"


def test_a_partition_without_meaning():
    assert warnings(None, None) == warnings(0.3, 0.2) == []
    assert "silhouette is 0.10" in warnings(0.10, None)[0]
    assert "excess overlap is 0.33" in warnings(0.3, 0.33)[0]


@pytest.fixture
def trained() -> TrainedTickets:
    """x0 > x1 decides. A and B keep both weights that matter, C only one; a third weight sees noise."""
    draw = np.random.default_rng(0)
    n = 600
    x = draw.normal(size=(n, 3)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64)
    module = nn.Linear(3, 2, bias=False)
    shared = {"weight": torch.tensor([[0.0, 0, 0], [1.0, -1, 0.5]])}
    layout = Layout.of(shared, ("weight",))
    masks = np.array([[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0]], bool)
    split = np.repeat(["train", "val"], n // 2)
    dataset = Dataset("toy", "table", x, y, ("no", "yes"), pd.DataFrame(index=range(n)), split, np.arange(n), "toy")
    levels = (Level(1, 0.5, "target"),)
    return TrainedTickets(
        TASKS["multiclass"],
        dataset,
        Partition("attribute", "g", NAMES, np.arange(n) % 3, True),
        wrap(module, ("weight",), (), (3,), 2),
        [Subnetwork(name, mask, shared, {}, {}) for name, mask in zip(NAMES, masks, strict=True)],
        TicketSet(NAMES, NAMES, layout, np.where(masks, 0, 1).astype(np.uint8), levels),
        batches=0,
        seed=0,
    )


def test_the_report(trained):
    report = redundancy(trained)
    document = plain(report)
    assert json.loads(json.dumps(document, allow_nan=False)) == document and list(document["pairs"][0])[:2] == [
        "a",
        "b",
    ]
    of = {(row.a, row.b, row.how): row for row in report.pairs}
    assert len(of) == 6 and (report.split, report.pairs_in_all) == ("val", 3)
    same = of["A", "B", "union"]
    assert (same.params, same.iou) == (2, 1.0)
    assert [row.change for row in same.subsets] == [0.0, 0.0]
    on_a, on_c = of["A", "C", "intersection"].subsets
    assert of["A", "C", "intersection"].params == 1
    assert on_a.before == 1.0 and on_a.after < 0.9 and on_c.change == 0.0
    assert of["A", "C", "intersection"].verdict == "costs accuracy"
    gained = of["A", "C", "union"].subsets[1]
    assert gained.after == 1.0 and gained.ci.change[0] > 0


def test_only_the_pairs_that_overlap_most(trained):
    report = redundancy(trained, pairs=1)
    assert {(row.a, row.b) for row in report.pairs} == {("A", "B")} and report.pairs_in_all == 3
