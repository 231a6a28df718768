"""Networks pruned elsewhere: files of any architecture, and the ticket set that their masks make together.

What every kind of file may look like is in docs/import.md. Files are never trusted: nothing is unpickled but
tensors, every size is checked before it is used, and every refusal is one sentence.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np

from rtl_core.data.archives import opened_zip
from rtl_core.data.npz import read_arrays
from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import PackedMask, Tensors, as_mask, check_names, check_total, masks_of
from rtl_core.interchange.ticket_file import TicketFile
from rtl_core.tickets import bits as packed
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import KEPT, Level, TicketSet

MAX_BYTES = 4 * 2**30  # of one file, and of all arrays in an npz archive
MAX_TICKETS = 1_000


@dataclass(frozen=True)
class ForeignTicket:
    """One pruned network as a file holds it.

    name      short and printable, from the file's or the ticket's name; not yet unique
    file      the file's own name, as sentences mention it
    format    "torch", "safetensors", "npz", "npy" or "ticket"
    masks     of every tensor that may be prunable, in the file's order
    left_out  tensor -> why it is not among them
    original  what a ticket file says besides
    """

    name: str
    file: str
    format: str
    masks: dict[str, PackedMask]
    left_out: dict[str, str]
    original: TicketFile | None = None


def read_masks(path: Path, called: str = "") -> list[ForeignTicket]:
    """The pruned networks in a file: one, or as many as it holds.

    called  the file's name as its owner knows it, where `path` is a copy under another; its ending tells the format
    """
    file = base_name(called or path.name)
    ending = Path(file).suffix.lower()
    if ending not in _READERS:
        raise BadInput(f"{file} is of no kind that holds masks; wanted are {', '.join(_READERS)}")
    if not path.is_file():
        raise BadInput(f"there is no file {file}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadInput(f"{file} has {size:,} bytes; files of more than {MAX_BYTES:,} are not read")
    return _READERS[ending](path, file)


def join(tickets: Sequence[ForeignTicket]) -> tuple[TicketSet, list[dict[str, str]]]:
    """One ticket set over the tensors that all tickets have and at least one has pruned.

    Returns it and what was left out, as {"tensor", "reason"}. Ticket files of one layout and equal levels keep all
    of both; everything else has one level, the target, whose density is the mean share kept. BadInput: a tensor of
    two shapes, nothing in common, a ticket that keeps nothing.
    """
    originals = [ticket.original for ticket in tickets if ticket.original is not None]
    same_layout = len({(original.layout, original.levels) for original in originals}) == 1
    if len(originals) == len(tickets) and same_layout:
        layout, levels, left_out = originals[0].layout, originals[0].levels, []
        check_total(len(tickets) * layout.n)
        pruned_at = np.stack([original.pruned_at for original in originals])
    else:
        layout, left_out = _common(tickets)
        check_total(len(tickets) * layout.n)
        pruned_at = np.empty((len(tickets), layout.n), np.uint8)
        for row, ticket in zip(pruned_at, tickets, strict=True):
            for tensor, span in layout.slices().items():
                row[span] = np.where(ticket.masks[tensor].flat(), KEPT, 1)
        levels = (Level(1, 1.0 - np.count_nonzero(pruned_at) / pruned_at.size, "target"),)
    names = distinct([ticket.name for ticket in tickets])
    subsets = tuple(ticket.original.subset if ticket.original else "" for ticket in tickets)
    joined = TicketSet(names, subsets, layout, pruned_at, levels)
    for k, ticket in enumerate(tickets):
        if not ((pruned_at[k] == KEPT) | (pruned_at[k] > joined.target.index)).any():
            raise BadInput(f"{_origin(ticket)} keeps nothing at all: its mask is empty")
    return joined, left_out


def check_tickets(number: int) -> None:
    """BadInput for more tickets than are compared."""
    if number > MAX_TICKETS:
        raise BadInput(f"{number:,} tickets are too many; at most {MAX_TICKETS:,} are compared")


def base_name(path: str) -> str:
    """The last part of a path of whatever system, printable."""
    return re.sub(r"[^\w.+() -]", "-", path.replace("\\", "/").rstrip("/").rpartition("/")[2])[-200:]


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The same names; the second `a` becomes `a-2`, and so on."""
    taken: dict[str, None] = {}
    for name in names:
        candidates = chain([name], (f"{name}-{number}" for number in count(2)))
        taken[next(candidate for candidate in candidates if candidate not in taken)] = None
    return tuple(taken)


def _common(tickets: Sequence[ForeignTicket]) -> tuple[Layout, list[dict[str, str]]]:
    """The layout of the tensors that count, in the first ticket's order, and the others with their reasons."""
    names = dict.fromkeys(name for ticket in tickets for name in (*ticket.masks, *ticket.left_out))
    shapes: dict[str, tuple[int, ...]] = {}
    left_out = []
    for name in names:
        reason = _reason_against(name, tickets)
        if reason is None:
            shapes[name] = tickets[0].masks[name].shape
        else:
            left_out.append({"tensor": name, "reason": reason})
    if not shapes:
        example = "; for example, '{tensor}': {reason}".format(**left_out[0]) if left_out else ""
        raise BadInput(f"no pruned tensor is in all of the files{example}")
    return Layout(tuple(shapes), tuple(shapes.values())), left_out


