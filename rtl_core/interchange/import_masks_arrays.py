"""Masks of a network pruned elsewhere, read off its tensors: explicit masks where it has them, else its zeros."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.tickets import bits as packed

MAX_TENSORS = 10_000  # in one file
MAX_WEIGHTS = 2**30  # of all tickets together: a ticket set takes a byte for each
_MAX_NAME = 300
_NOT_PRUNED = ("bias", "running_mean", "running_var")  # last parts of names, whatever the tensor's dimensions
_OF_ATTENTION = "attn attention causal src tgt memory key padding pad relative window token tril triu"
_FEW_DIMENSIONS = "it has fewer than two dimensions, as biases, norms and their statistics have"


@dataclass(frozen=True)
class Values:
    """A tensor of a file that is not read yet, so that one at a time is in memory.

    place   what tells tensors that share their values: (storage, first value, one behind the last, whether all between
            are the tensor's); None where nothing is shared
    buffer  whether the file itself says that it is no parameter
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    place: tuple[object, int, int, bool] | None = None
    buffer: bool = False


Tensors = Mapping[str, Values]
# (storage, first value, whether there is a mask) -> (tensor, end, whether all values between are its own)
_Places = dict[tuple[object, int, bool], tuple[str, int, bool]]


@dataclass(frozen=True)
class PackedMask:
    """What one tensor's mask keeps: uint8 (ceil(n / 8),), packed as `bits.pack` does.

    origin     "mask": the file holds it; "zeros": read off floating-point weights; "buffer": the same, of what is no
               parameter; "numbers": read off whole numbers
    binary     whether the values that it was read off are zeros and ones only
    zero_rows  how many rows are pruned whole, where nothing else is; else None
    one_value  whether all weights that are not zero are the same number, as in attention masks
    """

    shape: tuple[int, ...]
    bits: np.ndarray
    origin: Literal["mask", "zeros", "buffer", "numbers"] = "mask"
    binary: bool = True
    zero_rows: int | None = None
    one_value: bool = False

    @classmethod
    def of(cls, mask: np.ndarray) -> PackedMask:
        """From a bool array of the tensor's shape."""
        return cls(mask.shape, packed.pack(mask.reshape(1, -1))[0])

    @classmethod
    def of_values(cls, values: np.ndarray, stored: Values) -> PackedMask:
        """Zeros are what is pruned."""
        mask = values != 0
        rows = mask.reshape(len(mask), -1) if mask.size else mask.reshape(0, 0)
        empty = len(rows) - np.count_nonzero(rows.any(axis=1))
        kept = values[mask]
        return replace(
            cls.of(mask),
            origin="numbers" if values.dtype.kind in "biu" else "buffer" if stored.buffer else "zeros",
            binary=_is_mask(values),
            zero_rows=int(empty) if mask.size - len(kept) == empty * rows.shape[1] else None,
            one_value=len(kept) > 1 and bool((kept == kept[0]).all()),
        )

    @property
    def n(self) -> int:
        return prod(self.shape)

    @property
    def pruned(self) -> int:
        """How many weights it does not keep."""
        return self.n - int(packed.counts(self.bits[None])[0])

    @property
    def dense(self) -> bool:
        """Whether it keeps every weight."""
        return not self.pruned

    def flat(self) -> np.ndarray:
        """bool (n,), in row-major order."""
        return packed.unpack(self.bits[None], self.n)[0]


def masks_of(
    tensors: Tensors, file: str, given: Mapping[str, tuple[str, Values]] | None = None, least: int = 2
) -> tuple[dict[str, PackedMask], dict[str, str]]:
    """(tensor -> mask, tensor left out -> reason), in the file's order; `file`: its name for sentences.

    given  tensor -> (name, values) of masks that stand outside the state dict
    least  dimensions that a tensor has to have

    BadInput: NaN among the weights; a mask of another shape than its weights or with values other than 0 and 1.
    """
    given = given or {}
    pairs = pairs_of(tensors)
    pairs |= {tensor: (None, ()) for tensor in given if tensor not in pairs}
    masks: dict[str, PackedMask] = {}
    left_out: dict[str, str] = {}
    places: _Places = {}
    weights = 0
    for tensor, (values_key, mask_keys) in pairs.items():
        explicit = [(key, tensors[key]) for key in mask_keys] + ([given[tensor]] if tensor in given else [])
        stored = tensors[values_key] if values_key else explicit[0][1]
        weights += prod(stored.shape)
        check_total(weights)
        tied = _tied_to(tensor, stored, places, bool(explicit))
        mask = _left_out_unread(tensor, stored, least) or (_tied(tied) if tied and not explicit else None)
        if mask is None:
            mask = _mask_of(tensor, stored if values_key else None, explicit, file)
        if explicit and tied in masks and isinstance(mask, PackedMask) and np.array_equal(mask.bits, masks[tied].bits):
            mask = _tied(tied)
        if isinstance(mask, PackedMask):
            masks[tensor] = mask
        else:
            left_out[tensor] = mask
    return _sorted_out(masks, left_out, file)


def check_names(names: Collection[str], file: str) -> None:
    """BadInput for too many tensors, none at all, or a name that cannot be shown."""
    if len(names) > MAX_TENSORS:
        raise BadInput(f"{file} holds {len(names):,} tensors; at most {MAX_TENSORS:,} are read")
    if not names:
        raise BadInput(f"{file} holds no tensors; a network's state dict or its masks are wanted")
    for name in names:
        check_name(name, file)


def check_name(name: str, file: str) -> None:
    """BadInput for a name that cannot be shown."""
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        raise BadInput(f"{file}: the name {name!r:.40} is no printable text of 1 to {_MAX_NAME} characters")


def check_total(weights: int) -> None:
    """BadInput for more weights than a ticket set may have, all tickets counted."""
    if weights > MAX_WEIGHTS:
        raise BadInput(
            f"the tickets together have {weights:,} weights, at most {MAX_WEIGHTS:,} are taken in; import fewer at once"
        )


def zeros_and_ones(group: Collection[Values]) -> bool:
    """Whether tensors hold zeros and ones, both of them and nothing else, as masks do."""
    ones = zeros = False
    for stored in group:
        values = stored.read()
        if not _is_mask(values):
            return False
        ones, zeros = ones or bool(values.any()), zeros or not values.all()
    return ones and zeros


def as_mask(values: np.ndarray, name: str, file: str) -> np.ndarray:
    """bool, of the same shape; BadInput for other values than 0 and 1."""
    if not _is_mask(values):
        raise _no_mask(name, file)
    return values != 0


def pairs_of(keys: Collection[str]) -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """Tensor -> (key of its values, keys of its masks), in the file's order.

    torch.nn.utils.prune stores the tensor X as `X_orig` and `X_mask`; others keep a buffer `mask` beside `weight`. A
    name that only ends like a mask's, such as the `attn_mask` of a transformer, is a tensor of its own unless all do.
    """
    pairs: dict[str, tuple[str | None, tuple[str, ...]]] = {}
    only_masks = all(_weights_of_mask(key) for key in keys)
    for key in keys:
        candidates = _weights_of_mask(key)
        values = next((name for name in candidates if name in keys and not _weights_of_mask(name)), None)
        tensor = values.removesuffix("_orig") if values else candidates[-1] if only_masks else None
        if tensor is not None:
            pairs[tensor] = (values, (*pairs.get(tensor, (None, ()))[1], key))
    owners = {key: tensor for tensor, (values, masks) in pairs.items() for key in (values, *masks)}
    tensors = dict.fromkeys(owners.get(key, key) for key in keys)
    return {tensor: pairs.get(tensor, (tensor, ())) for tensor in tensors}


def words(name: str) -> set[str]:
    """What stands between points, underscores, digits and capitals, in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def _weights_of_mask(key: str) -> list[str]:
    """What a mask's key may be the mask of; the last is what its tensor is called where no weights are there."""
    above, point, last = key.rpartition(".")
    if last in ("mask", "masks"):
        return [f"{above}{point}weight_orig", above, f"{above}{point}weight"]
    if holder := next((piece for piece in above.split(".") if piece in ("mask", "masks")), None):
        name = key.replace(f"{holder}.", "", 1)
        return [f"{name}_orig", f"{name}.weight", name]
    for ending in ("_mask", "_masks"):
        if key.endswith(ending):
            name = key.removesuffix(ending)
            return [f"{name}_orig", f"{name}.weight_orig", f"{name}.weight", name]
    if last.startswith("mask_"):
        name = above + point + last.removeprefix("mask_")
        return [f"{name}_orig", f"{name}.weight", name]
    return []


def _left_out_unread(tensor: str, stored: Values, least: int) -> str | None:
    """Why a tensor does not count, whatever its values."""
    if len(stored.shape) < least:
        return _FEW_DIMENSIONS
    if tensor.rpartition(".")[2] in _NOT_PRUNED:
        return "it is a bias or a running statistic by its name"
    return None


def _tied_to(tensor: str, stored: Values, places: _Places, masked: bool) -> str | None:
    """The tensor before that shares its values with this one, of those with masks in the file or of those without."""
    if stored.place is None:
        return None
    storage, first, end, whole = stored.place
    other, end_, whole_ = places.setdefault((storage, first, masked), (tensor, end, whole))
    return other if other != tensor and (end == end_ or (whole and whole_)) else None


def _tied(other: str) -> str:
    return f"it has the same values as '{other}' (tied), which counts once"


def _mask_of(
    tensor: str, stored: Values | None, explicit: Collection[tuple[str, Values]], file: str
) -> PackedMask | str:
    """The mask that a file holds for a tensor, or its zeros; or why it has none."""
    values = None if stored is None else stored.read()
    if values is not None:
        _refuse_nan(values, tensor, file)
    if explicit:
        return _explicit(tensor, values, explicit, file)
    return (
        PackedMask.of_values(values, stored) if values.dtype.kind in "fbiu" else f"it holds {values.dtype}, not weights"
    )


def _explicit(
    tensor: str, values: np.ndarray | None, explicit: Collection[tuple[str, Values]], file: str
) -> PackedMask:
    """The mask that a file holds for a tensor; two of them have to be equal."""
    masks = {name: as_mask(stored.read(), name, file) for name, stored in explicit}
    (name, mask), *others = masks.items()
    if any(not np.array_equal(mask, other) for _, other in others):
        raise BadInput(f"{file}: masks '{name}' and '{others[0][0]}' of '{tensor}' differ; keep the one that counts")
    if values is not None and mask.shape != values.shape:
        raise BadInput(f"{file}: mask '{name}' has shape {mask.shape}, its weights have {values.shape}")
    if values is not None and mask.any() and not mask.all() and np.array_equal(mask, values == 0):
        raise BadInput(f"{file}: mask '{name}' is 1 exactly where its weights are zero; 1 should stand for kept")
    return PackedMask.of(mask)


def _sorted_out(
    masks: dict[str, PackedMask], left_out: dict[str, str], file: str
) -> tuple[dict[str, PackedMask], dict[str, str]]:
    """Whole numbers are buffers beside floating-point weights, and masks where there are none."""
    numbers = {tensor for tensor, mask in masks.items() if mask.origin == "numbers"}
    if len(numbers) == len(masks):
        odd = next((tensor for tensor, mask in masks.items() if not mask.binary), None)
        if odd is not None:
            raise _no_mask(odd, file)
    else:
        _refuse_stray_masks(masks, file)
        reason = "it holds whole numbers beside floating-point weights: a buffer"
        left_out = left_out | {tensor: reason for tensor in masks if tensor in numbers}
        masks = {tensor: mask for tensor, mask in masks.items() if tensor not in numbers}
    if all(mask.binary for mask in masks.values()):
        masks = {tensor: replace(mask, origin="mask") for tensor, mask in masks.items()}
    return masks, left_out


def _refuse_stray_masks(masks: Mapping[str, PackedMask], file: str) -> None:
    """A mask whose weights are called otherwise would be lost; nothing is pruned by the masks of attention."""
    stray = {
        name: mask
        for name, mask in masks.items()
        if mask.origin != "mask"
        and words(name.rpartition(".")[2]) & {"mask", "masks"}
        and (mask.binary or mask.one_value)
    }
    shapes = {mask.shape for name, mask in masks.items() if mask.origin == "zeros" and name not in stray}
    for name, mask in stray.items():
        if mask.shape in shapes and not words(name) & set(_OF_ATTENTION.split()):
            raise BadInput(
                f"{file}: '{name}' seems to be a mask, but no tensor is called so; name it after its tensor, such as "
                "'conv.weight_mask' for 'conv.weight'"
            )


def _is_mask(values: np.ndarray) -> bool:
    return values.dtype.kind == "b" or (values.dtype.kind in "iuf" and bool(((values == 0) | (values == 1)).all()))


def _no_mask(name: str, file: str) -> BadInput:
    return BadInput(f"{file}: '{name}' is no mask: it should hold 0 (pruned) and 1 (kept) and nothing else")


def _refuse_nan(values: np.ndarray, tensor: str, file: str) -> None:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise BadInput(f"{file}: tensor '{tensor}' holds NaN; its training failed, or the file is damaged")
