"""Exchanged weights: linear nets whose answers are known on paper, a control that is forced, and nothing written."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rtl_core.audit.evaluate import evaluation_set, own_answers, ticket_figures
from rtl_core.audit.mask_exchange import at_random, exchange, variants
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.learning.batchnorm_recalibration import NormBatches, with_statistics
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import wrap
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.store import samples
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

NAMES = ("A", "B")
# "yes" where x0 - 2 x1 + 4 x2 > 0. A keeps x0 and x1, B keeps x0 and x2.
WEIGHTS = [1.0, -2, 4]
A, B = [True, True, False], [True, False, True]
ROWS = [[1, 0, 0], [1, 1, 0], [1, 1, 1], [-1, 0, 1]]
#   own       1, -1, -1, -1
#   added     1, -1,  3,  3
#   removed   1,  1,  1, -1
#   swapped   1,  1,  5,  3
ON_PAPER = {
    "variant": ["own", "added", "removed", "swapped"],
    "kept": [2, 3, 1, 2],
    "decisions_changed": [0, 1 / 2, 1 / 2, 3 / 4],
}


def tickets_of(masks, layout: Layout) -> TicketSet:
    pruned_at = np.where(np.array(masks, bool), 0, 1).astype(np.uint8)
    return TicketSet(NAMES, NAMES, layout, pruned_at, (Level(1, 0.5, "target"),))


def dataset_of(x, y, split="test", unit=None) -> Dataset:
    n = len(y)
    unit = np.arange(n) if unit is None else np.asarray(unit)
    x, y = np.array(x, np.float32), np.array(y, np.int64)
    split = np.broadcast_to(np.array(split, object), n)
    return Dataset("toy", "table", x, y, ("no", "yes"), pd.DataFrame(index=range(n)), split, unit, "toy")


def learned(subnetworks) -> TrainedMethod:
    return TrainedMethod("rtl", tuple(subnetworks), "per_subset", (2,), 0, 0, 0)


def exchanged(network, rtl, tickets, dataset, partition, task, a, b, seed=0, batches=12, **more) -> pd.DataFrame:
    trained = TrainedTickets(TASKS[task], dataset, partition, network, rtl.subnetworks, tickets, batches, seed)
    return exchange(trained, a, b, **more)


def linear(task: str, masks=(A, B), copies: int = 1) -> dict:
    """`exchanged`'s arguments: WEIGHTS as the last row of a linear layer; class "no" has a logit of 0."""
    outputs = 2 if task == "multiclass" else 1
    module = nn.Linear(3, outputs, bias=False)
    weight = torch.tensor([[0.0] * 3] * (outputs - 1) + [WEIGHTS])
    shared = {"weight": weight}
    masks = [[*[False] * 3 * (outputs - 1), *mask] for mask in masks]
    layout = Layout.of(shared, ("weight",))
    y, assignment = [1, 0, 0, 0], [0, 0, 0, 0] if task == "multiclass" else [0, 1, 1, 1]
    partition = Partition("attribute", "toy", NAMES, np.tile(assignment, copies), True)
    return {
        "network": wrap(module, ("weight",), (), (3,), outputs),
        "rtl": learned(
            Subnetwork(name, np.array(mask), shared, {}, {}) for name, mask in zip(NAMES, masks, strict=True)
        ),
        "tickets": tickets_of(masks, layout),
        "dataset": dataset_of(ROWS * copies, y * copies, unit=np.tile(np.arange(4), copies)),
        "partition": partition,
        "task": task,
        "a": "A",
        "b": "B",
    }


@pytest.mark.parametrize(
    ("task", "values"), [("multiclass", [1, 1 / 2, 1 / 2, 1 / 4]), ("one_vs_rest", [1, 2 / 3, 2 / 3, 1 / 2])]
)
def test_a_linear_ticket_by_hand(task, values):
    result = exchanged(**linear(task), draws=0)
    for column, known in ON_PAPER.items():
        assert result[column].tolist() == known, column
    outputs = 2 if task == "multiclass" else 1  # the logit of "no" does not change
    assert (result["logit_change"] * outputs).tolist() == [0, 2, 1, 3]
    assert result["value"].tolist() == pytest.approx(values)
    assert result["difference"].tolist() == pytest.approx([value - 1 for value in values])
    assert set(result["metric"]) == {TASKS[task].headline.name} and set(result["n"]) == {4}
    assert (result["low"] < result["high"]).all()
    assert result.loc[0, ["diff_low", "diff_high"]].isna().all()
    assert result.filter(like="control").isna().all(axis=None)


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_copies_of_rows_do_not_narrow_the_difference(task):
    once, thrice = (exchanged(**linear(task, copies=copies), draws=0) for copies in (1, 3))
    for column in ("difference", "diff_low", "diff_high"):
        np.testing.assert_allclose(once[column], thrice[column])


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_equal_masks_change_nothing(task):
    result = exchanged(**linear(task, masks=(A, A)))
    assert set(result["kept"]) == {2} and set(result["value"]) == {1}
    assert not result[["difference", "logit_change", "decisions_changed"]].any(axis=None)
    assert result[["diff_low", "diff_high", "control_low", "control_high"]].isna().all(axis=None)
    assert result["control_mean"].tolist()[1:] == [1, 1, 1]


