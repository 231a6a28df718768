"""The findings of the Diagnosis page in sentences: its headline and the titles of its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from app import tasks, terms
from app.diagnosis.view import View
from app.headlines import short
from rtl_core.audit import collapse

if TYPE_CHECKING:
    from rtl_core.runs.retraining_file import Relaxed

ALARM_GOES_BY = {  # in a sentence
    "brier": "the Brier score",
    "confidence": "confidence",
    "doubt": "doubt",
}
_BLIND = "It needs no labels, and it says nothing about being right."
EXPLAINED = {  # what the alarm goes by: the Brier score, or confidence by its unit
    "brier": "Brier score: how far the probabilities that a ticket gives lie from what is right, squared and summed "
    "over the possible answers, as a mean over inputs and tickets; 0 is best. It needs labels. A ticket that was too "
    "sure of itself and grows less so loses confidence and scores no worse.",
    "share": "Confidence: the largest probability that a ticket gives to an answer, as a mean over inputs and "
    f"tickets. {_BLIND}",
    "": "Confidence: how unsure a ticket is of its answers, the sign turned, as a mean over inputs and tickets. "
    f"{_BLIND}",
    None: None,
}
SIGNALS = {
    "brier": "Brier score",
    "doubt": "doubt",
    "confidence": "confidence",
    "accuracy": "accuracy",
    "iou": "overlap (IoU)",
    "excess": "excess overlap",
    "empty layer": "empty layer",
}
POLICIES = {
    "off": "collapse was not watched for during training",
    "warn": "it was told to go on after an alarm",
    "stop": "it was told to keep the last safe masks after an alarm",
    "relax": "it was told to go back after an alarm, and on with smaller cuts",
}


def off_best(view: View, signal: str, by: float) -> str:
    """How far the alarm's signal is off its best: in points where it is a probability."""
    if signal == "confidence" and view.sure_in_percent:
        return f"{100 * by:.1f} points"
    return f"{by:.3f}" if signal == "brier" else f"{by:.2f}"


def moved(view: View, signal: str, by: float, when: str = "lies") -> str:
    """Where the alarm's signal lies, as a sentence without its first capital."""
    amount = off_best(view, signal, by)
    if signal == "confidence":
        return f"confidence {when} {amount} below its best"
    of = " of its spread over the inputs" if signal == "doubt" else ""
    return f"{ALARM_GOES_BY[signal]} {when} {amount}{of} above its least"


def signal(name: str) -> str:
    """What turned, in words: a signal of every task, or the figure of one."""
    return SIGNALS[name] if name in SIGNALS else tasks.title_of(name)


def headline(view: View) -> str:
    """The answer of the Diagnosis page."""
    diagnosis = view.diagnosis
    if view.run.masks_only:
        return "Masks alone ring no alarm: there is no network that could be sure or unsure"
    if view.gated:
        return "These masks were not pruned level by level: there are no rounds to look at"
    if not view.doubts:
        where = f"; {tasks.title_of(view.metric)} falls at {_density_of_fall(view)}" if diagnosis.fall else ""
        return f"No alarm can be given: these tickets do not say how sure they are{where}"
    if not diagnosis.watched:
        return "This run was cut in one go: nothing was retrained between the levels, so no alarm can be given yet"
    if diagnosis.last_safe_density is None:
        return "The alarm comes at the first level: none before it was safe"
    safe = terms.density(diagnosis.last_safe_density)
    if diagnosis.alarm:
        return f"The alarm comes at {terms.density(diagnosis.alarm.density)} density; the last safe one is {safe}"
    if diagnosis.policy_events:
        density = terms.density(diagnosis.policy_events[-1].density)
        return f"The alarm came at {density} density while it trained; it went back, to tickets that are safe at {safe}"
    return f"No alarm down to {safe} density"


def _density_of_fall(view: View) -> str:
    return terms.density(view.diagnosis.fall.density)


def facts(view: View) -> str:
    """What the headline rests on: threshold, inputs, what the run did about it. Markdown."""
    diagnosis = view.diagnosis
    if view.run.masks_only:
        return "What these masks share at every density can be looked at; confidence and accuracy need a network."
    if view.gated:
        return "Their scores were learned over frozen weights, at one density; lighter levels are nested in the result."
    of = "" if diagnosis.n is None else f" · n = {terms.count(diagnosis.n)} validation inputs a ticket"
    if not view.doubts:
        return f"Where {tasks.title_of(view.metric)} falls can be seen by training every level again{of}"
    return f"{limit(view)}{of} · {POLICIES[diagnosis.policy]}"


def limit(view: View) -> str:
    """Where the alarm rings, and why it goes by confidence where it does."""
    diagnosis = view.diagnosis
    if diagnosis.signal == "brier":
        return f"The alarm rings where the Brier score lies {diagnosis.threshold:.3g} above its least so far"
    if diagnosis.signal == "doubt":
        return (
            f"The alarm rings where doubt lies {diagnosis.threshold:.3g} of its spread over the inputs above its least "
            "so far"
        )
    least = f"{100 * diagnosis.threshold:.3g} points of" if view.sure_in_percent else f"{diagnosis.threshold:.3g} in"
    kept_none = diagnosis.watched and view.sure_in_percent and view.rounds.brier.isna().all()
    why = " (this run kept no Brier score)" if kept_none else ""
    return f"The alarm rings {least} confidence below the best so far{why}"


