"""Diagnosis of a run: overlap, confidence and accuracy on the way down, where they turn, and what to do about it.

Nothing is trained here: what was measured by training again (retrain.py) is read where it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.audit import collapse
from rtl_core.config import Config
from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.overlap import Overlap, overlap
from rtl_core.overlap.similarity import layer_profile, similarity
from rtl_core.runs import retraining_file, store
from rtl_core.runs.atomic import plain
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.retraining_file import PROBE, RELAX
from rtl_core.statistics.estimates import mean_of_known
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.task import figure_value
from rtl_core.tickets.ticket_set import Level

_MEASURES = ("retrained", "extraction", "final")  # the first that a level has is the one that counts
_ALARM_KEYS = {"round", "density", "safe_density", "drop", "falls_most", "policy"}  # of an alarm among the metrics


def diagnose(run: Run, root: Path | None = None) -> dict[str, Any]:
    """The JSON document of `diagnose`; `root`: the user's runs, where audits of samples are kept."""
    root = root or run.folder.parent
    metric = task_named(run.config.task).headline.name if run.config else "accuracy"
    probed, relaxed = retraining_file.read(run, root, PROBE), retraining_file.read(run, root, RELAX)
    records = [*run.info.get("rungs", []), *(probed["records"] if probed else [])]
    counted = [overlap(run.tickets, level) for level in run.tickets.levels]
    rounds = [_round(level, counts, records, metric) for level, counts in zip(run.tickets.levels, counted, strict=True)]
    layers = [row for level, counts in zip(run.tickets.levels, counted, strict=True) for row in _layers(level, counts)]
    threshold = run.config.collapse.threshold if run.config else Config().collapse.threshold
    retrained = [row for row in rounds if row["measure"] == "retrained" and row["confidence"] is not None]
    for row, drop in zip(
        retrained, collapse.drops([row["confidence"] for row in retrained]) if retrained else [], strict=True
    ):
        row["drop"] = float(drop)
    alarm, fall = _alarm(retrained, threshold), _fall(retrained, metric)
    document = {
        "run": run.name,
        "k": run.tickets.k,
        "metric": metric,
        "watched": bool(retrained),
        "threshold": threshold,
        "n": _rows_measured(records),
        "rounds": rounds,
        "layers": layers,
        "flags": [*_flags(retrained, rounds, layers, alarm, fall, metric)],
        "alarm": alarm,
        "fall": fall,
        "lead": fall["round"] - alarm["round"] if alarm and fall else None,
        "last_safe_density": _last_safe(retrained, alarm),
        "policy": run.config.collapse.policy if run.config else "off",
        "policy_events": _policy_events(run),
        "relaxed": relaxed,
        "probe": {key: probed[key] for key in ("steps", "seconds")} if probed else None,
    }
    return plain({**document, "advice": _advice(run, document)})


def _round(level: Level, counts: Overlap, records: Sequence[dict[str, Any]], metric: str) -> dict[str, Any]:
    """One level: overlap of the pairs, and means over the tickets of what was measured there."""
    pairs = np.triu_indices(counts.k, 1)
    measures, band = similarity(counts), chance_interval(counts)

    def over_pairs(matrix: np.ndarray) -> float:
        return float(np.nanmean(matrix[pairs])) if np.isfinite(matrix[pairs]).any() else float("nan")

    here = [r for r in records if r["rung"] == level.index]
    measure = next((m for m in _MEASURES if any(r.get("measure") == m for r in here)), None)
    here = [r for r in here if r.get("measure") == measure]
    figures = dict.fromkeys(("balanced_accuracy", "accuracy", metric))
    return {
        "round": level.index,
        "density": level.density,
        "kind": level.kind,
        "iou_mean": over_pairs(measures.iou),
        "chance_mean": over_pairs(measures.chance),
        "chance_low": over_pairs(band.low),
        "chance_high": over_pairs(band.high),
        "excess_mean": over_pairs(measures.excess),
        **{key: mean_of_known([figure_value(r, key) for r in here]) for key in (*figures, "confidence")},
        "ci": {
            key: [mean_of_known([r["ci"].get(key, (None, None))[side] for r in here]) for side in (0, 1)]
            for key in figures
        },
        "drop": None,
        "measure": measure,
    }


def _layers(level: Level, counts: Overlap) -> list[dict[str, Any]]:
    columns = ["layer", "iou_mean", "chance_mean", "excess_mean", "density_mean", "empty_tickets"]
    rows = layer_profile(counts)[columns].to_dict("records")
    return [{"round": level.index, "density": level.density, **row} for row in rows]


def _rows_measured(records: Sequence[dict[str, Any]]) -> int | None:
    return min((record["n"] for record in records), default=None)


def _alarm(retrained: Sequence[dict[str, Any]], threshold: float) -> dict[str, Any] | None:
    first = collapse.first_alarm([row["confidence"] for row in retrained], threshold) if retrained else None
    if first is None:
        return None
    row = retrained[first]
    return {"round": row["round"], "density": row["density"], "drop": row["drop"], "threshold": threshold}


