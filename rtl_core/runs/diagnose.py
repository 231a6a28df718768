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
from rtl_core.runs import retrained_files, store
from rtl_core.runs.atomic import plain
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.retrained_files import PROBE, RELAX
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.task import figure_value
from rtl_core.tickets.chance import chance_interval
from rtl_core.tickets.overlap import Overlap, overlap
from rtl_core.tickets.similarity import layer_profile, similarity
from rtl_core.tickets.ticket_set import Rung

_MEASURES = ("retrained", "extraction", "final")  # the first that a rung has is the one that counts
_ALARM_KEYS = {"round", "density", "safe_density", "drop", "falls_most", "policy"}  # of an alarm among the metrics


def diagnose(run: Run, root: Path | None = None) -> dict[str, Any]:
    """The JSON document of `diagnose`; `root`: the user's runs, where audits of samples are kept."""
    root = root or run.folder.parent
    metric = task_named(run.config.task).headline.name if run.config else "accuracy"
    probed, relaxed = retrained_files.read(run, root, PROBE), retrained_files.read(run, root, RELAX)
    records = [*run.info.get("rungs", []), *(probed["records"] if probed else [])]
    counted = [overlap(run.tickets, rung) for rung in run.tickets.rungs]
    rounds = [_round(rung, counts, records, metric) for rung, counts in zip(run.tickets.rungs, counted, strict=True)]
    layers = [row for rung, counts in zip(run.tickets.rungs, counted, strict=True) for row in _layers(rung, counts)]
    threshold = run.config.collapse.threshold if run.config else Config().collapse.threshold
    heard = [row for row in rounds if row["measure"] == "retrained" and row["confidence"] is not None]
    for row, drop in zip(heard, collapse.drops([row["confidence"] for row in heard]) if heard else [], strict=True):
        row["drop"] = float(drop)
    alarm, fall = _alarm(heard, threshold), _fall(heard, metric)
    document = {
        "run": run.name,
        "k": run.tickets.k,
        "metric": metric,
        "watched": bool(heard),
        "threshold": threshold,
        "n": _rows_behind(records),
        "rounds": rounds,
        "layers": layers,
        "flags": [*_flags(heard, rounds, layers, alarm, fall, metric)],
        "alarm": alarm,
        "fall": fall,
        "lead": fall["round"] - alarm["round"] if alarm and fall else None,
        "last_safe_density": _last_safe(heard, alarm),
        "policy": run.config.collapse.policy if run.config else "off",
        "policy_events": _policy_events(run),
        "relaxed": relaxed,
        "probe": {key: probed[key] for key in ("steps", "seconds")} if probed else None,
    }
    return plain({**document, "advice": _advice(run, document)})


def _round(rung: Rung, counts: Overlap, records: Sequence[dict[str, Any]], metric: str) -> dict[str, Any]:
    """One rung: overlap of the pairs, and means over the tickets of what was measured there."""
    pairs = np.triu_indices(counts.k, 1)
    measures, band = similarity(counts), chance_interval(counts)

    def over_pairs(matrix: np.ndarray) -> float:
        return float(np.nanmean(matrix[pairs])) if np.isfinite(matrix[pairs]).any() else float("nan")

    here = [r for r in records if r["rung"] == rung.index]
    measure = next((m for m in _MEASURES if any(r.get("measure") == m for r in here)), None)
    here = [r for r in here if r.get("measure") == measure]
    figures = dict.fromkeys(("balanced_accuracy", "accuracy", metric))
    return {
        "round": rung.index,
        "density": rung.density,
        "kind": rung.kind,
        "iou_mean": over_pairs(measures.iou),
        "chance_mean": over_pairs(measures.chance),
        "chance_low": over_pairs(band.low),
        "chance_high": over_pairs(band.high),
        "excess_mean": over_pairs(measures.excess),
        **{key: _mean([figure_value(r, key) for r in here]) for key in (*figures, "confidence")},
        "ci": {key: [_mean([r["ci"].get(key, (None, None))[side] for r in here]) for side in (0, 1)] for key in figures},
        "drop": None,
        "measure": measure,
    }