def test_a_control_without_a_choice_is_the_variant_itself():
    """A keeps x0 and x1, B the rest: all that A has goes, all that it has not comes."""
    result = exchanged(**linear("one_vs_rest", masks=(A, [False, False, True])))[1:]
    assert np.array_equal(result["control_mean"], result["value"])
    assert result[["control_low", "control_high"]].isna().all(axis=None)
    assert result["dead_layers"].tolist() == [(), ("weight",), ()]


def test_the_control_is_the_mean_of_random_masks():
    """Removing x1 costs 1/3 of the rows' balanced accuracy, removing x0 leaves -2 x1: no row is called "yes"."""
    result = exchanged(**linear("one_vs_rest"), draws=12).set_index("variant").loc["removed"]
    by_weight = {"x1": 2 / 3, "x0": 1 / 2}
    draws_of_x1 = (result["control_mean"] - by_weight["x0"]) / (by_weight["x1"] - by_weight["x0"]) * 12
    count = round(draws_of_x1)
    assert draws_of_x1 == pytest.approx(count) and 0 < count < 12
    values = [by_weight["x1"]] * count + [by_weight["x0"]] * (12 - count)
    half = 2.200985 * np.std(values, ddof=1) * np.sqrt(1 + 1 / 12)  # Student's t with 11 degrees of freedom
    assert result["control_low"] == pytest.approx(np.mean(values) - half)
    assert result["control_high"] == pytest.approx(np.mean(values) + half)


def test_a_random_exchange_takes_and_puts_as_many_in_every_layer_and_leaves_none_out():
    layout = Layout(("one", "two"), ((4,), (2, 2)))
    own = np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)
    variant = np.array([1, 0, 1, 0, 1, 1, 1, 0], bool)
    drawn = {tuple(at_random(own, variant, layout, np.random.default_rng(i)).tolist()) for i in range(300)}
    possible = set()
    for gone in (0, 1):
        for come in (2, 3):
            for pair in combinations((5, 6, 7), 2):
                mask = own.copy()
                mask[gone], mask[[come, *pair]] = False, True
                possible.add(tuple(mask.tolist()))
    assert drawn == possible


def test_masks_change_in_the_named_layers_only():
    layout = Layout(("one", "two"), ((2,), (2,)))
    a, b = np.array([1, 0, 1, 0], bool), np.array([0, 1, 0, 1], bool)
    result = variants(tickets_of([a, b], layout), "A", "B", ("two",))
    assert {name: mask.astype(int).tolist() for name, mask in result.items()} == {
        "own": [1, 0, 1, 0],
        "added": [1, 0, 1, 1],
        "removed": [1, 0, 0, 0],
        "swapped": [1, 0, 0, 1],
    }


