"""The attribution methods: what each is, what it needs, its settings, and when it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from pydantic import ValidationError
from torch import nn

from rtl_core.audit.attribution import captum_methods
from rtl_core.audit.attribution.captum_methods import Request
from rtl_core.audit.attribution.parameters import (
    ConductanceParameters,
    GradientShapParameters,
    KernelShapParameters,
    LayerParameters,
    OcclusionParameters,
    Parameters,
    PathParameters,
    SaliencyParameters,
)
from rtl_core.errors import BadInput

_SHAPES_ONLY = (nn.Identity, nn.Flatten, nn.Dropout, nn.AdaptiveAvgPool2d, nn.AvgPool2d)
_LINEAR = (nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, *_SHAPES_ONLY)


@dataclass(frozen=True)
class Method:
    """One row of the table.

    attribute      Request -> map (n, *shape)
    unfit          (module, shape of an input) -> why the method cannot be used, or None
    against        what a map compares the input with: the chosen baseline, zeros, or nothing at all
    complete       whether a map sums to output less the baseline's output
    local          a slope at the input; otherwise a contribution that the input's size is part of
    """

    name: str
    title: str
    parameters: type[Parameters]
    attribute: Callable[[Request], torch.Tensor]
    unfit: Callable[[nn.Module, tuple[int, ...]], str | None] = lambda module, shape: None
    against: Literal["baseline", "zeros", "nothing"] = "baseline"
    complete: bool = False
    local: bool = False


def method_named(name: str) -> Method:
    """The row of the table; BadInput lists the names."""
    if name not in METHODS:
        raise BadInput(f"there is no attribution method '{name}'; there are: {', '.join(METHODS)}")
    return METHODS[name]


def settings_of(method: Method, given: dict[str, Any]) -> Parameters:
    """The method's settings from plain values; BadInput names the one that is wrong."""
    try:
        return method.parameters.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(method.parameters.model_fields) or "none"
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"{method.name}, setting '{where}': {first['msg']} (its settings: {known})") from None


def check_fit(method: Method, module: nn.Module, shape: tuple[int, ...]) -> None:
    """Raises BadInput with the reason why the method cannot explain this network."""
    reason = method.unfit(module, shape)
    if reason:
        raise BadInput(f"{method.title} cannot be used here: {reason}")


def _needs_pictures(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    return None if len(shape) == 3 else "it covers squares of a picture, and these inputs are no pictures"


def _needs_convolutions(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    if len(shape) == 3 and any(isinstance(layer, nn.Conv2d) for layer in module.modules()):
        return None
    return "it reads the maps of a convolution, and the network has none"


def _needs_columns(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    return None if len(shape) == 1 else "a picture has too many numbers for it; take gradient_shap or feature_ablation"


def _needs_relus(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    relus = [layer for layer in module.modules() if isinstance(layer, nn.ReLU)]
    if not relus:
        return "it changes the gradient at ReLU modules, and the network has none"
    return "a ReLU works in place; build it with inplace=False" if any(layer.inplace for layer in relus) else None


def _guided_cam_unfit(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    return _needs_convolutions(module, shape) or _needs_relus(module, shape)


def _deeplift_unfit(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """DeepLIFT has a rule for some activations only. It cannot see functional ones nor products of branches:
    there the convergence delta tells."""
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    if any(getattr(layer, "inplace", False) for layer in leaves):
        return "an activation works in place; build it with inplace=False"
    unknown = {type(layer).__name__ for layer in leaves if not isinstance(layer, (*_LINEAR, *SUPPORTED_NON_LINEAR))}
    return f"it has no rule for {', '.join(sorted(unknown))}" if unknown else None


_path = partial(Method, complete=True)
_slope = partial(Method, against="nothing", local=True)
_of_layer = partial(Method, unfit=_needs_convolutions)
_ALL = (
    _slope("saliency", "Saliency", SaliencyParameters, captum_methods.saliency),
    Method("input_x_gradient", "Input x gradient", Parameters, captum_methods.input_x_gradient, against="zeros"),
    _path("integrated_gradients", "Integrated gradients", PathParameters, captum_methods.integrated_gradients),
    Method("gradient_shap", "Gradient SHAP", GradientShapParameters, captum_methods.gradient_shap),
    _path("deeplift", "DeepLIFT", Parameters, captum_methods.deeplift, _deeplift_unfit),
    _of_layer("grad_cam", "Grad-CAM", LayerParameters, captum_methods.grad_cam, against="nothing"),
    _slope("guided_grad_cam", "Guided Grad-CAM", LayerParameters, captum_methods.guided_grad_cam, _guided_cam_unfit),
    _slope("guided_backprop", "Guided backpropagation", Parameters, captum_methods.guided_backprop, _needs_relus),
    _of_layer("layer_conductance", "Layer conductance", ConductanceParameters, captum_methods.layer_conductance),
    Method("occlusion", "Occlusion", OcclusionParameters, captum_methods.occlusion, _needs_pictures),
    Method("feature_ablation", "Feature ablation", Parameters, captum_methods.feature_ablation),
    _path("kernel_shap", "Kernel SHAP", KernelShapParameters, captum_methods.kernel_shap, _needs_columns),
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
