"""Networks pruned elsewhere become a run that has masks only: overlap and layers can be looked at, nothing trained."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core import __version__
from rtl_core.errors import BadInput
from rtl_core.files import make_once
from rtl_core.interchange.import_masks import base_name, join_with_notes, read_source
from rtl_core.interchange.import_masks_arrays import check_total
from rtl_core.interchange.import_masks_shards import Source, sources_of
from rtl_core.interchange.import_masks_ticket import Choice, ForeignTicket, check_tickets
from rtl_core.read_only import refused_in_public
from rtl_core.runs.checkpoint import Outcome, save_checkpoint
from rtl_core.runs.store import MASKS_ONLY, is_whole, slug
from rtl_core.tickets.ticket_set import TicketSet

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ImportedTicket:
    """A ticket and the weights that it keeps."""

    name: str
    density: float
    params: int


@dataclass(frozen=True)
class Imported:
    """A run of masks. reused: it was there before; left_out, notes, choice, sources: as `RunRecord` has them."""

    run: str
    folder: str
    seconds: float
    reused: bool
    tickets: list[ImportedTicket]
    n_prunable: int
    left_out: list[dict[str, Any]]
    notes: list[str]
    choice: Choice
    sources: list[dict[str, Any]]


@refused_in_public("importing masks")
def import_masks(
    files: Sequence[Path],
    root: Path,
    name: str = "",
    progress: Progress | None = None,
    titles: Sequence[str] | None = None,
    choice: Choice | None = None,
) -> Imported:
    """Writes the masks in `files` into a run folder below `root`.

    name      what the run's folder begins with, made safe; eight hex digits of its content follow, so that the same
              masks under the same name are the same run
    progress  called as (files read, files in all, name of the file) after each
    titles    the files' own names, where `files` are copies under others
    choice    what the one who brings them says of tensors and arrays; written into the run

    BadInput, before anything is written, for whatever is wrong with a file or with what they have in common.
    """
    began = time.monotonic()
    choice = choice or Choice()
    tickets, sources = _read(_sources(files, titles), choice, progress)
    joined, left_out, notes = join_with_notes(tickets, choice)
    kept = np.stack([joined.masks(span=span).sum(axis=1) for span in joined.layout.slices().values()], axis=1)
    read = {"left_out": left_out, "notes": notes}
    content = _content(joined, choice)
    sources = [{"ticket": ticket, **source} for ticket, source in zip(joined.names, sources, strict=True)]
    folder = root / f"{slug(name) or 'masks'}-{content[:8]}"
    info = {
        "kind": MASKS_ONLY,
        "density": joined.target.density,
        "sources": sources,
        **read,
        "choice": asdict(choice),
        "warnings": _warnings(joined, kept),
        "environment": {"rtl_lab": __version__},
    }
    made = make_once(folder, lambda draft: save_checkpoint(draft, Outcome(joined, info)), is_whole)
    return Imported(
        run=folder.name,
        folder=str(folder),
        seconds=time.monotonic() - began,
        reused=not made,
        tickets=[
            ImportedTicket(ticket, float(count / joined.n), int(count))
            for ticket, count in zip(joined.names, kept.sum(axis=1), strict=True)
        ],
        n_prunable=joined.n,
        sources=sources,
        choice=choice,
        **read,
    )


def _sources(files: Sequence[Path], titles: Sequence[str] | None) -> list[Source]:
    """The files, those of one network together."""
    if not files:
        raise BadInput("no file was given; import takes one file or more with pruned networks or their masks")
    if titles is not None and len(titles) != len(files):
        raise BadInput(f"{len(titles)} titles were given for {len(files)} files; every file needs its own")
    names = [base_name(title) for title in titles or [path.name for path in files]]
    return sources_of(files, names, copies=titles is not None)


def _read(
    read_as_one: Sequence[Source], choice: Choice, progress: Progress | None
) -> tuple[list[ForeignTicket], list[dict[str, Any]]]:
    """The tickets of all files, and for each where it came from."""
    tickets: list[ForeignTicket] = []
    sources: list[dict[str, Any]] = []
    weights = 0
    for done, source in enumerate(read_as_one, 1):
        masks = read_source(source, choice)
        tickets += masks
        check_tickets(len(tickets))
        weights += sum(mask.n for ticket in masks for mask in ticket.masks.values())
        check_total(weights)
        size = sum(path.stat().st_size for path in source.paths)
        entry = {"file": source.file, "format": masks[0].format, "sha256": _sha256(source.paths), "bytes": size}
        sources += [entry] * len(masks)
        if progress is not None:
            progress(done, len(read_as_one), source.file)
    return tickets, sources


def _sha256(paths: Sequence[Path]) -> str:
    """Of all files together, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _content(tickets: TicketSet, choice: Choice) -> str:
    """SHA-256 over names, layout, levels and masks, and over a choice where one was made."""
    stated = [tickets.names, tickets.subsets, asdict(tickets.layout), [asdict(level) for level in tickets.levels]]
    stated += [asdict(choice)] if choice != Choice() else []
    digest = hashlib.sha256(json.dumps(stated).encode())
    digest.update(np.ascontiguousarray(tickets.pruned_at))
    return digest.hexdigest()


def _warnings(tickets: TicketSet, kept: np.ndarray) -> list[str]:
    """A sentence for every ticket with an empty layer; `kept` (K, layers): how many weights each keeps of each."""
    sentences = []
    for name, counts in zip(tickets.names, kept, strict=True):
        empty = [layer for layer, count in zip(tickets.layout.names, counts, strict=True) if count == 0]
        if empty:
            sentences.append(f"Ticket '{name}' is dead: nothing is kept in {', '.join(empty)}.")
    return sentences
