"""Diagnosis of a run: overlap, the alarm's signal and accuracy on the way down, where they turn, what to do about it.

Nothing is trained here: what was measured by training again (retrain.py) is read where it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from rtl_core.audit import collapse
from rtl_core.config import Config
from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.overlap import Overlap, overlap
from rtl_core.overlap.similarity import layer_profile, similarity
from rtl_core.runs import store
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.diagnosis import Alarm, Diagnosis, Flag, LayerRound, Place, PolicyEvent, Probe, Round
from rtl_core.runs.retraining_file import read_probed, read_relaxed
from rtl_core.statistics.estimates import mean_of_known
from rtl_core.tasks.catalogue import task_named
from rtl_core.tasks.classification import MULTICLASS
from rtl_core.tasks.classification_metrics import FIGURES as OF_CLASSIFIERS
from rtl_core.tasks.task import Figure, figure_value
from rtl_core.tickets.ticket_set import Level

_MEASURES = ("retrained", "extraction", "final")  # the first that a level has is the one that counts


def diagnose(run: Run, root: Path | None = None) -> Diagnosis:
    """`root`: the user's runs, where audits of samples are kept."""
    root, config = root or run.folder.parent, run.config
    task = task_named(config.task) if config else MULTICLASS
    figure, metric = task.headline, task.headline.name
    probed = read_probed(run, root)
    records = [*run.info.get("rungs", []), *(probed.records if probed else [])]
    counted = [(level, overlap(run.tickets, level)) for level in run.tickets.levels]
    rounds = [_round(level, counts, records, metric) for level, counts in counted]
    settings = (config or Config()).collapse
    signal = collapse.signal_of(task, [_signals(row) for row in rounds if _watched(row)], settings)
    rounds = _with_drops(rounds, signal)
    layers = [row for level, counts in counted for row in _layers(level, counts)]
    threshold = (signal or collapse.CONFIDENCE).threshold(settings)
    listened = [row for row in rounds if row.off_best is not None]
    alarm, fall = _alarm(listened, threshold), _fall([row for row in rounds if row.measure == "retrained"], figure)
    diagnosis = Diagnosis(
        run=run.name,
        k=run.tickets.k,
        metric=metric,
        watched=bool(listened),
        threshold=threshold,
        n=min((record["n"] for record in records), default=None),
        rounds=rounds,
        layers=layers,
        flags=_flags(rounds, layers, alarm, signal, fall, figure),
        alarm=alarm,
        fall=fall,
        lead=fall.round - alarm.round if alarm and fall else None,
        last_safe_density=_last_safe(listened, alarm),
        policy=config.collapse.policy if config else "off",
        policy_events=_policy_events(run),
        relaxed=read_relaxed(run, root),
        probe=Probe(probed.steps, probed.seconds) if probed else None,
        confidence_unit=collapse.confidence_unit(task),
        signal=signal and signal.name,
    )
    return replace(diagnosis, advice=_advice(run, diagnosis))


def _round(level: Level, counts: Overlap, records: Sequence[dict[str, Any]], metric: str) -> Round:
    pairs = np.triu_indices(counts.k, 1)
    measures, band = similarity(counts), chance_interval(counts)

    def over_pairs(matrix: np.ndarray) -> float:
        return float(np.nanmean(matrix[pairs])) if np.isfinite(matrix[pairs]).any() else float("nan")

    here = [r for r in records if r["rung"] == level.index]
    measure = next((m for m in _MEASURES if any(r.get("measure") == m for r in here)), None)
    here = [r for r in here if r.get("measure") == measure]
    names = dict.fromkeys(("balanced_accuracy", "accuracy", metric))
    return Round(
        round=level.index,
        density=level.density,
        kind=level.kind,
        iou_mean=over_pairs(measures.iou),
        chance_mean=over_pairs(measures.chance),
        chance_low=over_pairs(band.low),
        chance_high=over_pairs(band.high),
        excess_mean=over_pairs(measures.excess),
        figures={name: mean_of_known([figure_value(r, name) for r in here]) for name in names},
        confidence=mean_of_known([figure_value(r, "confidence") for r in here]),
        ci={
            name: [mean_of_known([r["ci"].get(name, (None, None))[side] for r in here]) for side in (0, 1)]
            for name in names
        },
        drop=None,
        measure=measure,
        brier=mean_of_known([figure_value(r, "brier") for r in here]),
        doubt_spread=mean_of_known([figure_value(r, "doubt_spread") for r in here]),
    )


