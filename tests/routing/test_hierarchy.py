"""Trees of tickets against a walk by hand."""

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.routing.hierarchy import centroid_tree, refined

PAIRS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 1.0], [10.0, 1.0]])  # tickets 0 and 2 are near, 1 and 3 are


def test_near_tickets_part_last():
    tree = centroid_tree(PAIRS)
    leaves = {tuple(sorted((~pair).tolist())) for pair in tree.children[1:]}
    assert leaves == {(0, 2), (1, 3)}
    assert sorted(tree.children[0].tolist()) == [1, 2]
    ticket, confidence, decisions = tree.descend(torch.from_numpy(PAIRS).float())
    assert ticket.tolist() == [0, 1, 2, 3] and decisions == 2
    # at (0, 0): the sides' centroids (0, .5), (10, .5) give logit -50; those of tickets 0 and 2 give -1/2
    assert confidence[0] == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_descending_is_the_slow_walk():
    draw = np.random.default_rng(0)
    tree = centroid_tree(draw.normal(size=(17, 4)))
    seen = torch.from_numpy(draw.normal(size=(50, 4))).float()
    ticket, confidence, decisions = tree.descend(seen)
    steps = 0
    for i, row in enumerate(seen):
        node, p = 0, 1.0
        while node >= 0:
            logit = float(tree.weight[node] @ row + tree.bias[node])
            p *= 1 / (1 + np.exp(-abs(logit)))
            node, steps = tree.children[node, int(logit > 0)], steps + 1
        assert ~node == ticket[i]
        assert confidence[i] == pytest.approx(p, rel=1e-4)
    assert decisions == steps / 50


def test_every_ticket_is_reached_and_a_thousand_cost_little_more_than_ten():
    decisions = {}
    for levels in (3, 10):
        codes = (np.arange(2**levels)[:, None] >> np.arange(levels)) & 1
        centroids = codes * 2.0 ** -np.arange(levels)  # clusters of clusters, each level half as far apart
        ticket, _, decisions[levels] = centroid_tree(centroids).descend(torch.from_numpy(centroids).float())
        assert ticket.tolist() == list(range(2**levels))
    assert decisions == {3: 3, 10: 10}


def test_refined_nodes_use_what_centroids_cannot_see():
    draw = np.random.default_rng(0)
    subset = np.repeat([0, 1], 200)
    seen = draw.normal(size=(400, 2)) * [10, 0.1] + np.c_[np.zeros(400), subset]  # apart in the second feature alone
    seen[subset == 1, 0] += 3
    tree = centroid_tree(np.stack([seen[subset == k].mean(axis=0) for k in (0, 1)]))
    rough = (tree.descend(torch.from_numpy(seen).float())[0] == subset).mean()
    fine = (refined(tree, seen, subset).descend(torch.from_numpy(seen).float())[0] == subset).mean()
    assert rough < 0.75 and fine > 0.95


def test_one_ticket_is_no_tree():
    with pytest.raises(BadInput, match="at least two"):
        centroid_tree(PAIRS[:1])