def _reason_against(name: str, tickets: Sequence[ForeignTicket]) -> str | None:
    """Why a tensor is left out; BadInput where it counts but has two shapes."""
    for ticket in tickets:
        if name not in ticket.masks:
            return ticket.left_out.get(name, f"it is missing in {_origin(ticket)}")
    if all(ticket.masks[name].dense for ticket in tickets):
        return "no weight of it is pruned in any file"
    first = tickets[0]
    for other in tickets[1:]:
        if other.masks[name].shape != first.masks[name].shape:
            raise BadInput(
                f"tensor '{name}' has shape {first.masks[name].shape} in {_origin(first)} but "
                f"{other.masks[name].shape} in {_origin(other)}; only networks of one architecture can be compared"
            )
    return None


def _origin(ticket: ForeignTicket) -> str:
    """The ticket as sentences mention it."""
    return ticket.file if ticket.name == _stem(ticket.file) else f"ticket '{ticket.name}' of {ticket.file}"


def _torch(path: Path, file: str) -> list[ForeignTicket]:
    from rtl_core.interchange.import_masks_files import state_dict

    tensors = state_dict(path, file)
    check_names(tensors, file)
    return [ForeignTicket(_stem(file), file, "torch", *masks_of(tensors, file))]


def _safetensors(path: Path, file: str) -> list[ForeignTicket]:
    from rtl_core.interchange.import_masks_files import opened_safetensors, ticket_in

    original = ticket_in(path, file)
    if original is not None:
        return [_from_ticket_file(original, file)]
    with opened_safetensors(path, file) as tensors:
        return _networks(tensors, file, "safetensors")


def _from_ticket_file(original: TicketFile, file: str) -> ForeignTicket:
    layout = original.layout
    whole = packed.unpack(original.bits[None], layout.n)[0]
    masks = {
        name: PackedMask.of(whole[span].reshape(shape))
        for (name, span), shape in zip(layout.slices().items(), layout.shapes, strict=True)
    }
    return ForeignTicket(_stem(file), file, "ticket", masks, {}, original)


def _npz(path: Path, file: str) -> list[ForeignTicket]:
    try:
        with opened_zip(path, file) as archive:
            check_names(archive.namelist(), file)
        arrays = read_arrays(path)
    except BadInput as error:
        raise BadInput(str(error).replace(path.name, file)) from None
    except zipfile.BadZipFile:
        raise BadInput(f"{file} is not an intact npz archive; write it with numpy.savez_compressed") from None
    return _networks({name: lambda array=array: array for name, array in arrays.items()}, file, "npz")


def _npy(path: Path, file: str) -> list[ForeignTicket]:
    """(K, N): K masks; any other number of dimensions: one mask. Its tensor is called `mask`."""
    try:
        values = np.lib.format.open_memmap(path, mode="r")  # refuses objects, and headers that promise too much
    except Exception:  # a damaged header makes numpy raise errors of many kinds
        raise BadInput(f"{file} is not an intact npy array of numbers; pickled objects are never opened") from None
    check_total(values.size)
    if values.ndim == 2:
        check_tickets(len(values))
        named = {f"{_stem(file)}-{k}": row for k, row in enumerate(values, 1)}
    else:
        named = {_stem(file): values}
    return [
        ForeignTicket(name, file, "npy", {"mask": PackedMask.of(as_mask(mask, "mask", file))}, {})
        for name, mask in named.items()
    ]


_READERS: dict[str, Callable[[Path, str], list[ForeignTicket]]] = {
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".bin": _torch,
    ".npz": _npz,
    ".npy": _npy,
}


def _networks(tensors: Tensors, file: str, kind: str) -> list[ForeignTicket]:
    """One network, or several where every name is TICKET/TENSOR."""
    check_names(tensors, file)
    networks: dict[str, dict[str, Callable[[], np.ndarray]]] = {}
    for name, read in tensors.items():
        ticket, _, tensor = name.partition("/")
        networks.setdefault(ticket, {})[tensor] = read
    if not all("/" in name for name in tensors):
        return [ForeignTicket(_stem(file), file, kind, *masks_of(tensors, file))]
    check_tickets(len(networks))
    return [ForeignTicket(_plain(name), file, kind, *masks_of(network, file)) for name, network in networks.items()]


def _stem(file: str) -> str:
    return _plain(file.rpartition(".")[0].removesuffix(".ticket"))


def _plain(text: str) -> str:
    """Short and printable, as a ticket's name should be."""
    return re.sub(r"[^\w.+() -]+", "-", text).strip(" .-")[:60] or "ticket"
