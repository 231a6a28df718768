"""The twins of a run's tickets: trained once, kept in its audits, and what they say of the overlap."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.events import Event, Report, silent
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import as_json, as_matrix
from rtl_core.overlap.twins import Luck, count_twins, finding, luck
from rtl_core.read_only import refused_in_public
from rtl_core.runs import retraining_file
from rtl_core.runs.atomic import write_json
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.retrain import Cost, before_extraction, check_trainable, pace
from rtl_core.runs.twins_file import TWINS, KeptTwins, as_kept, read_twins
from rtl_core.statistics.estimates import json_interval, json_number
from rtl_core.tickets.ticket_set import Level

if TYPE_CHECKING:
    from rtl_core.learning.extract import Schedule

PER_SUBSET = 4  # twins: two halves, again, and another order


def cost(run: Run) -> Cost:
    """What measuring the twins takes. BadInput where the run cannot be trained again, or has one ticket only."""
    _check(run)
    steps = PER_SUBSET * run.tickets.k * _steps(run)
    return Cost(steps, steps * pace(run))


@refused_in_public("training twins")
def measure_twins(run: Run, root: Path | None = None, report: Report = silent) -> KeptTwins:
    """Extracts the twins of every subset from theta_0, as the run's tickets were, and keeps what they share.

    `report` may raise `Stopped`. BadInput where the run cannot be trained again, or a subset cannot be halved.
    """
    _check(run)
    folder = retraining_file.place(run, root)  # before any work
    kept = _measured(run, report)
    write_json(folder / TWINS, kept)
    return kept


def _check(run: Run) -> None:
    check_trainable(run)
    if run.tickets.k == 1:
        raise BadInput(f"run '{run.name}' has one ticket: there is no other subset for twins to be compared with")


def _measured(run: Run, report: Report) -> KeptTwins:
    from rtl_core.learning.twins import extract_twins, twins_of
    from rtl_core.runs.prepare import refusing_divergence

    began, tickets, total = time.monotonic(), run.tickets, PER_SUBSET * run.tickets.k * _steps(run)
    steps_of: dict[tuple[str | None, int | None], int] = {}

    def on_event(event: Event) -> None:
        """All twins as one stretch of steps."""
        if event.phase == "extract":
            steps_of[event.ticket, event.round] = event.step
            event = Event("extract", "rtl", sum(steps_of.values()), total)
        report(event)

    config = run.config.model_copy(update={"controls": ()})
    new_experiment, start, eval_set = before_extraction(run, config, on_event)
    again = twins_of(new_experiment.subsets, eval_set.dataset.unit, config.seed)
    report(Event("start", "rtl", steps=total))
    schedule, sharing = _schedule(run), run.info.get("sharing", 0.0)  # runs of earlier versions shared nothing
    with refusing_divergence(config):
        pruned_at = [
            extract_twins(new_experiment, start, of_side, schedule, sharing) for of_side in zip(*again, strict=True)
        ]
    sides = [replace(tickets, pruned_at=of_side) for of_side in pruned_at]
    counts = [
        as_kept(level, count_twins(tickets.layout, tickets.masks(level), np.stack([s.masks(level) for s in sides])))
        for level in tickets.levels
    ]
    rows = [len(subset.pools[0]) for subset in new_experiment.subsets]
    half = [min(len(side.pools[0]) for side in four[:2]) for four in again]
    return KeptTwins(retraining_file.masks_digest(run), rows, half, counts, total, time.monotonic() - began)


def _steps(run: Run) -> int:
    """Gradient steps of one twin."""
    return run.config.extract.steps * len(_schedule(run).rounds)


def _schedule(run: Run) -> Schedule:
    from rtl_core.learning.twins import schedule_again

    config = run.config
    return schedule_again(run.tickets.levels, config.extract.schedule == "one_shot", config.collapse.policy != "off")


def luck_of(run: Run, kept: KeptTwins, level: Level, layers: tuple[str, ...] | None = None) -> Luck:
    """The tickets between chance and their twins, at a level, in some of the layers (None: in all)."""
    return luck(overlap(run.tickets, level).only(layers), kept.at(run, level).only(layers))


def similarity_document(
    run: Run, root: Path, level: Level | None = None, layer: str | None = None, compact: bool = False
) -> dict[str, Any]:
    """The JSON document of `similarity`: `overlap.similarity.as_json`, and beside chance what twins share.

    `twin`, `position` and `position_tickets` are matrices of all pairs (in `pairs` where compact), `twins` holds what
    they rest on; all of them, and `twin_mean` and `position` of layers, are None where twins have not been measured.
    """
    level = level or run.tickets.target
    counts = overlap(run.tickets, level)
    document = as_json(counts, layer, compact)
    kept = read_twins(run, root)
    if kept is None:
        blank = dict.fromkeys(("twin", "position", "position_tickets"))
        layers = [{**row, "twin_mean": None, "position": None} for row in document["layers"]]
        return {**document, **({} if compact else blank), "layers": layers, "twins": None}
    twins = kept.at(run, level)

    def within(layers: tuple[str, ...] | None) -> Luck:
        return luck(counts.only(layers), twins.only(layers))

    whole = within(None if layer is None else (layer,))
    matrices = {name: as_matrix(getattr(whole, name), compact) for name in ("twin", "position", "position_tickets")}
    if compact:
        document["pairs"] |= matrices
    else:
        document |= matrices
    layers = [{**row, **_of_layer(within((row["name"],)))} for row in document["layers"]]
    return {**document, "layers": layers, "twins": _twins_document(whole, kept)}


def _of_layer(measured: Luck) -> dict[str, Any]:
    i, j = np.triu_indices(len(measured.names), 1)
    twin = measured.twin[i, j]
    known = twin[~np.isnan(twin)]
    at = measured.samples
    return {
        "twin_mean": float(known.mean()) if known.size else None,
        "position": json_number(at.value),
        "ci": {"position": json_interval(at.low, at.high)},
    }


def _twins_document(measured: Luck, kept: KeptTwins) -> dict[str, Any]:
    halves, order = measured.halves, measured.order
    subsets = [
        {
            "name": name,
            "rows": kept.rows[k],
            "rows_half": kept.rows_half[k],
            **{f"halves_{what}": json_number(getattr(halves, what)[k]) for what in ("iou", "chance", "excess")},
            **{f"order_{what}": json_number(getattr(order, what)[k]) for what in ("iou", "chance", "excess")},
            "again_iou": json_number(measured.again.iou[k]),
        }
        for k, name in enumerate(measured.names)
    ]
    return {
        "finding": finding(measured),
        "verdict": measured.samples.verdict,
        "position": json_number(measured.samples.value),
        "position_tickets": json_number(measured.tickets.value),
        "ci": {
            "position": json_interval(measured.samples.low, measured.samples.high),
            "position_tickets": json_interval(measured.tickets.low, measured.tickets.high),
        },
        "across_excess": as_matrix(measured.across.excess),
        "subsets": subsets,
        "steps": kept.steps,
        "seconds": kept.seconds,
    }