def _fall(retrained: Sequence[dict[str, Any]], metric: str) -> dict[str, Any] | None:
    at = collapse.fall([row[metric] for row in retrained]) if retrained else None
    return None if at is None else {"round": retrained[at]["round"], "density": retrained[at]["density"]}


def _last_safe(retrained: Sequence[dict[str, Any]], alarm: dict[str, Any] | None) -> float | None:
    """The last retrained density before the alarm; without one, the lightest that was retrained."""
    safe = [row["density"] for row in retrained if alarm is None or row["round"] < alarm["round"]]
    return safe[-1] if safe else None


def _flags(
    retrained: Sequence[dict[str, Any]],
    rounds: Sequence[dict[str, Any]],
    layers: Sequence[dict[str, Any]],
    alarm: dict[str, Any] | None,
    fall: dict[str, Any] | None,
    metric: str,
) -> list[dict[str, Any]]:
    """Where something turned, the alarm first, then by round."""

    def flag(at: dict[str, Any], direction: str, signal: str, sentence: str, layer: str | None = None) -> dict:
        place = {"round": at["round"], "density": at["density"], "direction": direction, "signal": signal}
        return {**place, "layer": layer, "alarm": signal == "confidence", "sentence": sentence}

    flags = []
    if alarm:
        sentence = f"Confidence lies {alarm['drop']:.3f} below its best: the alarm ({alarm['threshold']:g})."
        flags.append(flag(alarm, "down", "confidence", sentence))
    if fall:
        sentence = f"{metric.replace('_', ' ').capitalize()} lies 2 points or more below its best and stays there."
        flags.append(flag(fall, "down", "accuracy", sentence))
    for signal in ("iou", "excess"):
        for turn in collapse.turns(_below_all([row[f"{signal}_mean"] for row in rounds], rounds)):
            sentence = f"{_TITLES[signal]} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            flags.append(flag(rounds[turn.round], turn.direction, signal, sentence))
    for layer in dict.fromkeys(row["layer"] for row in layers):
        own = [row for row in layers if row["layer"] == layer]
        for turn in collapse.turns(_below_all([row["excess_mean"] for row in own], rounds)):
            sentence = f"Excess overlap in {layer} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            flags.append(flag(own[turn.round], turn.direction, "excess", sentence, layer))
        empty = next((row for row in own if row["empty_tickets"]), None)
        if empty:
            sentence = f"{int(empty['empty_tickets'])} ticket(s) keep nothing in {layer}: they are dead."
            flags.append(flag(empty, "down", "empty layer", sentence, layer))
    return sorted(flags, key=lambda one: (not one["alarm"], one["round"]))


def _below_all(values: Sequence[float | None], rounds: Sequence[dict[str, Any]]) -> list[float | None]:
    """Without the level that keeps all weights: there every mask is the same, and the first cut is no turn."""
    return [None if row["density"] >= 1 else value for value, row in zip(values, rounds, strict=True)]


_TITLES = {"iou": "Mean IoU", "excess": "Mean excess overlap"}
_MOVED = {"up": "has risen above its least value", "down": "falls in one round"}


def _advice(run: Run, document: dict[str, Any]) -> str:
    alarm, safe, events = document["alarm"], document["last_safe_density"], document["policy_events"]
    if run.masks_only:
        return "These are masks without a network: overlap is all there is to see."
    if run.config.mode == "gated":
        return "Mask scores were learned at one density: there is no way down to look at."
    if not document["watched"]:
        return (
            "The levels were cut from one training and nothing was trained between them, so no alarm can be given. "
            "Retrain the levels (diagnose --probe), or train with extract.schedule=fraction and collapse.policy=warn."
        )
    if alarm is None and events:
        densities = ", ".join(f"{event['density']:.3g}" for event in events)
        return (
            f"The alarm came at density {densities} while the run was trained, and its policy ({document['policy']}) "
            f"went back: {safe:.3g}, where the run is now, is the last safe density."
        )
    if alarm is None:
        return f"No alarm down to density {safe:.3g}: the tickets have not collapsed. A lighter target can be tried."
    if safe is None:
        return "The alarm comes at the first level: train longer per round, or take a larger network."
    gain = ""
    if document["relaxed"]:
        change = document["relaxed"]["after"] - document["relaxed"]["before"]
        gain = f" Measured, that changes {document['metric'].replace('_', ' ')} by {change:+.3f}."
    if alarm["density"] < run.tickets.target.density:
        return f"The tickets' own density {run.tickets.target.density:.3g} is safe; do not go below {safe:.3g}." + gain
    return (
        f"Go back to density {safe:.3g}, the last one before the alarm, and train those masks together from theta_0 "
        f"(diagnose --relax), or train again with collapse.policy=relax." + gain
    )


def _policy_events(run: Run) -> list[dict[str, Any]]:
    """Alarms that the run noted while it trained; what a killed process or an edit left incomplete is passed over."""
    rows = [row for row in store.read_metrics(run.folder) if isinstance(row, dict)]
    return [row for row in rows if row.get("phase") == "collapse" and row.keys() >= _ALARM_KEYS]
