"""What routers see, and that they decide as they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import as_module
from rtl_core.routing.gate import zero_gate
from rtl_core.routing.routers import LeastDoubt, TopTwo, make_router, router_names
from rtl_core.tasks.classification import MULTICLASS, ONE_VS_REST


def shuffled_at_test(dataset, partition):
    """The same rows with labels and subsets of the test rows dealt out anew."""
    test = dataset.rows("test")
    y, assignment = dataset.y.copy(), partition.assignment.copy()
    draw = np.random.default_rng(0)
    y[test], assignment[test] = draw.permutation(y[test]), draw.permutation(assignment[test])
    return replace(dataset, y=y), replace(partition, assignment=assignment)


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
@pytest.mark.parametrize("by", ["attribute", "class"])
def test_only_who_says_so_reads_a_label(dataset, partition, make_scene, task, by):
    partition = replace(partition, by=by)
    other_dataset, other_partition = shuffled_at_test(dataset, partition)
    scene, other = make_scene(task, partition), make_scene(task, other_partition, other_dataset)
    rows = dataset.rows("test")
    names = router_names(by, scene.task)
    assert len(names) == 7
    for name in names:
        router = make_router(name, scene)
        first, second = router.choose(rows), make_router(name, other).choose(rows)
        assert router.name == name
        assert first.ticket.shape == first.confidence.shape == rows.shape
        if router.uses_label:
            assert name in ("oracle", "context")
            assert np.array_equal(first.ticket, partition.assignment[rows])
            assert not np.array_equal(first.ticket, second.ticket)
        else:
            assert np.array_equal(first.ticket, second.ticket)
            assert np.array_equal(first.confidence, second.confidence, equal_nan=True)
            assert len(np.unique(first.ticket)) > 1


def test_max_response_and_min_entropy_by_hand():
    claims = np.array([[[0.0], [-3.0]], [[2.0], [-1.0]]], np.float32)  # two tickets, two rows
    choice = LeastDoubt(lambda rows: -claims[:, :, 0], ONE_VS_REST.doubt).choose(np.arange(2))
    assert choice.ticket.tolist() == [1, 1] and choice.calls == 1
    assert choice.confidence == pytest.approx(1 / (1 + np.exp([-2.0, 1.0])))
    logits = np.array([[[5.0, 0.0], [0.1, 0.0]], [[0.0, 1.0], [0.0, 2.0]]], np.float32)
    entropy = MULTICLASS.doubt.of(torch.from_numpy(logits)).numpy()
    choice = LeastDoubt(lambda rows: entropy, MULTICLASS.doubt).choose(np.arange(2))
    assert choice.ticket.tolist() == [0, 1] and np.isnan(choice.confidence).all()


def fixed_gate(scene, logits):
    """A gate that says the same of every row."""
    gate = zero_gate(scene.features, scene.inputs, 3)
    gate.parameters["bias"].copy_(torch.tensor(logits))
    return gate


def test_top2_mixes_in_the_gates_proportion(partition, make_scene):
    scene = make_scene("multiclass", partition)
    gate = fixed_gate(scene, np.log([0.2, 0.5, 0.3]).tolist())
    choice = TopTwo(gate, scene.serving, MULTICLASS).choose(np.arange(4))
    assert choice.ticket.tolist() == [1] * 4 and choice.calls == 1
    assert choice.mixture == pytest.approx(np.tile([0, 5 / 8, 3 / 8], (4, 1)))
    assert choice.confidence == pytest.approx(5 / 8)


def test_top2_of_one_vs_rest_asks_both_for_their_claim(partition, make_scene, dataset):
    scene = make_scene("one_vs_rest", partition)
    gate = fixed_gate(scene, np.log([0.2, 0.42, 0.38]).tolist())
    rows = dataset.rows("test")
    claim = 1 / (1 + np.exp(scene.doubts(rows).astype(float)))
    product = np.array([0, 0.42, 0.38])[:, None] * claim
    choice = TopTwo(gate, scene.serving, ONE_VS_REST).choose(rows)
    assert np.array_equal(choice.ticket, product.argmax(axis=0))
    assert set(choice.ticket) == {1, 2}
    assert choice.confidence == pytest.approx(product.max(axis=0) / product.sum(axis=0), rel=1e-4)


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_the_one_shot_gradient_is_the_slope_of_the_doubt(partition, make_scene, make_tickets, dataset, task):
    scene = make_scene(task, partition)
    network, subnetworks, layout = make_tickets(1 if task == "one_vs_rest" else 2)
    x = dataset.inputs(np.arange(5)).double()
    modules = [as_module(network, subnetwork, layout).double() for subnetwork in subnetworks]
    mean = {name: sum(m.get_buffer(name) for m in modules) / 3 for name, _ in modules[0].named_buffers()}

    def doubt(alpha):
        mixed = {n: sum(a * m.get_parameter(n) for a, m in zip(alpha, modules, strict=True)) for n in _names(network)}
        logits = torch.func.functional_call(modules[0], {**mixed, **mean}, (x,)).detach()
        if task == "one_vs_rest":
            return -logits[:, 0]
        return torch.distributions.Categorical(logits=logits).entropy()

    step, third = 1e-5, np.full(3, 1 / 3)
    slopes = [(doubt(third + step * e) - doubt(third - step * e)) / (2 * step) for e in np.eye(3)]
    expected = torch.stack(slopes, dim=1).numpy()
    assert scene.one_shot.slopes(x.float()).numpy() == pytest.approx(expected, abs=1e-4)
    choice = make_router("one_shot_gradient", scene).choose(np.arange(5))
    assert np.array_equal(choice.ticket, expected.argmin(axis=1))


def _names(network):
    return [name for name, _ in network.module.named_parameters()]


def test_a_trained_gate_is_taken_as_it_is(partition, make_scene):
    scene = make_scene("multiclass", partition)
    scene = replace(scene, trained=fixed_gate(scene, [0.0, 0.0, 9.0]))
    assert set(make_router("gate", scene).choose(np.arange(5)).ticket) == {2}


def test_routers_that_do_not_apply_are_refused(partition, make_scene):
    with pytest.raises(BadInput, match=r"no router 'max_response'; it has: context, gate, top2"):
        make_router("max_response", make_scene("multiclass", partition))
