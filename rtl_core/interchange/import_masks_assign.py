"""Which tensor each mask outside a state dict belongs to: by its name, or by its number in the order of layers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import Values

# Parts of names that wrappers of networks put in: anywhere, or before everything else only.
_WRAPPERS = "module _orig_mod _fsdp_wrapped_module _checkpoint_wrapped_module"
_OUTER = "model net network backbone"
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
Given = dict[str, tuple[str, Values]]


def assigned(held: Mapping[str, Mapping[str, Values]], shapes: Mapping[str, tuple[int, ...]], file: str) -> Given:
    """Tensor -> (name of its mask, the mask), for all masks of a file.

    held    key that holds masks -> name under it -> mask
    shapes  of the network's tensors by name, in its order; none: the masks are all there is of the network

    BadInput, which names the mask, where it belongs to no tensor, or where names and order disagree.
    """
    given: Given = {}
    for holder, masks in held.items():
        if shapes:
            tensors = _tensors_of(masks, shapes, holder, file)
        else:
            tensors = {name: re.sub(r"[._]masks?$", "", name) or name for name in masks}
        for name, tensor in tensors.items():
            full = _full(holder, name)
            if tensor in given:
                raise BadInput(f"{file}: '{given[tensor][0]}' and '{full}' are both masks of '{tensor}'; keep one")
            given[tensor] = (full, masks[name])
    return given


def bare(name: str) -> str:
    """A tensor's name without what wrappers of networks put before it: `module.`, `_orig_mod.`, `model.` and so on."""
    pieces = [piece for piece in name.split(".") if piece not in _WRAPPERS.split()]
    while len(pieces) > 1 and pieces[0] in _OUTER.split():
        pieces = pieces[1:]
    return ".".join(pieces) or name


def prefix_of(name: str) -> str:
    """What `bare` takes away, with its points."""
    stays = bare(name)
    if name.endswith(stays):
        return name.removesuffix(stays)
    return "".join(f"{piece}." for piece in name.split(".") if piece in _WRAPPERS.split())


def _tensors_of(
    masks: Mapping[str, Values], shapes: Mapping[str, tuple[int, ...]], holder: str, file: str
) -> dict[str, str]:
    """Name of a mask -> its tensor."""
    known = _forms(shapes)
    by_name = {name: next((known[form] for form in _called(name) if form in known), None) for name in masks}
    fits = all(tensor and shapes[tensor] == masks[name].shape for name, tensor in by_name.items())
    by_order = _by_order(masks, shapes) if all(re.fullmatch(r"\d+", name) for name in masks) else None
    if fits and by_order and by_order != by_name:
        raise BadInput(
            f"{file}: the numbers in '{holder}' fit names of layers and their order; call the masks after their tensors"
        )
    if by_order and not fits:
        return by_order
    stray = next((name for name, tensor in by_name.items() if tensor is None), None)
    if stray is not None:
        full = _full(holder, stray)
        raise BadInput(
            f"{file}: mask '{full}', shape {masks[stray].shape}, fits none of the {len(shapes)} tensors, by "
            f"name or by number; masks are called after their tensors, such as '{next(iter(shapes)):.60}'"
        )
    return by_name


def _full(holder: str, name: str) -> str:
    """A mask's name with what holds it; a key may be the mask itself."""
    return holder if name == holder.rpartition(".")[2] else f"{holder}.{name}"


def _called(name: str) -> tuple[str, ...]:
    """What a mask may be called after: a tensor or a layer, itself or with an ending."""
    stem = re.sub(r"([._]masks?|_orig)$", "", name)
    names = (name, f"{name}.weight", stem, f"{stem}.weight")
    return (*names, *map(bare, names), *(bare(each).replace(".", "_") for each in names))


def _forms(tensors: Collection[str]) -> dict[str, str]:
    """Name -> tensor, for all forms of names in which masks are called after tensors; whole names first."""
    shorter = {bare(tensor): tensor for tensor in tensors}
    return (
        {key.replace(".", "_"): tensor for key, tensor in shorter.items()} | shorter | {name: name for name in tensors}
    )


def _by_order(masks: Mapping[str, Values], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str] | None:
    """Masks by rising numbers onto the layers, all that are called weights, all parameters, or all tensors; None: no
    fit."""
    order: Sequence[str] = sorted(masks, key=int)
    layers = [name for name, shape in shapes.items() if len(shape) >= 2]
    weights = [name for name in shapes if name.rpartition(".")[2] == "weight"]
    parameters = [name for name in shapes if name.rpartition(".")[2] not in _STATISTICS]
    for tensors in (layers, weights, parameters, list(shapes)):
        if len(tensors) == len(order):
            pairs = dict(zip(order, tensors, strict=True))
            if all(masks[name].shape == shapes[tensor] for name, tensor in pairs.items()):
                return pairs
    return None