def _layers(rung: Rung, counts: Overlap) -> list[dict[str, Any]]:
    columns = ["layer", "iou_mean", "chance_mean", "excess_mean", "density_mean", "empty_tickets"]
    rows = layer_profile(counts)[columns].to_dict("records")
    return [{"round": rung.index, "density": rung.density, **row} for row in rows]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _rows_behind(records: Sequence[dict[str, Any]]) -> int | None:
    return min((record["n"] for record in records), default=None)


def _alarm(heard: Sequence[dict[str, Any]], threshold: float) -> dict[str, Any] | None:
    rang = collapse.first_alarm([row["confidence"] for row in heard], threshold) if heard else None
    if rang is None:
        return None
    row = heard[rang]
    return {"round": row["round"], "density": row["density"], "drop": row["drop"], "threshold": threshold}


def _fall(heard: Sequence[dict[str, Any]], metric: str) -> dict[str, Any] | None:
    at = collapse.fall([row[metric] for row in heard]) if heard else None
    return None if at is None else {"round": heard[at]["round"], "density": heard[at]["density"]}


def _last_safe(heard: Sequence[dict[str, Any]], alarm: dict[str, Any] | None) -> float | None:
    """The last retrained density before the alarm; without one, the lightest that was retrained."""
    safe = [row["density"] for row in heard if alarm is None or row["round"] < alarm["round"]]
    return safe[-1] if safe else None


def _flags(
    heard: Sequence[dict[str, Any]],
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

    found = []
    if alarm:
        sentence = f"Confidence lies {alarm['drop']:.3f} below its best: the alarm ({alarm['threshold']:g})."
        found.append(flag(alarm, "down", "confidence", sentence))
    if fall:
        sentence = f"{metric.replace('_', ' ').capitalize()} lies 2 points or more below its best and stays there."
        found.append(flag(fall, "down", "accuracy", sentence))
    for signal in ("iou", "excess"):
        for turn in collapse.turns(_below_all([row[f"{signal}_mean"] for row in rounds], rounds)):
            sentence = f"{_SAID[signal]} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            found.append(flag(rounds[turn.round], turn.direction, signal, sentence))
    for layer in dict.fromkeys(row["layer"] for row in layers):
        own = [row for row in layers if row["layer"] == layer]
        for turn in collapse.turns(_below_all([row["excess_mean"] for row in own], rounds)):
            sentence = f"Excess overlap in {layer} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            found.append(flag(own[turn.round], turn.direction, "excess", sentence, layer))
        empty = next((row for row in own if row["empty_tickets"]), None)
        if empty:
            sentence = f"{int(empty['empty_tickets'])} ticket(s) keep nothing in {layer}: they are dead."
            found.append(flag(empty, "down", "empty layer", sentence, layer))
    return sorted(found, key=lambda one: (not one["alarm"], one["round"]))


def _below_all(values: Sequence[float | None], rounds: Sequence[dict[str, Any]]) -> list[float | None]:
    """Without the rung that keeps all weights: there every mask is the same, and the first cut is no turn."""
    return [None if row["density"] >= 1 else value for value, row in zip(values, rounds, strict=True)]


_SAID = {"iou": "Mean IoU", "excess": "Mean excess overlap"}
_MOVED = {"up": "has risen above its least value", "down": "falls in one round"}


def _advice(run: Run, document: dict[str, Any]) -> str:
    alarm, safe, events = document["alarm"], document["last_safe_density"], document["policy_events"]
    if run.masks_only:
        return "These are masks without a network: overlap is all there is to see."
    if run.config.mode == "gated":
        return "Mask scores were learned at one density: there is no way down to look at."
    if not document["watched"]:
        return (
            "The rungs were cut from one training and nothing was trained between them, so no alarm can be given. "
            "Retrain the rungs (diagnose --probe), or train with extract.schedule=fraction and collapse.policy=warn."
        )
    if alarm is None and events:
        rang = ", ".join(f"{event['density']:.3g}" for event in events)
        return (
            f"The alarm rang at density {rang} while the run was trained, and its policy ({document['policy']}) went "
            f"back: {safe:.3g}, where the run is now, is the last safe density."
        )
    if alarm is None:
        return (
            f"No alarm down to density {safe:.3g}: the tickets still know what they did. A lighter target can be tried."
        )
    if safe is None:
        return "The alarm rings at the first rung: train longer per round, or take a larger network."
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
