"""How each attribution method computes its maps: Captum's, on a private copy of the module.

Nothing draws from a global generator, so the same seed gives the same map on any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from rtl_core.data.batches import rows_a_pass
from rtl_core.errors import BadInput
from rtl_core.rng import torch_generator


@dataclass(frozen=True)
class Request:
    """What a method is asked: maps of `x` (n, *shape) for the outputs `target` int64 (n,).

    baseline  (1, *shape) or (n, *shape)
    groups    int64 (1, *shape): numbers with the same value are taken away together
    """

    module: nn.Module
    x: torch.Tensor
    baseline: torch.Tensor
    target: torch.Tensor
    groups: torch.Tensor
    parameters: Any
    seed: int

    @property
    def at_once(self) -> int:
        """How many changed versions of every input fit into one forward pass."""
        return max(1, self.rows_a_pass // len(self.x))

    @property
    def rows_a_pass(self) -> int:
        """How many rows pass at once: every input, where there are more of them."""
        return max(rows_a_pass(prod(self.x.shape[1:])), len(self.x))


def last_convolution(module: nn.Module, layer: str | None = None) -> nn.Module:
    """The convolution called `layer`, or the last one; BadInput where there is no such layer."""
    convolutions = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d)}
    if layer is None:
        return list(convolutions.values())[-1]
    if layer not in convolutions:
        raise BadInput(f"the network has no convolution '{layer}'; it has {', '.join(convolutions)}")
    return convolutions[layer]


def _attr() -> Any:
    """Captum takes a second to import, so it is imported where it is used."""
    import captum.attr

    return captum.attr


def saliency(ask: Request) -> torch.Tensor:
    return _attr().Saliency(ask.module).attribute(ask.x, ask.target, abs=ask.parameters.absolute)


def input_x_gradient(ask: Request) -> torch.Tensor:
    return _attr().InputXGradient(ask.module).attribute(ask.x, ask.target)


def integrated_gradients(ask: Request) -> torch.Tensor:
    method = _attr().IntegratedGradients(ask.module)
    return method.attribute(
        ask.x, ask.baseline, ask.target, n_steps=ask.parameters.steps, internal_batch_size=ask.rows_a_pass
    )


def gradient_shap(ask: Request) -> torch.Tensor:
    """Expected gradients: Captum's GradientShap draws from global generators, so the draws are made here and the
    gradients are Captum's. All inputs share the draws: a map does not depend on what it is computed beside."""
    gradients, generator = _attr().Saliency(ask.module), torch_generator(ask.seed, "gradient_shap")
    total = torch.zeros_like(ask.x)
    for _ in range(ask.parameters.samples):
        noise = ask.parameters.noise * torch.randn(ask.x.shape[1:], generator=generator).to(ask.x)
        difference = ask.x.detach() + noise - ask.baseline
        share = torch.rand((), generator=generator).to(ask.x)
        point = (ask.baseline + share * difference).requires_grad_()
        total += difference * gradients.attribute(point, ask.target, abs=False)
    return total / ask.parameters.samples


def deeplift(ask: Request) -> torch.Tensor:
    return _attr().DeepLift(ask.module).attribute(ask.x, ask.baseline, ask.target)


def guided_backprop(ask: Request) -> torch.Tensor:
    return _attr().GuidedBackprop(ask.module).attribute(ask.x, ask.target)


def grad_cam(ask: Request) -> torch.Tensor:
    layer = last_convolution(ask.module, ask.parameters.layer)
    cam = _attr().LayerGradCam(ask.module, layer).attribute(ask.x, ask.target, relu_attributions=True)
    return _at_input_size(cam, ask.x)


def guided_grad_cam(ask: Request) -> torch.Tensor:
    layer = last_convolution(ask.module, ask.parameters.layer)
    method = _attr().GuidedGradCam(ask.module, layer)
    return method.attribute(ask.x, ask.target, interpolate_mode="bilinear")


