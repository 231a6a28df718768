"""What methods have learned, as named tensors and a manifest that puts them together again.

A dictionary of tensors that several parts share is stored once and shared again after loading; so is a
mask that several parts have. A tensor that differs from theta_0 in few places, as weights trained inside a
sparse mask do, is stored as those places and their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rtl_core.errors import BadInput
from rtl_core.events import Tensors
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.runs.tensors import as_bytes
from rtl_core.tickets.bits import pack, unpack
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import TicketSet

OWN = "rtl"  # the method whose tensors stand beside the masks, under names without a prefix
_ROLES = ("shared", "private", "buffers")
_SCALARS = ("method", "reads", "steps_warm", "steps_extract", "steps_joint")


@dataclass
class Packed:
    """own: the rtl method's tensors; others: every other method's; methods: the manifest, JSON-able."""

    own: Tensors = field(default_factory=dict)
    others: Tensors = field(default_factory=dict)
    methods: list[dict[str, Any]] = field(default_factory=list)


def pack_learned(learned: Sequence[TrainedMethod], tickets: TicketSet, theta_0: Tensors) -> Packed:
    """Names for all tensors: `theta/NAME`, `private/K/NAME`, `buffers/K/NAME` of rtl, and for the other methods
    `methods/METHOD/ROLE/K/NAME` and `mask/I`; K is the first part that has them."""
    packed = Packed()
    places: dict[int, str] = {}  # id of a dictionary -> the prefix under which it is stored
    masks = {row.tobytes(): f"ticket/{k}" for k, row in enumerate(pack(tickets.masks()))}

    def place(method: str, role: str, k: int, tensors: Tensors) -> str:
        if id(tensors) not in places:
            own = "theta" if (role, k) == ("shared", 0) else f"{role}/{k}"
            prefix = places[id(tensors)] = own if method == OWN else f"methods/{method}/{role}/{k}"
            if method == OWN:
                packed.own.update(prefixed(prefix, tensors))
            else:
                packed.others.update(_sparsely(prefixed(prefix, tensors), theta_0))
        return places[id(tensors)]

    def place_mask(mask: np.ndarray | None) -> str | None:
        if mask is None:
            return None
        bits = pack(mask[None])[0]
        key = masks.setdefault(bits.tobytes(), f"mask/{len(masks) - tickets.k}")
        if key.startswith("mask/"):
            packed.others[key] = torch.from_numpy(bits)
        return key

    for outcome in learned:
        subnetworks = [
            {"subset": subnetwork.subset, "mask": place_mask(subnetwork.mask)}
            | {role: place(outcome.method, role, k, getattr(subnetwork, role)) for role in _ROLES}
            for k, subnetwork in enumerate(outcome.subnetworks)
        ]
        scalars = {name: getattr(outcome, name) for name in _SCALARS}
        width = {} if outcome.width is None else {"width": outcome.width}
        packed.methods.append({**scalars, **_stated_shape(outcome.output_shape), **width, "parts": subnetworks})
    return packed


def unpack_learned(
    methods: list[dict[str, Any]], tensors: Tensors, tickets: TicketSet, theta_0: Tensors
) -> dict[str, TrainedMethod]:
    """Method -> outcome, the inverse of `pack_learned`; `tensors` are those of both files.

    Raises BadInput where the manifest names what is not there or a weight has not its mask's shape.
    """
    groups = _grouped(_densely(tensors, theta_0))
    masks = {f"ticket/{k}": mask for k, mask in enumerate(tickets.masks())}
    for key, bits in groups.pop("mask", {}).items():
        if bits.dtype != torch.uint8 or tuple(bits.shape) != (-(-tickets.n // 8),):
            raise BadInput(f"mask '{key}' should be {-(-tickets.n // 8)} packed bytes for {tickets.n} weights")
        masks[f"mask/{key}"] = unpack(bits.numpy()[None], tickets.n)[0]

    def subnetwork(entry: dict[str, Any]) -> Subnetwork:
        mask = entry["mask"]
        if mask is not None and mask not in masks:
            raise BadInput(f"the mask '{mask}' that the run's manifest names is not in its files")
        roles = {role: groups.setdefault(entry[role], {}) for role in _ROLES}  # empty ones have no tensor on file
        if mask is not None:
            check_layout(roles["shared"], tickets.layout, entry["shared"])
        return Subnetwork(entry["subset"], None if mask is None else masks[mask], **roles)

    return {
        entry["method"]: TrainedMethod(
            subnetworks=tuple(subnetwork(p) for p in entry["parts"]),
            output_shape=tuple(entry.get("output_shape") or (entry["outputs"],)),
            width=entry.get("width"),
            **{name: entry[name] for name in _SCALARS},
        )
        for entry in methods
    }


def _stated_shape(shape: tuple[int, ...]) -> dict[str, Any]:
    """`outputs`, and `output_shape` where one number does not say it."""
    return {"outputs": shape[0], **({"output_shape": list(shape)} if len(shape) > 1 else {})}


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors under `prefix/NAME`, as `under` finds them again."""
    slashed = next((name for name in tensors if "/" in name), None)
    if slashed is not None:
        raise BadInput(
            f"the tensor name '{slashed}' has a '/', which separates groups in a checkpoint; rename the module"
        )
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """Name -> tensor of the group `prefix`; empty where there is none."""
    return _grouped(tensors).get(prefix, {})


