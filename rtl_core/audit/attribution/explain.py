"""Maps of some inputs through one network, with the check that sums give: output less the baseline's output."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import nn

from rtl_core.audit.attribution.captum_methods import Request
from rtl_core.audit.attribution.methods import Method, check_fit
from rtl_core.audit.attribution.parameters import Parameters, PathParameters
from rtl_core.audit.attribution.regions import Regions
from rtl_core.data.batches import pieces, rows_a_pass
from rtl_core.errors import BadInput

INPUTS = 32  # explained together, fewer of large ones; with their steps or covered versions `rows_a_pass` pass at once
TOLERANCE = 0.01  # of the difference that a complete map should sum to


@dataclass(frozen=True)
class Question:
    """How maps are made.

    chosen    the baseline: (1, *shape), or one for each input (n, *shape)
    groups    what feature ablation and Kernel SHAP take away together
    seed      of the methods that draw
    sure      whether answers have a probability, by which they are followed as the input changes; otherwise they are
              followed by the explained number itself
    """

    method: Method
    parameters: Parameters
    chosen: torch.Tensor
    groups: Regions
    seed: int = 0
    sure: bool = True

    def of_input(self, i: int) -> Question:
        """The same for the i-th input alone."""
        return self if len(self.chosen) == 1 else replace(self, chosen=self.chosen[i : i + 1])

    @property
    def baseline(self) -> torch.Tensor:
        """What maps and outputs are compared with: the chosen one, unless the method has its own."""
        return torch.zeros_like(self.chosen) if self.method.against == "zeros" else self.chosen

    @property
    def at_fixed_steps(self) -> Question:
        """Without doubling: for maps that are only compared with others."""
        if not isinstance(self.parameters, PathParameters):
            return self
        return replace(self, parameters=self.parameters.model_copy(update={"max_steps": self.parameters.steps}))


@dataclass(frozen=True)
class Maps:
    """The maps of n inputs and what they should sum to.

    attributions     float32 (n, *shape)
    target           int64 (n,) the output that is explained (0 where there is one)
    output           (n,) the network's output for it, before softmax or sigmoid
    baseline_output  (n,) the same for the baseline
    steps            int64 (n,) that were taken; 0 for methods without steps
    """

    attributions: np.ndarray
    target: np.ndarray
    output: np.ndarray
    baseline_output: np.ndarray
    steps: np.ndarray

    @property
    def sum(self) -> np.ndarray:
        """(n,) float64."""
        return self.attributions.reshape(len(self.output), -1).sum(axis=1, dtype=np.float64)

    @property
    def shift(self) -> np.ndarray:
        """(n,) output less the baseline's output: what the map of a complete method sums to."""
        return self.output - self.baseline_output

    @property
    def delta(self) -> np.ndarray:
        """(n,) how far the sum is from that: 0 for a perfect map of a complete method."""
        return self.sum - self.shift

    @property
    def relative_delta(self) -> np.ndarray:
        """(n,) |delta| over the shift, or over the median shift of the inputs explained together where that is larger;
        0 / 0 is 0."""
        size = np.maximum(np.abs(self.shift), np.median(np.abs(self.shift)))
        return np.divide(np.abs(self.delta), size, out=np.where(self.delta == 0, 0.0, np.inf), where=size > 0)

    @property
    def flat(self) -> np.ndarray:
        """(n, numbers of an input)."""
        return self.attributions.reshape(len(self.output), -1)


