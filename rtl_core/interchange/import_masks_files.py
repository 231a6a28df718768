"""Every kind of file that may hold pruned networks, read one tensor at a time; for `import_masks`."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from rtl_core.data.archives import opened_zip
from rtl_core.data.npz import read_arrays
from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import (
    PackedMask,
    Tensors,
    Values,
    as_mask,
    check_names,
    check_total,
    masks_of,
    pairs_of,
)
from rtl_core.interchange.import_masks_assign import assigned
from rtl_core.interchange.import_masks_kinds import kind_of
from rtl_core.interchange.import_masks_networks import Network, network_in
from rtl_core.interchange.import_masks_shards import Source
from rtl_core.interchange.import_masks_ticket import Choice, ForeignTicket, check_tickets, counted, plain, stem
from rtl_core.interchange.ticket_file import METADATA_KEY, TicketFile, read_ticket
from rtl_core.interchange.torch_file import read_torch
from rtl_core.tickets import bits as packed

FEW_TICKETS, WEIGHTS_A_TICKET = 4, 64  # an array of more rows, and fewer columns for each row, may be a layer
MAX_HEADER_BYTES = 16 * 2**20


def tickets_in(source: Source, choice: Choice) -> list[ForeignTicket]:
    """The pruned networks in a file, or the one whose shards these are."""
    kinds = [kind_of(path, source.file) for path in source.paths]
    if len(kinds) > 1 or source.tensors:
        return _shards(source, kinds, choice)
    return _READERS[kinds[0]](source.paths[0], source.file, choice)


def _torch(path: Path, file: str, choice: Choice) -> list[ForeignTicket]:
    network = network_in(read_torch(path, file), choice.tensors)
    return _of_network(network, file, "torch", choice)


def _of_network(network: Network, file: str, kind: str, choice: Choice) -> list[ForeignTicket]:
    """One ticket, or with `arrays="tickets"` one for each tensor."""
    tensors = network.tensors
    if not tensors and not network.masks and network.left_out:
        tensor, reason = next(iter(network.left_out.items()))
        raise BadInput(
            f"{file} holds no tensors that can be read; for example, '{tensor:.60}' {reason.removeprefix('it ')}"
        )
    held = {name: mask for masks in network.masks.values() for name, mask in masks.items()}
    check_names([*tensors, *held], file)
    if choice.arrays == "tickets":
        return _each_a_ticket({**tensors, **held}, file, kind)
    shapes = {tensor: tensors[values or masks[0]].shape for tensor, (values, masks) in pairs_of(tensors).items()}
    masks, left_out = masks_of(tensors, file, assigned(network.masks, shapes, file))
    notes = [f"masks under '{holder}' are used for {counted(len(held))}" for holder, held in network.masks.items()]
    named = sum(bool(masks) for _, masks in pairs_of(tensors).values())
    notes += [f"masks among its tensors are used for {counted(named)}"] if named else []
    return [ForeignTicket(stem(file), file, kind, masks, network.left_out | left_out, None, (*network.notes, *notes))]


def _shards(source: Source, kinds: Sequence[str], choice: Choice) -> list[ForeignTicket]:
    """One network whose tensors are spread over several files."""
    file = source.file
    tensors: dict[str, Values] = {}
    left_out: dict[str, str] = {}
    for path, kind in zip(source.paths, kinds, strict=True):
        if kind == "torch":
            network = network_in(read_torch(path, file))
        elif kind == "safetensors":
            with _safe_open(path, file) as opened:
                network = Network(_listed(opened, file), {}, {}, ())
            network = Network({name: _reopened(path, name, file, v) for name, v in network.tensors.items()}, {}, {}, ())
        else:
            raise BadInput(f"{file}: shards are files of torch or safetensors, not {kind}")
        twice = tensors.keys() & network.tensors.keys()
        if twice or network.masks:
            raise BadInput(f"{file}: two shards hold '{min(twice or network.masks)}'; each tensor is in one of them")
        tensors |= network.tensors
        left_out |= network.left_out
    lacking = next((name for name in source.tensors if name not in tensors), None)
    if lacking is not None:
        raise BadInput(f"{file} lists the tensor '{lacking:.100}', but none of its shards holds it")
    notes = (f"its {counted(len(tensors))} were read from {len(kinds)} shards",)
    return _of_network(Network(tensors, {}, left_out, notes), file, kinds[0], choice)


def _safetensors(path: Path, file: str, choice: Choice) -> list[ForeignTicket]:
    original = _ticket_in(path, file)
    if original is not None:
        return [_from_ticket_file(original, file)]
    with _safe_open(path, file) as opened:
        return _networks(_listed(opened, file), file, "safetensors", choice)


def _from_ticket_file(original: TicketFile, file: str) -> ForeignTicket:
    layout = original.layout
    whole = packed.unpack(original.bits[None], layout.n)[0]
    masks = {
        name: PackedMask.of(whole[span].reshape(shape))
        for (name, span), shape in zip(layout.slices().items(), layout.shapes, strict=True)
    }
    return ForeignTicket(stem(file), file, "ticket", masks, {}, original)


def _npz(path: Path, file: str, choice: Choice) -> list[ForeignTicket]:
    try:
        with opened_zip(path, file) as archive:
            check_names(archive.namelist(), file)
        arrays = read_arrays(path)
    except BadInput as error:
        raise BadInput(str(error).replace(path.name, file)) from None
    except zipfile.BadZipFile:
        raise BadInput(f"{file} is not an intact npz archive; write it with numpy.savez_compressed") from None
    tensors = {name: Values(array.shape, lambda array=array: array) for name, array in arrays.items()}
    return _networks(tensors, file, "npz", choice)


def _npy(path: Path, file: str, choice: Choice) -> list[ForeignTicket]:
    """(K, N): K masks; any other number of dimensions: one mask. Its tensor is called `mask`."""
    try:
        values = np.lib.format.open_memmap(path, mode="r")  # refuses objects, and headers that promise too much
    except Exception:  # a damaged header makes numpy raise errors of many kinds
        raise BadInput(f"{file} is not an intact npy array of numbers; pickled objects are never opened") from None
    check_total(values.size)
    if values.ndim != 2 or choice.arrays == "layers":
        named = {stem(file): values}
    else:
        check_tickets(len(values))
        if not choice.arrays and _looks_like_a_layer(*values.shape):
            raise BadInput(
                f"{file} has {values.shape[0]} rows and {values.shape[1]} columns: say whether its rows are tickets "
                "(--as tickets) or the array is the mask of one layer (--as layers)"
            )
        named = {f"{stem(file)}-{k}": row for k, row in enumerate(values, 1)}
    notes = () if len(named) == 1 else (f"each of its {len(named)} rows is a ticket over {values.shape[1]:,} weights",)
    return [
        ForeignTicket(name, file, "npy", {"mask": PackedMask.of(as_mask(mask, "mask", file))}, {}, None, notes)
        for name, mask in named.items()
    ]


def _looks_like_a_layer(rows: int, columns: int) -> bool:
    """Few columns for their rows: tickets are few, and each has many weights."""
    return rows > 1 and (columns <= rows or (rows > FEW_TICKETS and columns < WEIGHTS_A_TICKET * rows))


_READERS: dict[str, Callable[[Path, str, Choice], list[ForeignTicket]]] = {
    "safetensors": _safetensors,
    "torch": _torch,
    "npz": _npz,
    "npy": _npy,
}


def _networks(tensors: Tensors, file: str, kind: str, choice: Choice) -> list[ForeignTicket]:
    """One network, or several where every name is TICKET/TENSOR."""
    check_names(tensors, file)
    networks: dict[str, dict[str, Values]] = {}
    for name, values in tensors.items():
        ticket, _, tensor = name.partition("/")
        networks.setdefault(ticket, {})[tensor] = values
    if choice.arrays == "layers" or not all("/" in name for name in tensors):
        if choice.arrays == "tickets":
            return _each_a_ticket(tensors, file, kind)
        flat = all(len(values.shape) < 2 for values in tensors.values())
        least = 1 if flat and choice.arrays == "layers" else 2
        ticket = ForeignTicket(stem(file), file, kind, *masks_of(tensors, file, least=least))
        if kind == "npz" and not choice.arrays:
            _ask(tensors, file)
        return [ticket]
    check_tickets(len(networks))
    return [ForeignTicket(plain(name), file, kind, *masks_of(network, file)) for name, network in networks.items()]


def _ask(arrays: Tensors, file: str) -> None:
    """BadInput for several arrays whose names do not tell layers from tickets."""
    if len(arrays) > 1 and not any("." in name or "/" in name for name in arrays):
        names = ", ".join(list(arrays)[:3])
        raise BadInput(
            f"{file} holds {len(arrays)} arrays ({names:.100}): say whether they are the layers of one network "
            "(--as layers) or a ticket each (--as tickets)"
        )


def _each_a_ticket(tensors: Tensors, file: str, kind: str) -> list[ForeignTicket]:
    """Every array is the whole mask of a ticket."""
    check_tickets(len(tensors))
    check_total(sum(int(np.prod(values.shape)) for values in tensors.values()))
    return [
        ForeignTicket(plain(name), file, kind, {"mask": PackedMask.of(as_mask(values.read(), name, file))}, {})
        for name, values in tensors.items()
    ]


@contextmanager
def _safe_open(path: Path, file: str) -> Iterator[Any]:
    _check_header(path, file)
    try:
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError):
        raise BadInput(
            f"{file} is not an intact safetensors file; it is cut short, damaged or another file renamed"
        ) from None


def _check_header(path: Path, file: str) -> None:
    """A header is read and kept whole, so its length is looked at first."""
    with open(path, "rb") as content:
        length = int.from_bytes(content.read(8), "little")
    if MAX_HEADER_BYTES < length < path.stat().st_size:
        raise BadInput(f"{file} has a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} are read")


def _listed(opened: Any, file: str) -> dict[str, Values]:
    """The tensors of a safetensors file, by name with numbers in order: the format keeps no order of its own."""
    return {
        name: Values(tuple(opened.get_slice(name).get_shape()), partial(_as_array, opened.get_tensor, name))
        for name in sorted(opened.keys(), key=_by_number)
    }


def _reopened(path: Path, name: str, file: str, values: Values) -> Values:
    """The same tensor, read from a file that is opened for it: many shards are not kept open."""

    def read() -> np.ndarray:
        with _safe_open(path, file) as opened:
            return _as_array(opened.get_tensor, name)

    return Values(values.shape, read)


def _ticket_in(path: Path, file: str) -> TicketFile | None:
    """What the file says as a ticket file (docs/ticket-file.md); None where it is none."""
    with _safe_open(path, file) as opened:
        if METADATA_KEY not in (opened.metadata() or {}):
            return None
    try:
        return read_ticket(path)
    except BadInput as error:
        raise BadInput(str(error).replace(path.name, file)) from None


def _as_array(read: Callable[[str], Any], name: str) -> np.ndarray:
    import torch

    tensor = read(name)
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()  # numpy has no bfloat16 and nothing smaller
    return tensor.numpy(force=True)


def _by_number(name: str) -> list[str | int]:
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", name)]
