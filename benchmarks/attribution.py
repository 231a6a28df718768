"""How fast maps of many inputs are: the audit beside a loop that calls Captum for every input, in one process.

python -m benchmarks.attribution [--out docs/results/attribution_speed.md]
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import pages
from rtl_core.audit.attribution.aggregate import audit
from rtl_core.audit.attribution.baselines import baseline_of
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.data import sources
from rtl_core.models.catalogue import build
from rtl_core.runs.checkpoint import load_learned, load_run
from rtl_core.runs.store import samples
from rtl_core.tasks.catalogue import task_named

SAMPLE, IMAGES, STEPS, ROUNDS = "fashion10", 200, 32, 3


def run() -> dict[str, Any]:
    """Seconds of wall and processor time for integrated gradients of every ticket; medians, the ways in turn.

    The maps' means are compared, so that no ratio is reported between different maps.
    """
    torch.set_num_threads(1)
    subject, cores = _subject(), os.cpu_count() or 1
    rows = subject.dataset.rows("test")[:IMAGES]
    request = MapRequest("integrated_gradients", parameters=(("steps", STEPS), ("max_steps", STEPS)))

    def audited(workers: int) -> np.ndarray:
        result = audit(subject, subject.tickets.names, rows, request, faithfulness=False, workers=workers)
        return np.stack([ticket.evidence for ticket in result.tickets])

    ways: dict[str, Callable[[], np.ndarray]] = {
        "one call of Captum an image": lambda: _loop(subject, rows),
        "audit, 1 thread": lambda: audited(1),
        f"audit, {cores} threads": lambda: audited(cores),
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        maps = {}
        for way, compute in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            maps[way] = compute()
            seconds[way].append((time.perf_counter() - wall, time.process_time() - processor))
        reference = maps.pop("one call of Captum an image")
        for audit_maps in maps.values():
            np.testing.assert_allclose(audit_maps, reference, atol=1e-3 * np.abs(reference).max())
    wall = {way: median(pair[0] for pair in pairs) for way, pairs in seconds.items()}
    processor = {way: median(pair[1] for pair in pairs) for way, pairs in seconds.items()}
    return {"tickets": subject.tickets.k, "wall": wall, "processor": processor}


def _subject() -> Subject:
    stored = load_run(samples()[SAMPLE])
    dataset = sources.load(stored.config.data, stored.config.seed)
    network = build(stored.config.model, dataset.input_shape, 1, stored.config.seed)
    return Subject.of(task_named(stored.config.task), dataset, network, stored.tickets, load_learned(stored))


def _loop(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """The plain way: a ticket's module made once, then one batch of all steps for each image."""
    from captum.attr import IntegratedGradients

    x = subject.dataset.inputs(rows)
    black = baseline_of("black", subject.dataset, x)
    means = []
    for ticket in subject.tickets.names:
        method = IntegratedGradients(subject.module(ticket))
        maps = torch.cat([method.attribute(one[None], black, 0, n_steps=STEPS) for one in x]).numpy()
        means.append((maps / np.abs(maps).sum(axis=(1, 2, 3), keepdims=True)).mean(axis=0))
    return np.stack(means)


def table(figures: dict[str, Any]) -> str:
    """The result as Markdown."""
    wall, processor = figures["wall"], figures["processor"]
    plain = next(iter(wall))
    rows = "\n".join(
        f"| {way} | {wall[way]:.1f} | {wall[plain] / wall[way]:.2f} | {processor[way]:.1f} "
        f"| {processor[plain] / processor[way]:.2f} |"
        for way in wall
    )
    return f"""# Integrated gradients of {figures["tickets"]} tickets x {IMAGES} images, {STEPS} steps

| way | seconds | times as fast | processor seconds | times less |
|---|---|---|---|---|
{rows}

Medians of {ROUNDS} rounds, the ways in turn, on {os.cpu_count()} cores; PyTorch has one thread in each. On a machine
that does other work at the same time the wall clock says little about threads; processor time does not count waiting.
The audit also ranks the maps for the tickets' agreement. All ways give the same mean maps.
Remade by `python -m benchmarks.attribution`.
"""


if __name__ == "__main__":
    pages.show(__doc__, lambda: table(run()))
