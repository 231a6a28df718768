"""Masks of a network pruned elsewhere, read off its tensors: explicit masks where it has them, else its zeros."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.tickets import bits as packed

MAX_TENSORS = 10_000  # in one file
MAX_WEIGHTS = 2**30  # of all tickets together: a ticket set takes a byte for each
_MAX_NAME = 300
_NOT_PRUNED = ("bias", "running_mean", "running_var")  # last parts of names, whatever the tensor's dimensions

# Tensor -> what reads it, so that one tensor at a time is in memory.
Tensors = Mapping[str, Callable[[], np.ndarray]]


@dataclass(frozen=True)
class PackedMask:
    """What one tensor's mask keeps: uint8 (ceil(n / 8),), packed as `bits.pack` does."""

    shape: tuple[int, ...]
    bits: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> PackedMask:
        """From a bool array of the tensor's shape."""
        return cls(mask.shape, packed.pack(mask.reshape(1, -1))[0])

    @property
    def n(self) -> int:
        return prod(self.shape)

    @property
    def dense(self) -> bool:
        """Whether it keeps every weight."""
        return int(packed.counts(self.bits[None])[0]) == self.n

    def flat(self) -> np.ndarray:
        """bool (n,), in row-major order."""
        return packed.unpack(self.bits[None], self.n)[0]


def masks_of(tensors: Tensors, file: str) -> tuple[dict[str, PackedMask], dict[str, str]]:
    """(tensor -> mask, tensor left out -> reason), in the file's order; `file`: its name for sentences.

    BadInput: NaN among the weights; a mask of another shape than its weights or with values other than 0 and 1.
    """
    masks: dict[str, PackedMask] = {}
    whole_numbers: dict[str, PackedMask | None] = {}  # None: not only 0 and 1
    left_out: dict[str, str] = {}
    weights = 0
    for tensor, (values_key, mask_key) in _pairs(tensors).items():
        values = tensors[values_key or mask_key]()
        weights += values.size
        check_total(weights)
        if values.ndim < 2:
            left_out[tensor] = "it has fewer than two dimensions, as biases, norms and their statistics have"
        elif tensor.rpartition(".")[2] in _NOT_PRUNED:
            left_out[tensor] = "it is a bias or a running statistic by its name"
        elif mask_key:
            _refuse_nan(values, tensor, file)
            mask = as_mask(tensors[mask_key](), mask_key, file)
            if mask.shape != values.shape:
                raise BadInput(f"{file}: mask '{mask_key}' has shape {mask.shape}, its weights have {values.shape}")
            masks[tensor] = PackedMask.of(mask)
        elif values.dtype.kind == "f":
            _refuse_nan(values, tensor, file)
            masks[tensor] = PackedMask.of(values != 0)
        elif values.dtype.kind in "biu":
            whole_numbers[tensor] = PackedMask.of(values != 0) if _is_mask(values) else None
        else:
            left_out[tensor] = f"it holds {values.dtype}, not weights"
    if masks:
        buffers = dict.fromkeys(whole_numbers, "it holds whole numbers beside floating-point weights: a buffer")
        return masks, left_out | buffers
    for tensor, mask in whole_numbers.items():
        if mask is None:
            raise _no_mask(tensor, file)
        masks[tensor] = mask
    return masks, left_out


def check_names(names: Collection[str], file: str) -> None:
    """BadInput for too many tensors, none at all, or a name that cannot be shown."""
    if len(names) > MAX_TENSORS:
        raise BadInput(f"{file} holds {len(names):,} tensors; at most {MAX_TENSORS:,} are read")
    if not names:
        raise BadInput(f"{file} holds no tensors; a network's state dict or its masks are wanted")
    odd = next((name for name in names if not 0 < len(name) <= _MAX_NAME or not name.isprintable()), None)
    if odd is not None:
        raise BadInput(f"{file}: the name {odd!r:.40} is no printable text of 1 to {_MAX_NAME} characters")


def check_total(weights: int) -> None:
    """BadInput for more weights than a ticket set may have, all tickets counted."""
    if weights > MAX_WEIGHTS:
        raise BadInput(
            f"the tickets together have {weights:,} weights, at most {MAX_WEIGHTS:,} are taken in; import fewer at once"
        )


def as_mask(values: np.ndarray, name: str, file: str) -> np.ndarray:
    """bool, of the same shape; BadInput for other values than 0 and 1."""
    if not _is_mask(values):
        raise _no_mask(name, file)
    return values != 0


def _pairs(keys: Collection[str]) -> dict[str, tuple[str | None, str | None]]:
    """Tensor -> (key of its values, key of its mask), in the file's order.

    torch.nn.utils.prune stores the tensor X as `X_orig` and `X_mask`. A name that only ends like a mask's, such as
    the `attn_mask` of a transformer, is a tensor of its own unless all names do.
    """
    pairs: dict[str, tuple[str | None, str | None]] = {}
    only_masks = all(key.endswith("_mask") for key in keys)
    for key in (key for key in keys if key.endswith("_mask")):
        tensor = key.removesuffix("_mask")
        values = next((name for name in (f"{tensor}_orig", tensor) if name in keys), None)
        if values is not None or only_masks:
            pairs[tensor] = (values, key)
    owners = {key: tensor for tensor, pair in pairs.items() for key in pair}
    tensors = dict.fromkeys(owners.get(key, key) for key in keys)
    return {tensor: pairs.get(tensor, (tensor, None)) for tensor in tensors}


def _is_mask(values: np.ndarray) -> bool:
    return values.dtype.kind == "b" or (values.dtype.kind in "iuf" and bool(((values == 0) | (values == 1)).all()))


def _no_mask(name: str, file: str) -> BadInput:
    return BadInput(f"{file}: '{name}' is no mask: it should hold 0 (pruned) and 1 (kept) and nothing else")


def _refuse_nan(values: np.ndarray, tensor: str, file: str) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise BadInput(f"{file}: tensor '{tensor}' holds NaN; its training failed, or the file is damaged")