def layer_conductance(ask: Request) -> torch.Tensor:
    layer = last_convolution(ask.module, ask.parameters.layer)
    conductance = _attr().LayerConductance(ask.module, layer)
    steps, rows = ask.parameters.steps, ask.rows_a_pass
    by_unit = conductance.attribute(ask.x, ask.baseline, ask.target, n_steps=steps, internal_batch_size=rows)
    return _at_input_size(by_unit.sum(1, keepdim=True), ask.x)


def _at_input_size(by_place: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(n, 1, h', w') -> the shape of x, the same in all channels."""
    size = tuple(x.shape[2:])
    return _attr().LayerAttribution.interpolate(by_place, size, "bilinear").expand_as(x)


def occlusion(ask: Request) -> torch.Tensor:
    channels, height, width = ask.x.shape[1:]
    window = min(ask.parameters.window, height, width)
    stride = min(ask.parameters.stride, window)  # a longer one would leave pixels that nothing ever covers
    method = _attr().Occlusion(ask.module)
    return method.attribute(
        ask.x.detach(),
        (channels, window, window),
        (channels, stride, stride),
        ask.baseline,
        ask.target,
        perturbations_per_eval=ask.at_once,
    )


def feature_ablation(ask: Request) -> torch.Tensor:
    method = _attr().FeatureAblation(ask.module)
    scores = method.attribute(
        ask.x.detach(), ask.baseline, ask.target, feature_mask=ask.groups, perturbations_per_eval=ask.at_once
    )
    return scores / _group_sizes(ask.groups)


def kernel_shap(ask: Request) -> torch.Tensor:
    """Captum's, drawing from a generator of its own instead of the global one; all inputs share the draws.

    Of one column alone, of which there are no coalitions to draw, the value is the whole difference to the baseline.
    """
    from captum.attr import KernelShap

    if int(ask.groups.max()) == 0:
        return _difference(ask) / _group_sizes(ask.groups)

    class Seeded(KernelShap):
        def kernel_shap_perturb_generator(self, original_inp: Any, **kwargs: Any) -> Iterator[torch.Tensor]:
            generator = torch_generator(ask.seed, "kernel_shap")
            count, sizes = kwargs["num_interp_features"], kwargs["num_select_distribution"].probs
            device = ask.x.device
            yield torch.ones(1, count, dtype=torch.long, device=device)
            yield torch.zeros(1, count, dtype=torch.long, device=device)
            while True:
                kept = int(torch.multinomial(sizes, 1, generator=generator))
                chosen = torch.randperm(count, generator=generator)[:kept]
                yield torch.zeros(1, count, dtype=torch.long).index_fill_(1, chosen, 1).to(device)

    method = Seeded(ask.module)
    method.interpretable_model = _Regression()
    baseline = ask.baseline.expand_as(ask.x)
    scores = [
        method.attribute(
            ask.x[i : i + 1].detach(),
            baseline[i : i + 1],
            ask.target[i : i + 1],
            feature_mask=ask.groups,
            n_samples=ask.parameters.samples,
            perturbations_per_eval=ask.rows_a_pass,
        )
        for i in range(len(ask.x))
    ]
    return torch.cat(scores) / _group_sizes(ask.groups)


def _difference(ask: Request) -> torch.Tensor:
    """How much the output asked for differs from the baseline's, (n, 1)."""
    with torch.no_grad():
        outputs, baseline = ask.module(ask.x), ask.module(ask.baseline.expand_as(ask.x))
    return (outputs - baseline).gather(1, ask.target[:, None])


class _Regression:
    """Least squares over the coalitions, as Captum's, which makes a layer of them and so draws weights for it."""

    def fit(self, samples: DataLoader) -> None:
        from sklearn.linear_model import LinearRegression

        x, y, weight = (tensor.cpu().numpy() for tensor in samples.dataset.tensors)
        self._coefficients = torch.from_numpy(np.atleast_2d(LinearRegression().fit(x, y, weight).coef_))

    def representation(self) -> torch.Tensor:
        """(1, groups)."""
        return self._coefficients


def _group_sizes(groups: torch.Tensor) -> torch.Tensor:
    """How many numbers share a group's score: spread evenly, they add up to it."""
    return torch.bincount(groups.flatten())[groups]
