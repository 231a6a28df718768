"""A linear gate: softmax(W f(x) + b) over the tickets, fitted to a partition or trained with mask scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rtl_core.data.batches import pieces
from rtl_core.errors import BadInput
from rtl_core.events import Tensors
from rtl_core.learning.experiment import Inputs
from rtl_core.rng import numpy_generator
from rtl_core.routing.features import Features

STRENGTHS = (0.01, 0.1, 1.0)  # C of the logistic regression, chosen on validation rows
FIT_ROWS = 10_000  # more train rows hardly move so few parameters
MAX_ITERATIONS = 300


@dataclass(frozen=True)
class LinearGate:
    """The `Gate` that `learning.scores.train_scores` takes; its parameters may be trained in place.

    inputs      row indices -> inputs; a gate sees nothing else of a row
    parameters  weight (K, dims), bias (K,)
    """

    features: Features
    inputs: Inputs
    parameters: Tensors

    @property
    def k(self) -> int:
        return len(self.parameters["bias"])

    @property
    def macs(self) -> int:
        """Multiply-adds of one input: features and one dot product a ticket."""
        return self.features.macs + self.parameters["weight"].numel()

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """(rows, K), differentiable in the parameters."""
        seen = self.features(self.inputs(rows))
        return torch.nn.functional.linear(seen, self.parameters["weight"], self.parameters["bias"])

    @torch.no_grad()
    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (rows, K) that sum to 1."""
        batches = [self.logits(some) for some in pieces(rows)]
        return torch.softmax(torch.cat(batches), dim=1).cpu().numpy()

    def on(self, device: str, inputs: Inputs) -> LinearGate:
        """The same over inputs that lie on a device; parameters that lie there already are these very ones."""
        parameters = {name: tensor.to(device) for name, tensor in self.parameters.items()}
        return LinearGate(self.features.on(device), inputs, parameters)

    def as_tensors(self) -> Tensors:
        """What `gate_from` needs beside the features' name, ready for a tensor file."""
        own = {f"gate/{name}": tensor.detach() for name, tensor in self.parameters.items()}
        return {**own, **{f"features/{name}": tensor for name, tensor in self.features.as_tensors().items()}}


def gate_from(tensors: Tensors, features: Features, inputs: Inputs, k: int) -> LinearGate:
    """The gate that `as_tensors` described, over `features.remade`; BadInput where the tensors do not fit."""
    shapes = {"weight": (k, features.dims), "bias": (k,)}
    for name, shape in shapes.items():
        result = tuple(tensors[f"gate/{name}"].shape) if f"gate/{name}" in tensors else None
        if result != shape:
            raise BadInput(f"a gate of {k} tickets needs a tensor 'gate/{name}' of shape {shape}, not {result}")
    return LinearGate(features, inputs, {name: tensors[f"gate/{name}"].clone() for name in shapes})


def zero_gate(features: Features, inputs: Inputs, k: int) -> LinearGate:
    """A gate that has no opinion yet: where joint training of gate and tickets starts."""
    return LinearGate(features, inputs, {"weight": torch.zeros(k, features.dims), "bias": torch.zeros(k)})


def fit_gate(
    features: Features, inputs: Inputs, assignment: np.ndarray, train: np.ndarray, val: np.ndarray, k: int
) -> LinearGate:
    """Multinomial logistic regression of the subset on the features, with the L2 penalty that does best on `val`.

    assignment  (all rows,) the subset of each row, -1 for none; it is read at `train` and `val` alone
    Where there is one subset, nothing is to be told apart: its ticket is chosen always.
    """
    if k == 1:
        return zero_gate(features, inputs, k)
    train, val = belonging(assignment, train, k), belonging(assignment, val, k)
    seen, held_out = (features.of_rows(inputs, rows).numpy() for rows in (train, val))
    weight, bias = _logistic_regression(seen, assignment[train], held_out, assignment[val])
    if k == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.r_[0.0, bias]
    parameters = {"weight": torch.from_numpy(weight).float(), "bias": torch.from_numpy(bias).float()}
    return LinearGate(features, inputs, parameters)


def belonging(assignment: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Of `rows` those with a subset, at most `FIT_ROWS` drawn at random; BadInput where a subset has none."""
    rows = rows[assignment[rows] >= 0]
    rows = np.sort(numpy_generator(0, "gate", "rows").permutation(rows)[:FIT_ROWS])
    present = len(np.unique(assignment[rows]))
    if k < 2 or present < k:
        raise BadInput(f"a gate tells at least two subsets apart and needs rows of each: {present} of {k} have some")
    return rows


def _logistic_regression(
    seen: np.ndarray, subset: np.ndarray, held_out: np.ndarray, subset_held_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(weight, bias) with the least validation loss over `STRENGTHS`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)
    fits = []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(seen, subset)
        loss = log_loss(subset_held_out, model.predict_proba(held_out), labels=model.classes_)
        fits.append((loss, model.coef_.copy(), model.intercept_.copy()))
    _, weight, bias = min(fits, key=lambda fit: fit[0])
    return weight, bias


def centroid_gate(features: Features, inputs: Inputs, assignment: np.ndarray, train: np.ndarray, k: int) -> LinearGate:
    """Nearest subset centroid in feature space, as a linear gate: c f(x) - |c|^2 / 2 is largest for the nearest c.

    Its softmax is the posterior of Gaussians of unit variance around the centroids.
    """
    train = belonging(assignment, train, k)
    seen, subset = features.of_rows(inputs, train), torch.from_numpy(assignment[train])
    centroids = torch.zeros(k, features.dims).index_add_(0, subset, seen) / torch.bincount(subset)[:, None]
    return LinearGate(features, inputs, {"weight": centroids, "bias": -centroids.square().sum(dim=1) / 2})