def curves_title(view: View, layer: str | None) -> str:
    """When confidence falls, and whether that was before accuracy did; of runs without rounds, where overlap goes."""
    if not view.doubts and view.diagnosis.probe:
        figure = tasks.title_of(view.metric)
        fell = f"falls at {_density_of_fall(view)}" if view.diagnosis.fall else "does not fall"
        return f"Every level trained again, {figure} {fell}"
    if not view.diagnosis.watched:
        return overlap_title(view, layer) if view.pairs else "What was measured at each density"
    alarm, fall, lead = view.diagnosis.alarm, view.diagnosis.fall, view.diagnosis.lead
    metric = tasks.title_of(view.metric)
    if alarm is None:
        if fall:
            return f"{_capital(metric)} falls at {terms.density(fall.density)} without an alarm: it was missed"
        return _within(view)
    fallen = f"At {terms.density(alarm.density)} {moved(view, view.diagnosis.signal, alarm.drop)}"
    if fall is None:
        return f"{fallen}; {metric} has not fallen yet"
    if lead == 0:
        return f"{fallen}, in the round in which {metric} falls"
    rounds = f"{abs(lead)} round{'s' if abs(lead) > 1 else ''}"
    return f"{fallen}, {rounds} {'before' if lead > 0 else 'after'} {metric} {'falls' if lead > 0 else 'fell'}"


def _within(view: View) -> str:
    """How far the alarm's signal went where it rang no alarm."""
    signal = view.diagnosis.signal
    most = off_best(view, signal, view.rounds["off_best"].max())
    if signal == "confidence":
        return f"Confidence stays within {most} of its best"
    of = " of its spread over the inputs" if signal == "doubt" else ""
    return f"{_capital(ALARM_GOES_BY[signal])} stays within {most}{of} of its least"


def _capital(title: str) -> str:
    return title[0].upper() + title[1:]


def overlap_title(view: View, layer: str | None) -> str:
    defined = curve(view, layer).dropna(subset=["iou_mean"])
    where = f" in {short(layer)}" if layer else ""
    if defined.empty:
        return f"Nothing is left to compare{where}"
    last = defined.iloc[-1]
    return (
        f"At {terms.density(last.density)} density tickets share {terms.percent(last.iou_mean, 0)}{where}, "
        f"where chance gives {terms.percent(last.chance_mean, 0)}"
    )


def curve(view: View, layer: str | None) -> pd.DataFrame:
    """The rows of the overlap's curve: of the whole network, or of one layer."""
    return view.rounds if layer is None else view.layers[view.layers.layer == layer]


def flags_title(flags: pd.DataFrame) -> str:
    others = flags[~flags.alarm.astype(bool)]
    first = "The alarm" if len(others) < len(flags) else "No alarm"
    if others.empty:
        return f"{first}, and nothing else turned"
    ups = int((others.direction == "up").sum())
    return f"{first}, and other signs: {ups} up, {len(others) - ups} down"


def kept_title(layers: pd.DataFrame) -> str:
    """Which layers run empty, and which keep most at the lightest density."""
    last = layers[layers["round"] == layers["round"].max()]
    most = last.loc[last.density_mean.idxmax()]
    kept = f"{short(most.layer)} still keeps {terms.percent(most.density_mean, 0)}"
    at = f"at {terms.density(most.density)} density"
    empty = [short(name) for name in last.layer[last.empty_tickets > 0]]
    if not empty:
        return f"No layer runs empty; {at} {kept}"
    named = terms.listed(empty) if len(empty) <= 3 else f"{len(empty)} of {len(last)} layers"
    return f"Some tickets keep nothing in {named} {at}, where {kept}"


def excess_title(layers: pd.DataFrame) -> str:
    """The layer that tickets agree on most, beyond chance, at the lightest density where that is defined."""
    defined = layers.dropna(subset=["excess_mean"])
    if defined.empty:
        return "Every layer is full or empty: nothing can be held against chance"
    last = defined[defined["round"] == defined["round"].max()]
    most, least = last.loc[last.excess_mean.idxmax()], last.loc[last.excess_mean.idxmin()]
    first = f"At {terms.density(most.density)} density tickets agree most in {short(most.layer)}"
    best = f"{first} ({terms.signed(most.excess_mean)})"
    if len(last) == 1:
        return best
    return f"{best}, least in {short(least.layer)} ({terms.signed(least.excess_mean)})"


def relaxed_title(relaxed: Relaxed) -> str:
    change = relaxed.after - relaxed.before
    metric = relaxed.metric
    (low, high), (low_after, high_after) = relaxed.ci.before, relaxed.ci.after
    apart = low_after > high or high_after < low
    doubt = "" if apart else "; the intervals overlap"
    return (
        f"Going back to {terms.density(relaxed.density)} changes {tasks.title_of(metric)} by "
        f"{tasks.difference(metric, change)}{doubt}"
    )


def calibration_title(runs: pd.DataFrame) -> str:
    """What became of the held-out runs that collapsed."""
    counted = runs.verdict.value_counts()
    collapsed = int(runs.fall_round.notna().sum())
    if collapsed == 0:
        return "No held-out run collapsed"
    verdicts = (collapse.IN_TIME, collapse.TOO_EARLY, collapse.TOO_LATE, collapse.MISSED)
    named = [f"{counted[verdict]} {verdict}" for verdict in verdicts if verdict in counted]
    return f"Of {collapsed} held-out runs that collapsed: {', '.join(named)}"
