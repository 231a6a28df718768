"""One input through every ticket, side by side, with the dense network and a random mask for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rtl_core.audit.attribution.explain import Maps, Question, confidence, explain
from rtl_core.audit.attribution.rank_correlation import centred_ranks
from rtl_core.audit.attribution.ticket_modules import Subject

TOP = 0.1  # share of an input's numbers that counts as the top of a map
DENSE, RANDOM = "dense", "random mask"


@dataclass(frozen=True)
class SideBySide:
    """m maps of one input.

    names        the tickets, then `DENSE` (where the run has that control) and `RANDOM`
    maps         of m rows, one a network
    confidence   (m,) probability that each network gives to the output it explains; NaN where answers have none
    correlation  (m, m) rank correlation of the maps; NaN where one is constant
    overlap      (m, m) share of the `TOP` largest absolute values that two maps have in common; chance is `TOP`
    """

    names: tuple[str, ...]
    maps: Maps
    confidence: np.ndarray
    correlation: np.ndarray
    overlap: np.ndarray


def side_by_side(
    subject: Subject, tickets: Sequence[str], compared: str, x: torch.Tensor, question: Question, target: int | None
) -> SideBySide:
    """Maps of the one input x (1, *shape).

    compared  the ticket that the dense control and the random mask stand beside
    target    the output to explain; None: the largest one of each network
    """
    modules = {ticket: subject.module(ticket) for ticket in tickets}
    dense = subject.dense(compared)
    if dense is not None:
        modules[DENSE] = dense
    modules[RANDOM] = subject.under_random_mask(compared, question.seed)
    explained_maps = [explain(module, x, question, target) for module in modules.values()]
    fields = ("attributions", "target", "output", "baseline_output", "steps")
    maps = Maps(**{name: np.concatenate([getattr(one, name) for one in explained_maps]) for name in fields})
    sure = [
        confidence(module, x, one.target)[0] if question.sure else np.nan
        for module, one in zip(modules.values(), explained_maps, strict=True)
    ]
    ranks = centred_ranks(maps.flat)
    return SideBySide(tuple(modules), maps, np.array(sure), ranks @ ranks.T, top_overlap(maps.flat))


def top_overlap(flat: np.ndarray) -> np.ndarray:
    """(m, m) from m maps (m, numbers); NaN where a map is constant."""
    count = max(1, round(TOP * flat.shape[1]))
    top = np.zeros(flat.shape, bool)
    np.put_along_axis(top, np.argsort(-np.abs(flat), axis=1, kind="stable")[:, :count], True, axis=1)
    shared = (top[:, None] & top).sum(axis=2) / count
    constant = np.ptp(flat, axis=1) == 0
    return np.where(constant[:, None] | constant, np.nan, shared)