@pytest.fixture(params=["multiclass", "one_vs_rest"])
def normed(request) -> dict:
    """A net with a norm between two prunable layers, and a head and a norm of each ticket's own."""
    task, generator = request.param, np.random.default_rng(3)
    outputs = 2 if task == "multiclass" else 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = [nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU()]
        module = nn.Sequential(*body, nn.Linear(5, outputs))
        nn.init.normal_(module[0].weight)
        nn.init.normal_(module[3].weight)
        heads = [nn.Linear(5, outputs).state_dict(prefix="5.") for _ in NAMES]
    network = wrap(module, ("0.weight", "3.weight"), ("5.weight", "5.bias"), (6,), outputs)
    own = ("5.weight", "5.bias", "1.weight", "1.bias")
    shared = {name: t.detach().clone() for name, t in module.named_parameters() if name not in own}
    layout = Layout.of(shared, network.prunable)
    masks = generator.random((2, layout.n)) < 0.6
    n = 400
    x, y = generator.normal(size=(n, 6)), generator.integers(2, size=n)
    dataset = dataset_of(x, y, np.where(np.arange(n) % 2, "train", "test").astype(object))
    partition = Partition("attribute", "toy", NAMES, np.arange(n) // 2 % 2, True)
    subnetworks = []
    for k, subset in enumerate(ticket_subsets(dataset, partition, TASKS[task])):
        affine = {"1.weight": torch.full((8,), 1.0 + k), "1.bias": torch.full((8,), 0.1 * k)}
        subnetwork = Subnetwork(subset.name, masks[k], shared, {**heads[k], **affine}, dict(module.named_buffers()))
        subnetworks.append(with_statistics(network, subnetwork, layout, dataset.inputs, NormBatches(subset, 4, 7)))
    module.eval()
    tickets = tickets_of(masks, layout)
    setting = {"network": network, "rtl": learned(subnetworks), "tickets": tickets, "dataset": dataset}
    return {**setting, "partition": partition, "task": task, "a": "B", "b": "A", "seed": 7, "batches": 4}


def answers_of_b(normed: dict, mask: np.ndarray | None = None) -> np.ndarray:
    """Ticket B's logits on its test rows, under another mask with norm statistics of its own where one is given."""
    network, dataset, partition, task = (normed[name] for name in ("network", "dataset", "partition", "task"))
    subnetwork, layout = normed["rtl"].subnetworks[1], normed["tickets"].layout
    if mask is not None:
        subset = ticket_subsets(dataset, partition, TASKS[task])[1]
        subnetwork = with_statistics(
            network, replace(subnetwork, mask=mask), layout, dataset.inputs, NormBatches(subset, 4, 7)
        )
    return own_answers(network, subnetwork, layout, evaluation_set(dataset, partition, TASKS[task], "test"), 1)


def test_every_variant_is_the_ticket_itself_under_another_mask_with_norms_of_its_own(normed):
    result = exchanged(**normed, draws=1)
    eval_set = evaluation_set(normed["dataset"], normed["partition"], TASKS[normed["task"]], "test")
    first, second = normed["tickets"].masks()
    masks = {"own": None, "added": first | second, "removed": first & second, "swapped": first}
    own, metric = answers_of_b(normed), TASKS[normed["task"]].headline.name
    for row, mask in zip(result.itertuples(), masks.values(), strict=True):
        logits = answers_of_b(normed, mask)
        figures = ticket_figures(eval_set, 1, logits)
        assert row.value == figures[metric]
        assert [row.low, row.high] == figures["ci"][metric]
        assert row.logit_change == pytest.approx(np.abs(logits - own).mean())
    assert (result["logit_change"][1:] > 0).all()


def test_the_interval_of_a_difference_is_a_bootstrap_of_rows_with_both_answers(normed):
    """Against the metric itself, computed anew on every resample."""
    result = exchanged(**normed, draws=0).set_index("variant").loc["swapped"]
    one_vs_rest = normed["task"] == "one_vs_rest"
    eval_set = evaluation_set(normed["dataset"], normed["partition"], TASKS[normed["task"]], "test")
    truth = eval_set.subset == 1 if one_vs_rest else eval_set.y[eval_set.subset == 1]
    right = []
    for mask in (None, normed["tickets"].masks()[0]):
        logits = answers_of_b(normed, mask)
        right.append((logits[:, 0] > 0 if one_vs_rest else logits.argmax(axis=1)) == truth)

    def metric(hit: np.ndarray, truth: np.ndarray) -> float:
        return (hit[truth].mean() + hit[~truth].mean()) / 2 if one_vs_rest else hit.mean()

    generator, differences = np.random.default_rng(0), []
    for _ in range(2000):
        rows = generator.integers(len(truth), size=len(truth))
        own, other = (metric(hit[rows], truth[rows]) for hit in right)
        differences.append(other - own)
    assert np.std(differences) > 0.02
    low, high = np.percentile(differences, [2.5, 97.5])
    assert [result["diff_low"], result["diff_high"]] == pytest.approx([low, high], abs=0.02)


def test_nothing_is_written_into_the_weights_or_the_module(normed):
    rtl, module = normed["rtl"], normed["network"].module
    before = copy.deepcopy(
        [(subnetwork.shared, subnetwork.private, subnetwork.buffers) for subnetwork in rtl.subnetworks]
    )
    state = copy.deepcopy(module.state_dict())
    exchanged(**normed, draws=2)
    for subnetwork, tensors in zip(rtl.subnetworks, before, strict=True):
        for now, then in zip((subnetwork.shared, subnetwork.private, subnetwork.buffers), tensors, strict=True):
            assert all(torch.equal(now[name], then[name]) for name in then)
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    assert not any(layer.training for layer in module.modules())


def test_the_same_seed_gives_the_same_table(normed):
    pd.testing.assert_frame_equal(exchanged(**normed, draws=2), exchanged(**normed, draws=2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": "C"}, "no ticket 'C'; there are: A, B"),
        ({"b": "C"}, "no ticket 'C'"),
        ({"b": "A"}, "nothing to exchange with itself"),
        ({"layers": ("weight", "bias")}, "no layer 'bias'; the prunable layers are: weight"),
        ({"split": "val"}, "the val split has no rows for ticket 'A'"),
        ({"a": "B", "b": "A"}, "the test split has no rows for ticket 'B'"),
    ],
)
def test_refusals_say_what_would_be_right(changes, message):
    with pytest.raises(BadInput, match=message):
        exchanged(**{**linear("multiclass"), **changes})


@pytest.mark.slow
def test_the_sample_with_domains():
    """The figures that the run recorded; another ticket's weights cost more than as many random ones."""
    run = load_run(samples()["domains"])
    exchanged = exchange(open_run(run).trained_tickets, "original", "rotated")
    assert exchanged["value"][0] == pytest.approx(run.info["evaluation"]["tickets"][0]["accuracy"], abs=0.002)
    assert (exchanged["diff_high"][1:] < 0).all()
    assert (exchanged["value"] < exchanged["control_low"])[[1, 3]].all()
