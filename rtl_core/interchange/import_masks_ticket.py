"""A pruned network as a file holds it, and what somebody may say of the files; for `import_masks`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import PackedMask
from rtl_core.interchange.import_masks_kinds import ENDINGS
from rtl_core.interchange.ticket_file import TicketFile

MAX_TICKETS = 1_000


@dataclass(frozen=True)
class Choice:
    """What somebody says of the files.

    tensors  patterns of names, as in names of files: these tensors count and no others; none: the rules decide
    arrays   what a file's arrays are: "layers" of one network, or "tickets"; "": told from their names and shapes
    """

    tensors: tuple[str, ...] = ()
    arrays: Literal["", "layers", "tickets"] = ""


def choice_of(tensors: Sequence[str], arrays: str) -> Choice:
    """From what somebody typed. BadInput for another word than layers and tickets."""
    if arrays not in ("", "layers", "tickets"):
        raise BadInput(f"arrays are layers or tickets, not '{arrays:.40}'; say --as layers or --as tickets")
    return Choice(tuple(pattern.strip() for pattern in tensors if pattern.strip()), arrays)


@dataclass(frozen=True)
class ForeignTicket:
    """One pruned network as a file holds it.

    name      short and printable, from the file's or the ticket's name; not yet unique
    file      the file's own name, as sentences mention it
    format    "torch", "safetensors", "npz", "npy" or "ticket"
    masks     of every tensor that may be prunable, in the file's order
    left_out  tensor -> why it is not among them
    original  what a ticket file says besides
    notes     sentences about how the file was read
    """

    name: str
    file: str
    format: str
    masks: dict[str, PackedMask]
    left_out: dict[str, str]
    original: TicketFile | None = None
    notes: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """The ticket as sentences mention it."""
        return self.file if self.name == stem(self.file) else f"ticket '{self.name}' of {self.file}"


def counted(number: int) -> str:
    """ "1 tensor", "2 tensors"."""
    return f"{number:,} tensor{'s' if number != 1 else ''}"


def check_tickets(number: int) -> None:
    """BadInput for more tickets than are compared."""
    if number > MAX_TICKETS:
        raise BadInput(f"{number:,} tickets are too many; at most {MAX_TICKETS:,} are compared")


def stem(file: str) -> str:
    """A file's name without its endings."""
    name = file.removesuffix(".index.json")
    name = name.rpartition(".")[0] if Path(name).suffix.lower() in ENDINGS or name == file else name
    return plain(re.sub(r"\.(pth|pt|ticket)$", "", name))


def plain(text: str) -> str:
    """Short and printable, as a ticket's name should be."""
    return re.sub(r"[^\w.+() -]+", "-", text).strip(" .-")[:60] or "ticket"