def check_layout(tensors: Tensors, layout: Layout, where: str) -> None:
    """BadInput unless every prunable tensor is there, floating, and of the shape that the masks cover."""
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        tensor = tensors.get(name)
        if tensor is None or tuple(tensor.shape) != shape or not tensor.is_floating_point():
            stored = "is missing" if tensor is None else f"is {tensor.dtype} of shape {tuple(tensor.shape)}"
            raise BadInput(f"tensor '{where}/{name}' {stored}; the masks cover floating-point values of shape {shape}")


def _grouped(tensors: Tensors) -> dict[str, Tensors]:
    groups: dict[str, Tensors] = {}
    for key, tensor in tensors.items():
        prefix, _, name = key.rpartition("/")
        groups.setdefault(prefix, {})[name] = tensor
    return groups


def _sparsely(tensors: Tensors, theta_0: Tensors) -> Tensors:
    """Each tensor, or where at most half of it differs from theta_0: `changed/KEY` (packed bits over its
    elements in logical order) and `values/KEY` (the values there)."""
    stored: Tensors = {}
    for key, tensor in tensors.items():
        base = theta_0.get(key.rpartition("/")[2])
        same_kind = base is not None and (base.shape, base.dtype, base.stride()) == (
            tensor.shape,
            tensor.dtype,
            tensor.stride(),
        )
        if not same_kind or tensor.numel() == 0:
            stored[key] = tensor
            continue
        size = tensor.element_size()
        # Bytes are compared, not values: -0.0 and NaN must come back as they were.
        changed = (as_bytes(tensor) != as_bytes(base)).view(-1, size).any(dim=1)
        if changed.float().mean() > 0.5:
            stored[key] = tensor
            continue
        stored[f"changed/{key}"] = torch.from_numpy(pack(changed.numpy()[None])[0])
        stored[f"values/{key}"] = tensor.detach().cpu().reshape(-1)[changed]
    return stored


def _densely(tensors: Tensors, theta_0: Tensors) -> Tensors:
    """The inverse of `_sparsely`."""
    whole: Tensors = {}
    for stored, tensor in tensors.items():
        kind, _, key = stored.partition("/")
        if kind == "values":
            continue
        if kind != "changed":
            whole[stored] = tensor
            continue
        base = theta_0.get(key.rpartition("/")[2])
        values = tensors.get(f"values/{key}")
        if base is None or values is None or len(tensor) != -(-base.numel() // 8):
            raise BadInput(f"tensor '{key}' cannot be put together: its values, its places and theta_0 do not fit")
        changed = torch.from_numpy(unpack(tensor.numpy()[None], base.numel())[0])
        if values.dtype != base.dtype or len(values) != int(changed.sum()):
            raise BadInput(f"tensor '{key}' has {len(values)} stored values for {int(changed.sum())} places")
        flat = base.reshape(-1).clone()
        flat[changed] = values
        whole[key] = torch.empty_like(base).copy_(flat.reshape(base.shape))
    return whole