def _watched(row: Round) -> bool:
    """Whether a level was retrained and its tickets asked how sure they are."""
    return row.measure == "retrained" and row.confidence is not None


def _signals(row: Round) -> dict[str, float | None]:
    return {"brier": row.brier, "confidence": row.confidence, "doubt_spread": row.doubt_spread}


def _with_drops(rounds: Sequence[Round], signal: collapse.Signal | None) -> list[Round]:
    """How far retrained levels are off their best so far: their confidence, and what the alarm goes by."""
    retrained = [row for row in rounds if _watched(row)]
    if signal is None or not retrained:
        return list(rounds)
    drops = collapse.drops([row.confidence for row in retrained])
    off_best = signal.off_best([_signals(row) for row in retrained])
    known = {
        row.round: replace(row, drop=float(drop), off_best=float(off))
        for row, drop, off in zip(retrained, drops, off_best, strict=True)
    }
    return [known.get(row.round, row) for row in rounds]


def _layers(level: Level, counts: Overlap) -> list[LayerRound]:
    columns = ["layer", "iou_mean", "chance_mean", "excess_mean", "density_mean", "empty_tickets"]
    rows = layer_profile(counts)[columns].itertuples(index=False, name=None)
    return [LayerRound(level.index, level.density, *row) for row in rows]


def _alarm(retrained: Sequence[Round], threshold: float) -> Alarm | None:
    first = collapse.first_alarm([row.off_best for row in retrained], threshold)
    if first is None:
        return None
    row = retrained[first]
    return Alarm(row.round, row.density, row.off_best, threshold)


def _fall(retrained: Sequence[Round], figure: Figure) -> Place | None:
    at = collapse.fall([row.figures[figure.name] for row in retrained], figure) if retrained else None
    return None if at is None else Place(retrained[at].round, retrained[at].density)


def _last_safe(retrained: Sequence[Round], alarm: Alarm | None) -> float | None:
    """The last retrained density before the alarm; without one, the lightest that was retrained."""
    safe = [row.density for row in retrained if alarm is None or row.round < alarm.round]
    return safe[-1] if safe else None


def _flags(
    rounds: Sequence[Round],
    layers: Sequence[LayerRound],
    alarm: Alarm | None,
    signal: collapse.Signal | None,
    fall: Place | None,
    figure: Figure,
) -> list[Flag]:
    """Where something turned, the alarm first, then by round."""
    flags = []
    if alarm:
        moved, direction = _ALARMS[signal.name]
        sentence = f"{moved.format(f'{alarm.drop:.3f}')}: the alarm ({alarm.threshold:g})."
        flags.append(Flag(alarm.round, alarm.density, direction, signal.name, None, True, sentence))
    if fall:
        signal = "accuracy" if figure.name in OF_CLASSIFIERS else figure.name
        by = f"{100 * figure.fall:g} points" if figure.unit == "share" else f"{figure.fall:g} {figure.unit}"
        title, off = figure.title[0].upper() + figure.title[1:], "below" if figure.higher_is_better else "above"
        sentence = f"{title} lies {by} or more {off} its best and stays there."
        flags.append(Flag(fall.round, fall.density, "down", signal, None, False, sentence))
    flags += _turns(rounds, "iou", [row.iou_mean for row in rounds], "Mean IoU")
    flags += _turns(rounds, "excess", [row.excess_mean for row in rounds], "Mean excess overlap")
    for layer in dict.fromkeys(row.layer for row in layers):
        own = [row for row in layers if row.layer == layer]
        flags += _turns(own, "excess", [row.excess_mean for row in own], f"Excess overlap in {layer}", layer)
        empty = next((row for row in own if row.empty_tickets), None)
        if empty:
            sentence = f"{empty.empty_tickets} ticket(s) keep nothing in {layer}: they are dead."
            flags.append(Flag(empty.round, empty.density, "down", "empty layer", layer, False, sentence))
    return sorted(flags, key=lambda one: (not one.alarm, one.round))


