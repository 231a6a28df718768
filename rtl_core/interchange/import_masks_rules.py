"""Which tensors of several pruned networks count: those that are pruned, and not those that merely have zeros.

The rules and their limits are in docs/import.md. Whoever knows better names the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import PackedMask, words
from rtl_core.interchange.import_masks_assign import bare, prefix_of
from rtl_core.interchange.import_masks_networks import any_match, matches
from rtl_core.interchange.import_masks_ticket import Choice, ForeignTicket, counted

FEWEST_ZEROS = 0.01  # share of a tensor; fewer come from rounding, padding and the like
FEW_ROWS = 0.1  # share of a tensor's rows that may be padding or never trained
_OF_TABLES = "confmat pe pos position positions positional coords grid anchors freqs rope sinusoidal"
_OF_EMBEDDINGS = "emb embed embeds embedding embeddings wte wpe vocab"
_TRAINED = ("weight", "kernel", "w")  # last parts of names of what is no table


def aligned(tickets: Sequence[ForeignTicket]) -> tuple[list[ForeignTicket], list[tuple[str, str]]]:
    """The tickets with names that agree, where prefixes of wrappers stand in some files only; (file, note) on each."""
    plain = [{name: bare(name) for name in ticket.masks} for ticket in tickets]
    distinct = all(len(set(names.values())) == len(names) for names in plain)
    before = set.intersection(*(set(ticket.masks) for ticket in tickets))
    after = set.intersection(*(set(names.values()) for names in plain))
    if not distinct or len(after) <= len(before):
        return list(tickets), []
    notes = []
    for ticket, names in zip(tickets, plain, strict=True):
        prefixes = dict.fromkeys(prefix_of(name) for name, short in names.items() if name != short)
        if prefixes:
            number = sum(name != short for name, short in names.items())
            shown = " and ".join(f"'{prefix}'" for prefix in list(prefixes)[:3])
            notes.append((ticket.file, f"{shown} was taken off the names of {counted(number)}"))
    renamed = [
        replace(
            ticket,
            masks={names[name]: mask for name, mask in ticket.masks.items()},
            left_out={bare(name): reason for name, reason in ticket.left_out.items()},
        )
        for ticket, names in zip(tickets, plain, strict=True)
    ]
    return renamed, notes


def reasons_against(tickets: Sequence[ForeignTicket], choice: Choice) -> dict[str, str | None]:
    """Tensor -> why it is left out, None where it counts; in the first file's order.

    BadInput: a pattern of the choice that fits no tensor.
    """
    names = dict.fromkeys(name for ticket in tickets for name in (*ticket.masks, *ticket.left_out))
    wanted = [pattern if any_match(names, (pattern,)) else bare(pattern) for pattern in choice.tensors]
    unfit = [stated for stated, pattern in zip(choice.tensors, wanted, strict=True) if not any_match(names, (pattern,))]
    if unfit:
        raise BadInput(
            f"--tensors '{unfit[0]:.60}' fits none of the {len(names)} tensors, such as '{next(iter(names), '')}'"
        )
    reasons = {name: _hard_reason(name, tickets) for name in names}
    if choice.tensors:
        other = "it is not among the tensors that were chosen"
        return {name: reason or (None if matches(name, wanted) else other) for name, reason in reasons.items()}
    everywhere = {name: [t.masks[name] for t in tickets] for name, reason in reasons.items() if reason is None}
    judged = {name: _plain_reason(name, masks) for name, masks in everywhere.items()}
    for rule in (_of_one_value, _rows, _equal_zeros):
        left = {name: masks for name, masks in everywhere.items() if judged[name] is None}
        judged |= rule(left)
    return {name: reason or judged[name] for name, reason in reasons.items()}


def _hard_reason(name: str, tickets: Sequence[ForeignTicket]) -> str | None:
    """Why a tensor cannot count, whoever wants it."""
    for ticket in tickets:
        if name not in ticket.masks:
            return ticket.left_out.get(name, f"it is missing in {ticket.called}")
    return None


def _plain_reason(name: str, masks: Sequence[PackedMask]) -> str | None:
    """Why a tensor is not pruned, from itself alone."""
    if all(mask.dense for mask in masks):
        return "no weight of it is pruned in any file"
    if any(mask.origin == "mask" for mask in masks):
        return None
    last = name.rpartition(".")[2]
    table = last not in _TRAINED and words(last) & {*_OF_TABLES.split(), "mask", "masks"}
    if table or any(mask.origin == "buffer" for mask in masks):
        return "it is a buffer, such as a table of positions or a mask of attention: no weights that are trained"
    if all(mask.pruned < FEWEST_ZEROS * mask.n for mask in masks):
        most = max(masks, key=lambda mask: mask.pruned / mask.n)
        return (
            f"less than {FEWEST_ZEROS:.0%} of it is zero (at most {most.pruned:,} of {most.n:,}): too few for pruning"
        )
    return None


def _of_one_value(left: Mapping[str, Sequence[PackedMask]]) -> dict[str, str]:
    """A table of zeros and one other number, where other tensors hold weights."""
    flat = [name for name, masks in left.items() if _by_zeros(masks) and all(mask.one_value for mask in masks)]
    if len(flat) == len(left):
        return {}
    return dict.fromkeys(flat, "it holds zeros and one other number only: a table or a mask of attention, no weights")


def _equal_zeros(left: Mapping[str, Sequence[PackedMask]]) -> dict[str, str]:
    """Zeros in the same places in all files, where other tensors were pruned differently."""
    same = [name for name, (first, *others) in left.items() if others and all(_equal(first, other) for other in others)]
    if len(same) == len(left):
        return {}
    reason = "its zeros are the same in all files while those of other tensors differ: they were made, not pruned"
    return {name: reason for name in same if _by_zeros(left[name])}


def _rows(left: Mapping[str, Sequence[PackedMask]]) -> dict[str, str]:
    """A few rows that are zero as a whole, in an embedding or where other tensors are pruned weight by weight."""
    scattered = any(mask.zero_rows is None for masks in left.values() for mask in masks)
    reasons = {}
    for name, masks in left.items():
        few = all(mask.zero_rows is not None and mask.zero_rows <= max(1, FEW_ROWS * mask.shape[0]) for mask in masks)
        if few and _by_zeros(masks) and (scattered or words(name) & set(_OF_EMBEDDINGS.split())):
            most = max(masks, key=lambda mask: mask.zero_rows)
            reasons[name] = (
                f"only whole rows of it are zero ({most.zero_rows} of {most.shape[0]} at most): padding, or untrained"
            )
    return reasons


def _by_zeros(masks: Sequence[PackedMask]) -> bool:
    return all(mask.origin == "zeros" for mask in masks)


def _equal(a: PackedMask, b: PackedMask) -> bool:
    return a.shape == b.shape and np.array_equal(a.bits, b.bits)