def explain(module: nn.Module, x: torch.Tensor, question: Question, target: int | np.ndarray | None = None) -> Maps:
    """One map for each input, computed in eval mode on a copy of the module; the module stays as it was.

    x       (n, *shape); n > 0
    target  the output to explain, one for all or (n,); None: the one with the largest output

    Methods that double their steps do so until the sum is within `TOLERANCE` of what it should be, for each
    input apart. Raises BadInput where the method, the target or the baseline does not fit the network.
    """
    method, parameters, baseline = question.method, question.parameters, question.baseline
    if len(x) == 0:
        raise BadInput("there is nothing to explain: no input is given; choose at least one sample")
    if baseline.shape[1:] != x.shape[1:] or len(baseline) not in (1, len(x)):
        raise BadInput(f"a baseline of shape {tuple(baseline.shape)} does not fit inputs of shape {tuple(x.shape)}")
    check_fit(method, module, tuple(x.shape[1:]))
    module = private_copy(module)
    device = next(module.parameters()).device
    x, baseline = x.detach().to(device), baseline.detach().to(device)
    everything = np.arange(len(x))
    outputs, of_baseline = outputs_of(module, x), outputs_of(module, baseline)
    target = _targets(target, outputs)
    baseline_output = np.broadcast_to(of_baseline, outputs.shape)[everything, target]
    baseline = baseline.expand_as(x)
    groups = torch.from_numpy(question.groups.of)[None].to(device)
    size = rows_a_pass(prod(x.shape[1:]))

    def attribute(chosen: np.ndarray, parameters: Parameters) -> np.ndarray:
        maps = []
        for some in pieces(chosen, min(INPUTS, size)):
            rows = torch.from_numpy(some)
            inputs, targets = x[rows].clone().requires_grad_(), torch.from_numpy(target)[rows].to(device)
            request = Request(module, inputs, baseline[rows], targets, groups, parameters, question.seed)
            maps.append(method.attribute(request).detach().float().cpu().numpy())
        return np.concatenate(maps)

    steps = np.full(len(x), getattr(parameters, "steps", 0))
    explained_maps = Maps(
        attribute(everything, parameters), target, outputs[everything, target], baseline_output, steps
    )
    while isinstance(parameters, PathParameters):
        missed = np.flatnonzero(
            (explained_maps.relative_delta > TOLERANCE) & (2 * explained_maps.steps <= parameters.max_steps)
        )
        if not len(missed):
            break
        more = int(2 * explained_maps.steps[missed].max())
        explained_maps.attributions[missed] = attribute(missed, parameters.model_copy(update={"steps": more}))
        explained_maps.steps[missed] = more
    return explained_maps


def private_copy(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose parameters take no gradients: hooks and flags on it concern nobody else."""
    return copy.deepcopy(module).eval().requires_grad_(False)


@torch.no_grad()
def outputs_of(module: nn.Module, x: torch.Tensor) -> np.ndarray:
    """float32 (n, outputs), a piece at a time."""
    device = next(module.parameters()).device
    chunks = [module(some.to(device)).cpu() for some in pieces(x, rows_a_pass(prod(x.shape[1:])))]
    return torch.cat(chunks).numpy()


def confidence(module: nn.Module, x: torch.Tensor, target: int | np.ndarray) -> np.ndarray:
    """(n,) probability of the target: the sigmoid of a single output, the softmax of several."""
    outputs = torch.from_numpy(outputs_of(module, x))
    if outputs.shape[1] == 1:
        return torch.sigmoid(outputs[:, 0]).numpy()
    return torch.softmax(outputs, dim=1).numpy()[np.arange(len(x)), target]


def followed(module: nn.Module, x: torch.Tensor, target: int | np.ndarray, question: Question) -> np.ndarray:
    """(n,) what is followed of the target as inputs change: its probability, or the number itself."""
    if question.sure:
        return confidence(module, x, target)
    return outputs_of(module, x)[np.arange(len(x)), target]


def _targets(target: int | np.ndarray | None, outputs: np.ndarray) -> np.ndarray:
    n, count = outputs.shape
    if target is None:
        return outputs.argmax(axis=1)
    target = np.broadcast_to(np.asarray(target, np.int64), n).copy()
    if target.min() < 0 or target.max() >= count:
        raise BadInput(f"the network has {count} outputs, so a target is a number from 0 to {count - 1}")
    return target