def _turns(
    rows: Sequence[Round | LayerRound], signal: str, values: Sequence[float], title: str, layer: str | None = None
) -> Iterator[Flag]:
    """The turns of an overlap's curve, but not at the level that keeps all weights: there every mask is the same, and
    the first cut is no turn."""
    below_all = [None if row.density >= 1 else value for value, row in zip(values, rows, strict=True)]
    for turn in collapse.turns(below_all):
        row, sentence = rows[turn.round], f"{title} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
        yield Flag(row.round, row.density, turn.direction, signal, layer, False, sentence)


_ALARMS = {  # by the alarm's signal: what has moved, and where to
    "brier": ("The Brier score lies {} above its least", "up"),
    "doubt": ("Doubt lies {} of its spread over the inputs above its least", "up"),
    "confidence": ("Confidence lies {} below its best", "down"),
}
_MOVED = {"up": "has risen above its least value", "down": "falls in one round"}


_POLICY_EVENT = TypeAdapter(PolicyEvent)


def _advice(run: Run, diagnosis: Diagnosis) -> str:
    alarm, safe, events = diagnosis.alarm, diagnosis.last_safe_density, diagnosis.policy_events
    if run.masks_only:
        return "These are masks without a network: overlap is all there is to see."
    if run.config.mode == "gated":
        return "Mask scores were learned at one density: there is no way down to look at."
    if diagnosis.confidence_unit is None:
        return _advice_without_doubt(run, diagnosis)
    if not diagnosis.watched:
        return (
            "The levels were cut from one training and nothing was trained between them, so no alarm can be given. "
            "Retrain the levels (diagnose --probe), or train with extract.schedule=fraction and collapse.policy=warn."
        )
    if alarm is None and events:
        densities = ", ".join(f"{event.density:.3g}" for event in events)
        return (
            f"The alarm came at density {densities} while the run was trained, and its policy ({diagnosis.policy}) "
            f"went back: {safe:.3g}, where the run is now, is the last safe density."
        )
    if alarm is None:
        return f"No alarm down to density {safe:.3g}: the tickets have not collapsed. A lighter target can be tried."
    if safe is None:
        return "The alarm comes at the first level: train longer per round, or take a larger network."
    gain = ""
    if diagnosis.relaxed:
        change = diagnosis.relaxed.after - diagnosis.relaxed.before
        gain = f" Measured, that changes {diagnosis.metric.replace('_', ' ')} by {change:+.3f}."
    if alarm.density < run.tickets.target.density:
        return f"The tickets' own density {run.tickets.target.density:.3g} is safe; do not go below {safe:.3g}." + gain
    return (
        f"Go back to density {safe:.3g}, the last one before the alarm, and train those masks together from theta_0 "
        f"(diagnose --relax), or train again with collapse.policy=relax." + gain
    )


def _advice_without_doubt(run: Run, diagnosis: Diagnosis) -> str:
    title = task_named(run.config.task).headline.title
    silent = f"Tickets of task '{run.config.task}' do not say how sure they are, so no alarm can be given"
    if diagnosis.probe is None:
        return f"{silent}; retrain the levels (diagnose --probe) to see at which density {title} falls."
    if diagnosis.fall is None:
        return f"{silent}; retrained, {title} does not fall down to density {diagnosis.rounds[-1].density:.3g}."
    return f"{silent}; retrained, {title} falls at density {diagnosis.fall.density:.3g}: stay above it."


def _policy_events(run: Run) -> list[PolicyEvent]:
    """Alarms that the run noted while it trained; what a killed process or an edit left incomplete is passed over."""
    events = []
    for row in store.read_metrics(run.folder):
        with suppress(ValidationError):
            events.append(_POLICY_EVENT.validate_python(row))
    return events
