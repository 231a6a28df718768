"""Does a map depend on what the ticket has learned? Scores that ask; verdict.py judges them.

A map that stays the same when the weights are shuffled or the mask is exchanged explains the picture, not
the ticket (Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018). Infidelity and maximal
sensitivity: Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rtl_core.audit.attribution.explain import Maps, Question, explain, private_copy
from rtl_core.audit.attribution.rank_correlation import rank_correlation
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.rng import torch_generator

SWAPS = 3  # other tickets whose masks are tried
STAGES = 5  # of the cascade: deep networks are shuffled several layers at a time
REMOVALS = 64  # random halves of the regions that infidelity takes away
SHAKES = 4  # slightly changed inputs that sensitivity looks at
RADIUS = 0.02  # of those changes, in standard deviations of the data


@dataclass(frozen=True)
class Sanity:
    """Scores of n maps; all (n,) but the curve. A map without spread resembles nothing: its rank correlations are 0.

    mask_swap             rank correlation with the map under other tickets' masks; NaN for a single ticket
    random_mask           with the map under a random mask of equal layer densities
    weight_randomisation  mean of the curve
    curve                 (n, stages): rank correlation as layers are shuffled from the top down
    infidelity            share of the output's changes that the map does not account for, in [0, 1]; NaN where
                          the output does not change
    sensitivity           largest change of the map under tiny changes of the input, relative to the map
    relative_delta        of `Maps`; NaN where the method promises no sum
    constant              bool: the map is the same everywhere
    """

    mask_swap: np.ndarray
    random_mask: np.ndarray
    weight_randomisation: np.ndarray
    curve: np.ndarray
    infidelity: np.ndarray
    sensitivity: np.ndarray
    relative_delta: np.ndarray
    constant: np.ndarray


def sanity(subject: Subject, ticket: str, x: torch.Tensor, maps: Maps, question: Question) -> Sanity:
    """The scores of the maps (n) that `explain` gave for the ticket's module, inputs x and question."""
    module, compared = subject.module(ticket), question.at_fixed_steps

    def correlations(modules: Sequence[nn.Module]) -> np.ndarray:
        """(n, modules)."""
        explained_maps = [explain(other, x, compared, maps.target).flat for other in modules]
        return np.stack([np.nan_to_num(rank_correlation(maps.flat, other)) for other in explained_maps], axis=1)

    n, swapped = len(x), subject.under_other_masks(ticket, SWAPS)
    curve = correlations([shuffled(module, stage, question.seed) for stage in range(len(_stages(module)))])
    return Sanity(
        mask_swap=correlations(swapped).mean(axis=1) if swapped else np.full(n, np.nan),
        random_mask=correlations([subject.under_random_mask(ticket, question.seed)])[:, 0],
        weight_randomisation=curve.mean(axis=1),
        curve=curve,
        infidelity=infidelity(module, x, maps, question),
        sensitivity=sensitivity(module, x, maps, compared),
        relative_delta=maps.relative_delta if question.method.complete else np.full(n, np.nan),
        constant=np.ptp(maps.flat, axis=1) == 0,
    )


def shuffled(module: nn.Module, stage: int, seed: int) -> nn.Module:
    """A copy with the values of every layer's weights and biases shuffled, from the top down to `stage` (0, 1, ...).

    Shuffling within a tensor keeps the layer's scale and sparsity; only what was learned is gone.
    """
    module = copy.deepcopy(module)
    layers = dict(module.named_modules())
    for names in _stages(module)[: stage + 1]:
        for name in names:
            for kind, tensor in layers[name].named_parameters(recurse=False):
                order = torch.randperm(tensor.numel(), generator=torch_generator(seed, "shuffle", name, kind))
                with torch.no_grad():
                    tensor.copy_(tensor.flatten()[order.to(tensor.device)].reshape(tensor.shape))
    return module


def _stages(module: nn.Module) -> list[list[str]]:
    """Names of the layers with weight matrices or kernels from the top down, in at most `STAGES` groups."""
    layers = [
        name
        for name, layer in module.named_modules()
        if any(parameter.ndim > 1 for parameter in layer.parameters(recurse=False))
    ][::-1]
    return [list(group) for group in np.array_split(layers, min(STAGES, len(layers)))]


def infidelity(module: nn.Module, x: torch.Tensor, maps: Maps, question: Question) -> np.ndarray:
    """(n,): moves random halves of the regions to the baseline and compares the output's change with the map's sum.

    The map is scaled to fit best and the error is divided by the mean squared change: 0 is perfect, 1 is no
    better than a map of zeros.
    """
    from captum.metrics import infidelity as captums

    module = private_copy(module)
    device = next(module.parameters()).device
    generator = torch_generator(question.seed, "infidelity")
    chosen = torch.rand(REMOVALS, len(question.groups.names), generator=generator) < 0.5
    removed = chosen[:, torch.from_numpy(question.groups.of)].float().to(device)
    errors = np.empty(len(x))
    for i in range(len(x)):
        baseline = question.of_input(i).baseline.to(device)

        def remove(inputs: torch.Tensor, baseline: torch.Tensor = baseline) -> tuple[torch.Tensor, torch.Tensor]:
            taken = removed * (inputs - baseline)
            return taken if question.method.local else removed, inputs - taken

        attributions = torch.from_numpy(maps.attributions[i : i + 1]).to(device)
        known = {"target": int(maps.target[i]), "n_perturb_samples": REMOVALS}
        inputs = x[i : i + 1].to(device)
        error = captums(module, remove, inputs, attributions, normalize=True, **known)
        change = captums(module, remove, inputs, torch.zeros_like(attributions), **known)
        errors[i] = float(error / change) if change > 0 else np.nan
    return errors


def sensitivity(module: nn.Module, x: torch.Tensor, maps: Maps, question: Question) -> np.ndarray:
    """(n,): the largest distance of a map to those of inputs within `RADIUS`, relative to its length; 0 / 0 is NaN."""
    from captum.metrics import sensitivity_max

    noise = torch.rand((SHAKES, *x.shape[1:]), generator=torch_generator(question.seed, "sensitivity"))
    noise = RADIUS * (2 * noise - 1)
    largest_changes = np.full(len(x), np.nan)
    for i in np.flatnonzero(np.abs(maps.flat).max(axis=1) > 0):
        own, target = question.of_input(i), int(maps.target[i])

        # Captum takes the rows of a plain tensor for separate inputs here, so the map goes back as a tuple of one.
        def attribute(inputs: tuple[torch.Tensor], own: Question = own, target: int = target) -> tuple[torch.Tensor]:
            given = explain(module, *inputs, own, target).attributions
            return (torch.from_numpy(np.ascontiguousarray(given)),)  # those of colours may lie channels last

        def shake(inputs: torch.Tensor, radius: float) -> tuple[torch.Tensor]:
            return (inputs + noise.to(inputs),)

        largest_changes[i] = float(sensitivity_max(attribute, x[i : i + 1], shake, RADIUS, SHAKES))
    return largest_changes
