"""Masks of ResNet-50's size: how long overlap takes, whether chance is right there, and 100 of them packed.

python -m benchmarks.masks [--out docs/results/masks.md]

Takes some minutes, most of them for pruning.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable
from timeit import repeat
from typing import Any

import numpy as np

from benchmarks import pages
from rtl_core.config import ModelSettings
from rtl_core.models.catalogue import build
from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.overlap import Overlap, overlap
from rtl_core.overlap.similarity import against_chance, layer_profile, similarity
from rtl_core.rng import numpy_generator
from rtl_core.tickets import bits
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count, prune, scores_of
from rtl_core.tickets.ticket_set import Level, TicketSet

TICKETS, DENSITY, SCORES = 10, 0.1, ("global_magnitude", "lamp")
LARGE = 150_000  # weights of a layer from which on no single pair should be far from chance
MASKS, WEIGHTS = 100, 25_600_000
REPEATS = 5


def run() -> dict[str, Any]:
    """Seconds (best of several), GB/s, the process's peak memory after each part, and excess by score."""
    packed = _packed()
    by_score = {score: _independent(score) for score in SCORES}
    return {**packed, "scores": by_score, "peak_gb": _peak_gb(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def table(figures: dict[str, Any]) -> str:
    """The result as Markdown."""
    scores = figures["scores"]
    one = scores[SCORES[0]]
    steps = [_row(f"`{step}`", [f"{s['seconds'][step]:.3f}" for s in scores.values()]) for step in one["seconds"]]
    together = _row("together", [f"{sum(s['seconds'].values()):.3f}" for s in scores.values()])
    chance = [
        _row(score, [f"{s['lowest']:.3f} to {s['highest']:.3f}", f"{s['defined']} of {s['large']}", s["max_excess"]])
        for score, s in scores.items()
    ]
    return f"""# Masks of ResNet-50's size

{TICKETS} tickets of the catalogue's ResNet-50 ({one["layers"]} prunable tensors, {one["n"]:,} weights), each pruned
to density {DENSITY} from initial weights of its own: the masks are independent, so their excess should be 0.

{_row("seconds", SCORES)}
|---|{"---|" * len(SCORES)}
{chr(10).join(steps)}
{together}

In layers of {LARGE:,} weights or more:

| score | densities of all layers | layers where excess is defined | largest excess of a pair, either sign |
|---|---|---|---|
{chr(10).join(chance)}

Excess is not defined where no ticket keeps a weight: at this density global magnitude empties the widest layers.

All pairs of {MASKS} packed masks of {WEIGHTS:,} weights ({figures["packed_mb"]:,.0f} MB, `rtl_core.tickets.bits`):
{figures["packed_seconds"]:.2f} s, {figures["packed_gb_per_second"]:.3g} GB/s, where copying memory reaches
{figures["copy_gb_per_second"]:.3g} GB/s. GB/s count the packed bytes of both masks of every pair; for the copy, bytes
read plus bytes written. The process's peak memory was {figures["packed_peak_gb"]:.2f} GB after that and
{figures["peak_gb"]:.2f} GB in all, pruning included.

Best of {REPEATS} in one process, on {figures["cores"]} cores; the machine's load was {figures["load"]:.1f} at the end,
where 1 is this process alone. Remade by `python -m benchmarks.masks`.
"""


def _row(name: str, cells: Iterable[Any]) -> str:
    return " | ".join([f"| {name}", *(f"{cell:.4f}" if isinstance(cell, float) else cell for cell in cells)]) + " |"


def _packed() -> dict[str, float]:
    """All pairs of many packed masks beside a memory copy."""
    packed = numpy_generator(0, "benchmark", "packed masks").integers(0, 256, (MASKS, WEIGHTS // 8), dtype=np.uint8)
    source = np.ones(64 * 2**20, dtype=np.uint8)
    target = np.empty_like(source)
    copying = _seconds(lambda: np.copyto(target, source))
    ours = _seconds(lambda: bits.intersections(packed))
    return {
        "packed_mb": packed.nbytes / 1e6,
        "packed_seconds": ours,
        "packed_gb_per_second": MASKS * (MASKS + 1) * packed.shape[1] / ours / 1e9,
        "copy_gb_per_second": 2 * source.nbytes / copying / 1e9,
        "packed_peak_gb": _peak_gb(),
    }


def _independent(score: str) -> dict[str, Any]:
    """Seconds of every step from masks to intervals, and how far from chance independent masks are."""
    tickets = _tickets(score)
    counts = overlap(tickets)
    steps = {
        "overlap": lambda: overlap(tickets),
        "similarity": lambda: similarity(counts),
        "layer_profile": lambda: layer_profile(counts),
        "chance_interval": lambda: chance_interval(counts),
    }
    densities = counts.kept / counts.n[:, None]
    excess = _excess_of_large_layers(counts)
    return {
        "n": tickets.n,
        "layers": len(counts.layers),
        "seconds": {name: _seconds(step) for name, step in steps.items()},
        "lowest": float(densities.min()),
        "highest": float(densities.max()),
        "large": len(excess),
        "defined": int((~np.isnan(excess)).any(axis=1).sum()),
        "max_excess": float(np.nanmax(np.abs(excess))),
    }


def _tickets(score: str) -> TicketSet:
    """Tickets of networks that differ in their initial weights, pruned before any training."""
    pruned_at = []
    for seed in range(TICKETS):
        network = build(ModelSettings(name="resnet50"), (3, 224, 224), 1000, seed)
        parameters = dict(network.module.named_parameters())
        layout = Layout.of(parameters, network.prunable)
        theta = layout.flatten(parameters).numpy()
        kept = np.ones(layout.n, dtype=bool)
        mask = prune(scores_of(score, theta, kept, layout), kept, kept_count(DENSITY, layout.n), layout)
        pruned_at.append((~mask).astype(np.uint8))
    names = tuple(f"ticket {k}" for k in range(TICKETS))
    return TicketSet(names, names, layout, np.stack(pruned_at), (Level(1, DENSITY, "target"),))


def _excess_of_large_layers(counts: Overlap) -> np.ndarray:
    """(large layers, pairs) excess over chance."""
    pairs = np.triu_indices(counts.k, 1)
    large = [layer for layer, n in zip(counts.layers, counts.n, strict=True) if n >= LARGE]
    return np.stack([against_chance(counts.only([layer]))[2][pairs] for layer in large])


def _seconds(work: Callable[[], Any]) -> float:
    return min(repeat(work, number=1, repeat=REPEATS))


def _peak_gb() -> float:
    """The most memory that this process ever held (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    pages.show(__doc__, lambda: table(run()))
