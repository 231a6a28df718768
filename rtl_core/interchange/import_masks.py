"""Networks pruned elsewhere: files of any architecture, and the ticket set that their masks make together.

What every kind of file may look like is in docs/import.md. Files are never trusted: nothing is unpickled, every size is
checked before it is used, and every refusal is one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import check_total
from rtl_core.interchange.import_masks_files import tickets_in
from rtl_core.interchange.import_masks_rules import aligned, reasons_against
from rtl_core.interchange.import_masks_shards import Source, sources_of
from rtl_core.interchange.import_masks_ticket import Choice, ForeignTicket
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import KEPT, Level, TicketSet

MAX_BYTES = 4 * 2**30  # of one file, and of all arrays in an npz archive
_FEW_DIMENSIONS = "fewer than two dimensions"


def read_masks(path: Path, called: str = "", choice: Choice | None = None) -> list[ForeignTicket]:
    """The pruned networks in a file: one, or as many as it holds; an index of shards brings these.

    called  the file's name as its owner knows it, where `path` is a copy under another
    """
    (source,) = sources_of([path], [base_name(called or path.name)], copies=bool(called))
    return read_source(source, choice)


def read_source(source: Source, choice: Choice | None = None) -> list[ForeignTicket]:
    """The pruned networks in what is read as one."""
    for path in source.paths:
        if not path.is_file():
            raise BadInput(f"there is no file {source.file}")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadInput(f"{source.file} has {size:,} bytes; files of more than {MAX_BYTES:,} are not read")
    return tickets_in(source, choice or Choice())


def join(tickets: Sequence[ForeignTicket], choice: Choice | None = None) -> tuple[TicketSet, list[dict[str, str]]]:
    """One ticket set over the tensors that all tickets have and at least one has pruned.

    Returns it and what was left out, as {"tensor", "reason"}. Ticket files of one layout and equal levels keep all
    of both; everything else has one level, the target, whose density is the mean share kept. BadInput: a tensor of
    two shapes, nothing in common, a ticket that keeps nothing.
    """
    joined, left_out, _ = join_with_notes(tickets, choice)
    return joined, left_out


def join_with_notes(
    tickets: Sequence[ForeignTicket], choice: Choice | None = None
) -> tuple[TicketSet, list[dict[str, str]], list[str]]:
    """As `join`, and sentences about how the files were read and made to agree."""
    originals = [ticket.original for ticket in tickets if ticket.original is not None]
    same_layout = len({(original.layout, original.levels) for original in originals}) == 1
    choice = choice or Choice()
    notes = _grouped([(ticket.file, note) for ticket in tickets for note in ticket.notes])
    if len(originals) == len(tickets) and same_layout and not choice.tensors:
        layout, levels, left_out = originals[0].layout, originals[0].levels, []
        check_total(len(tickets) * layout.n)
        pruned_at = np.stack([original.pruned_at for original in originals])
    else:
        tickets, more = aligned(tickets)
        notes += _grouped(more)
        layout, left_out = _common(tickets, choice)
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
            raise BadInput(
                f"{ticket.called} keeps nothing at all: its mask is empty, or its weights were never trained"
            )
    return joined, left_out, notes


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


def _grouped(notes: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for each note, with the files that it is about."""
    files: dict[str, dict[str, None]] = {}
    for file, note in notes:
        files.setdefault(note, {})[file] = None
    return [
        f"{', '.join(list(names)[:3])}{f' and {len(names) - 3} more files' if len(names) > 3 else ''}: {note}"
        for note, names in files.items()
    ]


def _common(tickets: Sequence[ForeignTicket], choice: Choice) -> tuple[Layout, list[dict[str, str]]]:
    """The layout of the tensors that count, in the first ticket's order, and the others with their reasons."""
    reasons = reasons_against(tickets, choice)
    shapes = {name: _shape(name, tickets) for name, reason in reasons.items() if reason is None}
    left_out = [{"tensor": name, "reason": reason} for name, reason in reasons.items() if reason is not None]
    if not shapes:
        plainest = sorted(left_out, key=lambda entry: _FEW_DIMENSIONS in entry["reason"])
        example = "; for example, '{tensor:.60}': {reason}".format(**plainest[0]) if plainest else ""
        raise BadInput(f"no pruned tensor is in all of the files{example}")
    return Layout(tuple(shapes), tuple(shapes.values())), left_out


def _shape(name: str, tickets: Sequence[ForeignTicket]) -> tuple[int, ...]:
    """The shape that a tensor has in all tickets."""
    first = tickets[0]
    for other in tickets[1:]:
        if other.masks[name].shape != first.masks[name].shape:
            raise BadInput(
                f"tensor '{name}' has shape {first.masks[name].shape} in {first.called} but "
                f"{other.masks[name].shape} in {other.called}; only networks of one architecture can be compared"
            )
    return first.masks[name].shape
