"""What the objects that torch and numpy pickle stand for: storages, shapes, types, and arrays with their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import Values
from rtl_core.interchange.pickle_reader import PERSISTENT, Global, Shell

_MAX_DIMENSIONS = 16
_MAX_WRAPPERS = 10
NUMPY = {
    **{"float64": "<f8", "float32": "<f4", "float16": "<f2", "complex64": "<c8", "complex128": "<c16", "bool": "?"},
    **{"int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "i1"},
    **{"uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "u1"},
}
# Floats that numpy lacks, as whole numbers of the same size; torch turns them into float32.
RAW = {
    "bfloat16": "<u2",
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), "u1"),
}
_STORAGES = {
    **{"Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Bool": "bool"},
    **{"Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8"},
    **{"ComplexFloat": "complex64", "ComplexDouble": "complex128"},
}
ODD_TENSORS = {
    "_rebuild_qtensor": "quantised",
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "without values (meta)",
    "_rebuild_device_tensor_from_numpy": "kept on another device",
    "_rebuild_device_tensor_from_cpu_tensor": "kept on another device",
    "_rebuild_wrapper_subclass": "a tensor of a special class",
}
_WRAPPERS = ("_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter")


@dataclass(frozen=True)
class NoTensor:
    """Something whose values are not read. "quantised"; `tensor`: it may hold weights."""

    what: str
    tensor: bool = True


def unwrapped(shell: Shell) -> Shell:
    """The tensor inside a parameter, or inside a tensor of a class of somebody's."""
    for _ in range(_MAX_WRAPPERS):
        name = shell.kind.rpartition(".")[2]
        if name in _WRAPPERS and shell.arguments and isinstance(shell.arguments[0], Shell):
            shell = shell.arguments[0]
        elif name == "_rebuild_from_type_v2":
            function, _, arguments = shell.arguments[:3]
            shell = Shell(function.name, tuple(arguments))
        else:
            return shell
    raise ValueError


def storage_of(shell: Shell, dtype: str | None = None) -> tuple[str, str, int, int]:
    """(key, type of its values, their number, the first one that counts) of what a pickle names as stored elsewhere.

    dtype  the type of the values where the storage says only how many bytes it has
    """
    (stored,) = shell.arguments
    if shell.kind != PERSISTENT or stored[0] != "storage" or not isinstance(stored[1], Global):
        raise ValueError
    _, kind, key, _, size, *view = stored
    name = kind.name.rpartition(".")[2].removesuffix("Storage")
    type_ = dtype or _STORAGES.get(name, name)
    size, first = whole_numbers((size,))[0], 0
    if view and view[0] is not None:
        _, first, _ = view[0]
    if dtype and name == "Untyped":
        size //= item_size(dtype)
    return str(key), type_, size, whole_numbers((first,))[0]


def item_size(type_: str) -> int:
    """Bytes of one value."""
    known = (NUMPY | RAW).get(type_)
    return np.dtype(known).itemsize if known else {"QInt32": 4}.get(type_, 1)


def whole_numbers(numbers: Any) -> tuple[int, ...]:
    """A shape or its like; `torch.Size` is a tuple of whole numbers too."""
    if isinstance(numbers, Shell) and numbers.kind == "torch.Size":
        (numbers,) = numbers.arguments
    if len(numbers) > _MAX_DIMENSIONS or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError
    return tuple(numbers)


def check_within(shape: Sequence[int], stride: Sequence[int], start: int, size: int) -> None:
    """ValueError where a tensor reaches beyond the values that its storage has."""
    last = start + sum((number - 1) * step for number, step in zip(shape, stride, strict=True))
    if type(start) is not int or start < 0 or (prod(shape) and last >= size):
        raise ValueError


def as_float32(raw: np.ndarray, type_: str) -> np.ndarray:
    import torch

    return torch.from_numpy(raw).view(getattr(torch, type_)).float().numpy()


def array_of(shell: Shell) -> Values | NoTensor | None:
    """A numpy array that a pickle holds with its values."""
    name = shell.kind.rpartition(".")[2]
    if name == "_reconstruct" and isinstance(shell.state, tuple):
        _, shape, dtype, fortran, content = shell.state
    elif name == "_frombuffer":
        content, dtype, shape, order = shell.arguments
        fortran = order == "F"
    else:
        return None
    if isinstance(content, list):  # an array of objects, such as arrays
        return None
    type_, shape = _numpy_type(dtype), whole_numbers(shape)
    if type_ is None:
        return NoTensor("an array of no plain numbers")

    def read() -> np.ndarray:
        content_bytes = bytes_of(content)
        if len(content_bytes) != prod(shape) * type_.itemsize:
            raise ValueError
        return np.frombuffer(content_bytes, type_).reshape(shape, order="F" if fortran else "C")

    return Values(shape, read, (id(shell), 0, prod(shape), True))


def _numpy_type(dtype: Any) -> np.dtype | None:
    """None for what is no plain number."""
    if not isinstance(dtype, Shell) or not isinstance(dtype.arguments[0], str):
        raise TypeError
    order = dtype.state[1] if isinstance(dtype.state, tuple) else "|"
    if not re.fullmatch(r"[biufc]\d{1,2}", dtype.arguments[0]) or order not in ("<", ">", "|", "="):
        return None
    return np.dtype(order + dtype.arguments[0])


def bytes_of(value: Any) -> bytes:
    """The bytes that a pickle holds; before protocol 3 they stand there as a text."""
    if isinstance(value, Shell) and value.kind == "_codecs.encode" and value.arguments[1] in ("latin1", "latin-1"):
        value = value.arguments[0]
    if isinstance(value, str):
        return value.encode("latin1")
    if not isinstance(value, bytes | bytearray):
        raise TypeError
    return bytes(value)


def shown(name: str) -> str:
    """A name that a file gave, so that a sentence can show it."""
    return re.sub(r"[^\w.]", "?", name)[:80]


def damaged(file: str) -> BadInput:
    return BadInput(f"{file} is not an intact file of torch.save; save model.state_dict() again")
