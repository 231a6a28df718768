"""Linear gates: fitted, by centroids, trainable, saved."""

import numpy as np
import pytest
import torch

from rtl_core.config import Config, GatedSettings
from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, Stage, silent
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.mask_scores import train_scores
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.routing.features import fitted
from rtl_core.routing.gate import centroid_gate, fit_gate, gate_from, zero_gate
from rtl_core.tasks.classification import MULTICLASS


@pytest.fixture
def features(dataset):
    return fitted("pixels", dataset.inputs, dataset.rows("train"), dataset.input_shape)


def test_a_fitted_gate_tells_the_clouds_apart(dataset, partition, features):
    train, val, test = (dataset.rows(split) for split in ("train", "val", "test"))
    gate = fit_gate(features, dataset.inputs, partition.assignment, train, val, 3)
    p = gate.probabilities(test)
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (p.argmax(axis=1) == partition.assignment[test]).mean() > 0.9
    assert gate.macs == 6 + 3 * 6


def test_two_tickets_get_scikit_learns_probabilities(dataset, features):
    from sklearn.linear_model import LogisticRegression

    from rtl_core.routing import gate as module

    assignment = (dataset.x[:, 0] > 1).astype(np.int64)
    train, val, test = (dataset.rows(split) for split in ("train", "val", "test"))
    result = fit_gate(features, dataset.inputs, assignment, train, val, 2).probabilities(test)
    seen, test_features = (features.of_rows(dataset.inputs, rows).numpy() for rows in (train, test))
    each = [LogisticRegression(C=c).fit(seen, assignment[train]).predict_proba(test_features) for c in module.STRENGTHS]
    assert any(np.allclose(result, p, atol=2e-3) for p in each)


def test_the_nearest_centroid_wins(dataset, partition, features):
    train, test = dataset.rows("train"), dataset.rows("test")
    gate = centroid_gate(features, dataset.inputs, partition.assignment, train, 3)
    seen = features.of_rows(dataset.inputs, np.arange(len(dataset))).numpy()
    centroids = np.stack([seen[train][partition.assignment[train] == k].mean(axis=0) for k in range(3)])
    distance = ((seen[test][:, None] - centroids) ** 2).sum(axis=2)
    p = gate.probabilities(test)
    assert np.array_equal(p.argmax(axis=1), distance.argmin(axis=1))
    likelihood = np.exp(-distance / 2)
    assert p == pytest.approx(likelihood / likelihood.sum(axis=1, keepdims=True), abs=1e-5)


def test_a_gate_without_an_opinion_can_be_trained(dataset, features):
    gate = zero_gate(features, dataset.inputs, 3)
    assert gate.probabilities(np.arange(4)) == pytest.approx(1 / 3)
    for parameter in gate.parameters.values():
        parameter.requires_grad_(True)
    rows = np.arange(9)
    torch.nn.functional.cross_entropy(gate.logits(rows), torch.from_numpy(rows % 3)).backward()
    expected = (gate.probabilities(rows) - np.eye(3)[rows % 3]).T @ features(dataset.inputs(rows)).numpy() / 9
    assert gate.parameters["weight"].grad.numpy() == pytest.approx(expected, abs=1e-6)


def test_a_gate_comes_back_from_its_tensors(dataset, partition, features):
    gate = centroid_gate(features, dataset.inputs, partition.assignment, dataset.rows("train"), 3)
    again = gate_from(gate.as_tensors(), features, dataset.inputs, 3)
    assert np.array_equal(again.probabilities(np.arange(9)), gate.probabilities(np.arange(9)))
    with pytest.raises(BadInput, match=r"a gate of 4 tickets needs a tensor 'gate/weight' of shape \(4, 6\)"):
        gate_from(gate.as_tensors(), features, dataset.inputs, 4)


def test_a_subset_without_rows_is_refused(dataset, partition, features):
    train = dataset.rows("train")
    with pytest.raises(BadInput, match="2 of 3 have some"):
        centroid_gate(features, dataset.inputs, partition.assignment, train[train % 3 < 2], 3)


def test_a_gate_is_trained_together_with_mask_scores(dataset, partition, features, make_tickets):
    network, subnetworks, layout = make_tickets(2)
    gate = zero_gate(features, dataset.inputs, 3)
    config = Config(gated=GatedSettings(batch_size=16, gate_learning_rate=0.05))
    subsets = ticket_subsets(dataset, partition, MULTICLASS)
    experiment = Experiment(config, network, layout, subsets, dataset.inputs, silent, MemoryJournal())
    train_scores(experiment, subnetworks, subsets, gate, 0.5, Stage("scores", "rtl", 30, 1e-2, 0))
    test = dataset.rows("test")
    assert (gate.probabilities(test).argmax(axis=1) == partition.assignment[test]).mean() > 0.9
