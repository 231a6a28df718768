"""Tickets out of a run, and two tickets from anywhere compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.audit.evaluation_rows import TicketRow
from rtl_core.documents import INLINE
from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks import distinct
from rtl_core.interchange.ticket_file import TicketFile, read_ticket, require_same_theta, theta_hash, write_ticket
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import TOTAL, pair
from rtl_core.runs.checkpoint import Run, load_learned, load_run
from rtl_core.runs.store import find_run
from rtl_core.tickets.bits import unpack
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import KEPT, Level, TicketSet

FORMATS = {"ticket": ".ticket.safetensors", "safetensors": ".safetensors"}
_SEPARATOR = ":"  # RUN:TICKET


@dataclass(frozen=True)
class OneTicket:
    """A ticket's final mask and what it is for.

    mask        bool (N,)
    theta_hash  of the weights it is for; None for an imported mask, which says nothing about weights
    """

    name: str
    layout: Layout
    mask: np.ndarray
    theta_hash: str | None


def export(run: Run, ticket: str, formats: Sequence[str], folder: Path) -> dict[str, str]:
    """Writes one ticket of a run into a folder, once per format; format -> path.

    ticket       the portable mask (docs/ticket-file.md), without weights
    safetensors  the state dict of the ticket's network, the mask multiplied out: load it into the plain module

    Raises BadInput for an unknown ticket or format and for runs that have masks only.
    """
    index = _index(run, ticket)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise BadInput(f"there is no format '{', '.join(unknown)}'; a ticket is exported as {' or '.join(FORMATS)}")
    subnetwork = _learned(run).subnetworks[index]
    folder.mkdir(parents=True, exist_ok=True)
    file = distinct([_plain(other) for other in run.tickets.names])[index]
    paths = {name: folder / f"{run.name}-{file}{FORMATS[name]}" for name in formats}
    if "ticket" in paths:
        context = {"data": run.info["data"], "model": run.info["model"], "licence": run.info["data"]["licence"]}
        write_ticket(paths["ticket"], run.tickets, index, subnetwork.shared, context)
    if "safetensors" in paths:
        from rtl_core.learning.subnetwork import materialise
        from rtl_core.runs.tensors import write_tensors

        write_tensors(paths["safetensors"], materialise(subnetwork, run.tickets.layout))
    return {name: str(path) for name, path in paths.items()}


@dataclass(frozen=True)
class AppliedTicket:
    """A ticket file on a run's weights: its figures on the run's test rows, and those of the run's own ticket."""

    subset: str
    licence: str
    row: TicketRow
    own: TicketRow


def apply_ticket(run: Run, ticket: TicketFile) -> AppliedTicket:
    """A ticket file measured on a run's weights.

    The head is that of the run's ticket, norm statistics are re-estimated with the new mask. Raises BadInput where the
    ticket is for other weights or for a subset that the run does not have, and where the run's data have changed.
    """
    from rtl_core.audit import evaluate as audit
    from rtl_core.learning.batchnorm_recalibration import NormBatches, with_statistics
    from rtl_core.learning.subsets import ticket_subsets
    from rtl_core.runs.open_run import open_run

    learned = _learned(run)
    require_same_theta(ticket, learned.subnetworks[0].shared, run.tickets.layout, run.info["model"])
    if ticket.subset not in run.tickets.subsets:
        raise BadInput(
            f"ticket '{ticket.name}' was made for the subset '{ticket.subset}'; this run has: "
            f"{', '.join(run.tickets.subsets)}"
        )
    k, config = run.tickets.subsets.index(ticket.subset), run.config
    setting = open_run(run)
    subnetwork = replace(learned.subnetworks[k], mask=from_file(ticket).mask)
    subset = ticket_subsets(setting.dataset, setting.partition, setting.task, config.reweigh)[k]
    batches = NormBatches(subset, config.sharing.recalibrate_batches, config.seed)
    subnetwork = with_statistics(setting.network, subnetwork, setting.layout, setting.dataset.inputs, batches)
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, "test")
    answers = audit.own_answers(setting.network, subnetwork, setting.layout, eval_set, k)
    density, figures = float(subnetwork.mask.mean()), audit.ticket_figures(eval_set, k, answers)
    row = TicketRow(name=ticket.name, density=density, **figures)
    return AppliedTicket(ticket.subset, ticket.licence, row, run.record.evaluation.tickets[k])


