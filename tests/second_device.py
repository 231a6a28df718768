"""A second device for machines without one: `device="meta"` computes on the processor, refusing what CUDA would refuse.

Inside `second_device()` every tensor that is made on or moved to "meta" is an `Elsewhere`: it says that it lies there,
keeps its values in the processor's memory, and works with other tensors of that device alone (and with single numbers,
as CUDA does). So training there gives the very bits of training on the processor, or an error where a move is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE, HERE = torch.device("meta"), torch.device("cpu")
ATEN = torch.ops.aten
COPY = ATEN.copy_.default
MOVES = (COPY, ATEN._to_copy.default)
INDEXED = (ATEN.index, ATEN.index_put, ATEN.index_put_)  # their second argument may lie on the processor, as with CUDA


class Elsewhere(torch.Tensor):
    """A tensor of the second device; `here` has its values."""

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> Elsewhere:
        return torch.Tensor._make_wrapper_subclass(
            cls, here.size(), strides=here.stride(), dtype=here.dtype, device=DEVICE, requires_grad=here.requires_grad
        )

    def __init__(self, here: torch.Tensor):
        self.here = here

    def __repr__(self) -> str:
        return f"Elsewhere({self.here!r})"

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


def _run(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    known = any(isinstance(tensor, Elsewhere) for tensor in given)
    assert not any(tensor.device == DEVICE and not isinstance(tensor, Elsewhere) for tensor in given), (
        "values were lost"
    )
    there = isinstance(args[0], Elsewhere) if operation is COPY else known
    if kwargs.get("device") is not None:
        there, kwargs = _is_there(kwargs["device"]), {**kwargs, "device": HERE}
    if known and operation not in MOVES:
        _refuse_mixed(operation, args)
    inner_args, inner_kwargs = tree_map_only(Elsewhere, lambda tensor: tensor.here, (args, kwargs))
    result = operation(*inner_args, **inner_kwargs)
    if not there:
        return args[0] if operation is COPY else result
    result = tree_map_only(torch.Tensor, Elsewhere, result)
    return return_and_correct_aliasing(operation, args, kwargs, result) if known else result


def _is_there(device: Any) -> bool:
    if torch.device(device) not in (DEVICE, HERE):
        raise RuntimeError(f"there is no device {device} here")
    return torch.device(device) == DEVICE


def _refuse_mixed(operation: Any, args: Any) -> None:
    if operation.overloadpacket in INDEXED:
        args = (args[0], *args[2:])
    tensors = [value for value in tree_flatten(args)[0] if isinstance(value, torch.Tensor)]
    here = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.dim() > 0]
    if here:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in here)
        raise RuntimeError(f"{operation}: all tensors should be on one device; those of shape {shapes} are on the cpu")


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


class _Made(TorchFunctionMode):
    """Where PyTorch makes tensors of the device without dispatching an operation: they would have no values."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.tensor and kwargs.get("device") is not None and _is_there(kwargs["device"]):
            return function(*args, **{**kwargs, "device": HERE}).to(DEVICE)
        if function is torch.Tensor.__getitem__ and isinstance(args[1], tuple):
            index = tuple(torch.tensor(one) if isinstance(one, list) else one for one in args[1])
            return function(args[0], index)
        return function(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[str]:
    """Gives the device's name. Belongs to the thread that enters it."""
    with _Made(), _Dispatch():
        yield str(DEVICE)
