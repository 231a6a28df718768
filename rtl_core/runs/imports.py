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
from rtl_core.interchange.import_masks import ForeignTicket, base_name, check_tickets, join, read_masks
from rtl_core.interchange.import_masks_arrays import check_total
from rtl_core.runs.checkpoint import save_checkpoint
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
    """A run of masks. reused: it was there before; left_out, sources: as `RunRecord` has them."""

    run: str
    folder: str
    seconds: float
    reused: bool
    tickets: list[ImportedTicket]
    n_prunable: int
    left_out: list[dict[str, Any]]
    sources: list[dict[str, Any]]


def import_masks(
    files: Sequence[Path],
    root: Path,
    name: str = "",
    progress: Progress | None = None,
    titles: Sequence[str] | None = None,
) -> Imported:
    """Writes the masks in `files` into a run folder below `root`.

    name      what the run's folder begins with, made safe; eight hex digits of its content follow, so that the same
              masks under the same name are the same run
    progress  called as (files read, files in all, name of the file) after each
    titles    the files' own names, where `files` are copies under others

    BadInput, before anything is written, for whatever is wrong with a file or with what they have in common.
    """
    began = time.monotonic()
    tickets, sources = _read(files, titles, progress)
    joined, left_out = join(tickets)
    kept = np.stack([joined.masks(span=span).sum(axis=1) for span in joined.layout.slices().values()], axis=1)
    content = _content(joined)
    sources = [{"ticket": ticket, **source} for ticket, source in zip(joined.names, sources, strict=True)]
    folder = root / f"{slug(name) or 'masks'}-{content[:8]}"
    info = {
        "kind": MASKS_ONLY,
        "density": joined.target.density,
        "sources": sources,
        "left_out": left_out,
        "warnings": _warnings(joined, kept),
        "environment": {"rtl_lab": __version__},
    }
    made = make_once(folder, lambda draft: save_checkpoint(draft, joined, {}, (), {}, info), is_whole)
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
        left_out=left_out,
        sources=sources,
    )


def _read(
    files: Sequence[Path], titles: Sequence[str] | None, progress: Progress | None
) -> tuple[list[ForeignTicket], list[dict[str, Any]]]:
    """The tickets of all files, and for each where it came from."""
    if not files:
        raise BadInput("no file was given; import takes one file or more with pruned networks or their masks")
    if titles is not None and len(titles) != len(files):
        raise BadInput(f"{len(titles)} titles were given for {len(files)} files; every file needs its own")
    tickets: list[ForeignTicket] = []
    sources: list[dict[str, Any]] = []
    weights = 0
    for done, (path, title) in enumerate(zip(files, titles or [path.name for path in files], strict=True), 1):
        masks = read_masks(path, title)
        tickets += masks
        check_tickets(len(tickets))
        weights += sum(mask.n for ticket in masks for mask in ticket.masks.values())
        check_total(weights)
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        source = {"file": base_name(title), "format": masks[0].format, "sha256": sha256, "bytes": path.stat().st_size}
        sources += [source] * len(masks)
        if progress is not None:
            progress(done, len(files), base_name(title))
    return tickets, sources


def _content(tickets: TicketSet) -> str:
    """SHA-256 over names, layout, levels and masks."""
    stated = (tickets.names, tickets.subsets, asdict(tickets.layout), [asdict(level) for level in tickets.levels])
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
