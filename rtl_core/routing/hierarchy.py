"""Coarse-to-fine routing: a binary tree over the tickets, so that K tickets cost about log2 K decisions.

The tree is Ward's agglomerative clustering (1963) of the subsets' centroids in feature space. Each node asks which of
its two sides is nearer, or (`refined`) a logistic regression of its own fitted to the rows below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from rtl_core.errors import BadInput
from rtl_core.routing.gate import MAX_ITERATIONS, LinearGate, belonging

NODE_STRENGTH = 0.1  # C of a node's logistic regression


@dataclass(frozen=True)
class Tree:
    """K - 1 decisions, the root first.

    children      int64 (K - 1, 2): the node that follows to the left and right, or ~k (negative) for ticket k
    weight, bias  (K - 1, dims), (K - 1,): a node goes right where weight f + bias > 0
    """

    children: np.ndarray
    weight: torch.Tensor
    bias: torch.Tensor

    def descend(self, seen: torch.Tensor) -> tuple[np.ndarray, np.ndarray, float]:
        """Features (n, dims) -> ticket (n,), its probability along the path (n,), mean decisions per input."""
        children = torch.from_numpy(self.children)
        at, confidence = torch.zeros(len(seen), dtype=torch.int64), torch.ones(len(seen), dtype=torch.float64)
        walking, decisions = torch.arange(len(seen)), 0
        while len(walking):
            node = at[walking]
            own = self.weight.index_select(0, node)  # each row meets its own node alone
            logit = torch.linalg.vecdot(own, seen.index_select(0, walking)) + self.bias[node]
            confidence[walking] *= torch.sigmoid(logit.abs())
            decisions += len(walking)
            at[walking] = children[node, (logit > 0).long()]
            walking = walking[at[walking] >= 0]
        return (~at).numpy(), confidence.numpy(), decisions / max(1, len(seen))


def centroid_tree(centroids: np.ndarray) -> Tree:
    """The tree over K >= 2 centroids (K, dims); a side's centroid is the mean of its tickets' ones."""
    from scipy.cluster.hierarchy import linkage

    k = len(centroids)
    if k < 2:
        raise BadInput("a tree of tickets needs at least two of them")
    merged = linkage(centroids, "ward")[:, :2].astype(np.int64)  # row i makes cluster k + i of two earlier ones
    size, mean = np.ones(2 * k - 1), np.zeros((2 * k - 1, centroids.shape[1]))
    mean[:k] = centroids
    for i, (left, right) in enumerate(merged, start=k):
        size[i] = size[left] + size[right]
        mean[i] = (size[left] * mean[left] + size[right] * mean[right]) / size[i]
    pairs = merged[::-1]  # the last merge is the root: cluster c becomes node 2 k - 2 - c
    left, right = mean[pairs[:, 0]], mean[pairs[:, 1]]
    bias = ((left**2).sum(axis=1) - (right**2).sum(axis=1)) / 2
    children = np.where(pairs < k, ~pairs, 2 * k - 2 - pairs)
    return Tree(children, torch.from_numpy(right - left).float(), torch.from_numpy(bias).float())


def refined(tree: Tree, seen: np.ndarray, subset: np.ndarray) -> Tree:
    """The same tree with a logistic regression at each node: its right-hand tickets against its left-hand ones.

    seen, subset  (n, dims) features and (n,) ticket of train rows; every ticket has some
    """
    from sklearn.linear_model import LogisticRegression

    weight, bias = tree.weight.clone(), tree.bias.clone()
    below = _tickets_below(tree.children)
    for node, (left, right) in enumerate(tree.children):
        rows = np.isin(subset, [*below[left], *below[right]])
        model = LogisticRegression(C=NODE_STRENGTH, max_iter=MAX_ITERATIONS)
        model.fit(seen[rows], np.isin(subset[rows], below[right]))
        weight[node], bias[node] = torch.from_numpy(model.coef_[0]), float(model.intercept_[0])
    return replace(tree, weight=weight, bias=bias)


def _tickets_below(children: np.ndarray) -> dict[int, list[int]]:
    """Node or ~ticket -> the tickets below it."""
    below = {int(leaf): [~int(leaf)] for leaf in children[children < 0]}
    for node in range(len(children) - 1, -1, -1):  # children come after their parents
        below[node] = [ticket for child in children[node] for ticket in below[int(child)]]
    return below


def fit_tree(centroids: LinearGate, assignment: np.ndarray, train: np.ndarray) -> Tree:
    """The tree of a run: over the weights of `gate.centroid_gate`, with a logistic regression at each node."""
    train = belonging(assignment, train, centroids.k)
    seen = centroids.features.of_rows(centroids.inputs, train)
    return refined(centroid_tree(centroids.parameters["weight"].numpy()), seen.numpy(), assignment[train])
