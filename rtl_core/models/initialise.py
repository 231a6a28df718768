"""Initial values: every layer's own `reset_parameters`, drawing from a generator named after the layer.

PyTorch's layers draw from the global generator, which threads share. Here a dispatch mode, which belongs to its thread,
hands every draw the layer's own generator instead: the values are a function of the seed and the layer's name and
shape, and nothing outside is read or moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rtl_core.errors import BadInput
from rtl_core.rng import torch_generator


@torch.no_grad()
def initialise(module: nn.Module, seed: int) -> None:
    """Sets all parameters and buffers of a module whose memory nobody has written yet (`to_empty`), in place.

    A layer's `reset_parameters` is called after those of the layers inside it, so it may change what they set. BadInput
    names the tensors that no layer sets.
    """
    tensors = {name: tensor.detach() for name, tensor in _tensors(module)}
    for tensor in tensors.values():
        _raw(tensor).fill_(_unset(tensor))
    for name, layer in reversed(list(module.named_modules())):
        reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
        if reset is not None:
            with _DrawingFrom(torch_generator(seed, "model", name), type(layer).__name__):
                reset()
    left = [name for name, tensor in _tensors(module) if _is_unset(tensor.detach())]
    if left:
        raise BadInput(
            f"nothing initialises {', '.join(left)} of {type(module).__name__}: give the module that holds it a method "
            "reset_parameters() that sets it in place, as PyTorch's own layers have"
        )


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _raw(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in a type that can hold `_unset`: a truth value is a byte, and only 0 and 1 have a meaning there."""
    return tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor


def _unset(tensor: torch.Tensor) -> float | int:
    """A value that no initialisation leaves behind."""
    if tensor.is_floating_point() or tensor.is_complex():
        return float("nan")
    limits = torch.iinfo(_raw(tensor).dtype)
    return limits.min if limits.min < 0 else limits.max


def _is_unset(tensor: torch.Tensor) -> bool:
    """Whether any element still holds what it held before."""
    raw, unset = _raw(tensor), _unset(tensor)
    return bool((raw.isnan() if unset != unset else raw == unset).any())


class _DrawingFrom(TorchDispatchMode):
    """Inside, every random operation of this thread draws from `generator`."""

    def __init__(self, generator: torch.Generator, layer: str):
        super().__init__()
        self._generator, self._layer = generator, layer

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in operation.tags:
            return operation(*args, **kwargs)
        return self._seeded(operation)(*args, **{**kwargs, "generator": self._generator})

    def _seeded(self, operation: Any) -> Any:
        """The operation in the form that takes a generator; BadInput where PyTorch has none."""
        if any(argument.name == "generator" for argument in operation._schema.arguments):
            return operation
        own, sisters = operation._overloadname, operation.overloadpacket
        form = getattr(sisters, "generator" if own == "default" else f"{own}_generator", None)
        if form is None:
            raise BadInput(
                f"reset_parameters of {self._layer} draws with {sisters.__name__}, which takes no generator: draw with "
                "torch.nn.init"
            )
        return form