def open_ticket(source: str, root: Path) -> OneTicket:
    """`RUN:TICKET`, a ticket of a run or a sample, or the path of a ticket file. BadInput for whatever is neither."""
    if Path(source).is_file():
        return from_file(read_ticket(Path(source)))
    run_name, colon, ticket = source.rpartition(_SEPARATOR)
    if not colon:
        raise BadInput(f"'{source}' is no ticket file; name a file, or a ticket of a run as RUN{_SEPARATOR}TICKET")
    run = load_run(find_run(run_name, root))
    index = _index(run, ticket)
    known = None if run.masks_only else theta_hash(_learned(run).subnetworks[index].shared, run.tickets.layout)
    return OneTicket(ticket, run.tickets.layout, run.tickets.masks()[index], known)


def from_file(ticket: TicketFile) -> OneTicket:
    """What a ticket file holds, as one side of a comparison."""
    return OneTicket(ticket.name, ticket.layout, unpack(ticket.bits[None], ticket.layout.n)[0], ticket.theta_hash)


@dataclass(frozen=True)
class Shared:
    """Weights that two tickets share, and that one of them keeps alone; None where a measure is undefined."""

    shared: int
    only_a: int
    only_b: int
    iou: float | None
    chance: float | None
    excess: float | None


@dataclass(frozen=True)
class SharedInLayer:
    """The same of one layer."""

    name: str
    shares: Shared = field(metadata=INLINE)


@dataclass(frozen=True)
class Difference:
    """What two tickets share over all layers and in each.

    same_theta  None where one of the two says nothing about its weights. Masks of other weights can be compared all the
                same; what they share then says nothing about shared values
    """

    a: str
    b: str
    same_theta: bool | None
    shares: Shared = field(metadata=INLINE)
    layers: list[SharedInLayer]


def diff(a: OneTicket, b: OneTicket) -> Difference:
    """What two tickets share, in weights. BadInput unless they cover the same tensors."""
    _require_same_layout(a, b)
    both = np.where(np.stack([a.mask, b.mask]), KEPT, 1).astype(np.uint8)
    density = float(np.mean([a.mask.mean(), b.mask.mean()]))
    tickets = TicketSet(("a", "b"), ("a", "b"), a.layout, both, (Level(1, density, "target"),))
    table = pair(overlap(tickets), "a", "b").set_index("layer")[[each.name for each in fields(Shared)]]
    table = table.astype(object).where(table.notna(), None)
    rows = {layer: Shared(*values) for layer, values in zip(table.index, table.to_numpy(), strict=True)}
    total = rows.pop(TOTAL)
    known = a.theta_hash is not None and b.theta_hash is not None
    same = a.theta_hash == b.theta_hash if known else None
    return Difference(a.name, b.name, same, total, [SharedInLayer(*row) for row in rows.items()])


def _learned(run: Run) -> Any:
    if run.masks_only:
        raise BadInput(f"run '{run.name}' has masks only: a ticket is exported together with the weights it is for")
    learned = load_learned(run)
    if "rtl" not in learned:
        raise BadInput(f"run '{run.name}' has no weights of its tickets")
    return learned["rtl"]


def _index(run: Run, ticket: str) -> int:
    if ticket not in run.tickets.names:
        raise BadInput(f"run '{run.name}' has no ticket '{ticket}'; it has: {', '.join(run.tickets.names)}")
    return run.tickets.names.index(ticket)


def _require_same_layout(a: OneTicket, b: OneTicket) -> None:
    ours, theirs = (dict(zip(t.layout.names, t.layout.shapes, strict=True)) for t in (a, b))
    for name in (*ours, *theirs):
        if ours.get(name) != theirs.get(name):
            raise BadInput(
                f"'{a.name}' and '{b.name}' are for different networks: tensor '{name}' is "
                f"{_shape(ours.get(name))} in the first and {_shape(theirs.get(name))} in the second"
            )
    if a.layout != b.layout:
        raise BadInput(f"'{a.name}' and '{b.name}' list the same tensors in different orders")


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else " x ".join(map(str, shape))


def _plain(ticket: str) -> str:
    """A ticket's name as part of a file name: letters, digits, dash and underscore."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in ticket)[:60]
