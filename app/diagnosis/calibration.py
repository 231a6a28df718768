"""How the alarm does on runs that it was not set on: caught, missed, false, and how early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from pydantic import Field, TypeAdapter

from app import charts, colours, panels, terms
from app.colours import Tone
from app.diagnosis import findings
from app.diagnosis.view import View
from app.markdown import plain
from rtl_core.audit import collapse
from rtl_core.runs.store import project_root
from rtl_core.statistics.intervals import wilson

RESULTS = project_root() / "docs" / "results"
STUDIES = {"brier": "alarm", "doubt": "alarm", "confidence": "collapse"}  # by what the alarm goes by
_MISSING = {
    "alarm": "The measurements behind the alarm are not there: they are made by `python -m benchmarks.alarm` and kept "
    "in docs/results/alarm.json.",
    "collapse": "The measurements behind the alarm are not there: they are made by `python -m benchmarks.collapse` and "
    "kept in docs/results/collapse.json.",
}
STOPS_BEFORE = 3  # rounds above its fall at which a run of the study could have stopped and must stay silent


def draw(view: View) -> None:
    signal = view.diagnosis.signal or collapse.CONFIDENCE.name
    study, held_out = STUDIES[signal], read(signal)
    if held_out is None:
        st.info(_MISSING[study])
        return
    runs = judged(held_out, view.diagnosis.threshold, signal)
    st.subheader(plain(findings.calibration_title(runs)), anchor=False)
    st.markdown("\n".join(f"- **{plain(what)}:** {plain(figure)}" for what, figure in summary(runs).items()))
    if runs.lead.notna().any():
        charts.show(figure(runs, colours.tone()), key="calibration-chart")
    panels.reading(
        "A mark is one held-out run that collapsed: right of 0 the alarm came before accuracy fell by 2 points, at 0 "
        f"in the same round, left of it afterwards; at the alarm's threshold of this run, "
        f"{view.diagnosis.threshold:g}. {_SAFE[signal]} Intervals take runs as independent (Wilson, 95 %).",
        runs,
        "calibration",
    )


_STOPPED = (
    f"Runs that did not collapse are those that never fell, and every other as if it had stopped {STOPS_BEFORE} rounds "
    "before its fall."
)
_SAFE = {
    "brier": _STOPPED,
    "doubt": f"{_STOPPED} No task of this kind was among them: doubt is judged on classifiers, by their entropy.",
    "confidence": "Runs that did not collapse mostly stopped well above the density where others do.",
}


@dataclass(frozen=True)
class Rounds:
    """Figures of retrained levels, densest first; those after `balanced_accuracy` where the study kept them."""

    confidence: list[float]
    accuracy: list[float]
    balanced_accuracy: list[float] | None = None
    brier: list[float] | None = None
    doubt: list[float] | None = None
    doubt_spread: list[float] | None = None

    def off_best(self, signal: str) -> np.ndarray:
        """How far an alarm's signal is off its best so far, in every round."""
        if signal == collapse.BRIER.name:
            return collapse.BRIER.off_best([{"brier": value} for value in self.brier])
        if signal == collapse.DOUBT.name:
            pairs = zip(self.doubt, self.doubt_spread, strict=True)
            return collapse.DOUBT.off_best([{"confidence": -a, "doubt_spread": b} for a, b in pairs])
        return collapse.CONFIDENCE.off_best([{"confidence": value} for value in self.confidence])


@dataclass(frozen=True)
class Measured:
    """A run of the measurements and its task's metric."""

    used_for: Annotated[Literal["tuning", "held_out"], Field(alias="part")]
    metric: Literal["accuracy", "balanced_accuracy"]
    rounds: Rounds


def read(signal: str = collapse.CONFIDENCE.name) -> dict[str, Measured] | None:
    """Name -> run of the study of a signal, of those that no tuning has seen; None where they are not there. Doubt is
    how unsure a ticket is only of those that tell all classes."""
    file = RESULTS / f"{STUDIES[signal]}.json"
    if not file.is_file():
        return None
    measured = TypeAdapter(dict[str, Measured]).validate_json(file.read_bytes())
    unsure = signal != collapse.DOUBT.name
    return {
        name: run
        for name, run in measured.items()
        if run.used_for == "held_out" and (unsure or run.metric == "accuracy")
    } or None


def judged(held_out: dict[str, Measured], threshold: float, signal: str = collapse.CONFIDENCE.name) -> pd.DataFrame:
    """One row a run: where the alarm rings and accuracy falls (round, from 1), the lead in rounds, and a verdict. Runs
    of the study that has them are judged once more as if they had stopped before their fall."""
    rows = []
    for name, run, rounds in _as_judged(held_out, signal):
        values = getattr(run.rounds, run.metric)[:rounds]
        verdicts = collapse.judge(run.rounds.off_best(signal)[:rounds], values, threshold)
        rows.append(
            {
                "run": name,
                "setting": name.partition(" / ")[0],
                "alarm_round": None if verdicts.alarm is None else verdicts.alarm + 1,
                "fall_round": None if verdicts.fall is None else verdicts.fall + 1,
                "lead": verdicts.lead,
                "verdict": verdicts.verdict,
            }
        )
    return pd.DataFrame(rows).astype({"alarm_round": float, "fall_round": float, "lead": float})


def _as_judged(held_out: dict[str, Measured], signal: str) -> Iterator[tuple[str, Measured, int]]:
    """(name, run, how many of its rounds count)."""
    for name, run in held_out.items():
        values = getattr(run.rounds, run.metric)
        yield name, run, len(values)
        stop = collapse.stopping_before(values, STOPS_BEFORE)
        if STUDIES[signal] == "alarm" and stop is not None and stop < len(values):
            yield f"{name}, stopped in round {stop}", run, stop


def summary(runs: pd.DataFrame) -> dict[str, str]:
    """Recall, false alarms and lead, each with its interval or range."""
    collapsed = runs[runs.fall_round.notna()]
    sound = runs[runs.fall_round.isna()]
    leads = collapsed.lead.dropna()
    by_then = leads.between(0, collapse.EARLY_ROUNDS).sum()
    rows = {
        "Rang no later than the fall": _share(by_then, len(collapsed), "collapsed"),
        "Warned in time": _share((collapsed.verdict == collapse.IN_TIME).sum(), len(collapsed), "collapsed"),
        "False alarms": _share((sound.verdict == collapse.FALSE_ALARM).sum(), len(sound), "did not collapse"),
    }
    if len(leads):
        middle, least, most = (f"{value:g}".replace("-", "−") for value in (leads.median(), leads.min(), leads.max()))
        rows["Lead"] = f"median {middle} rounds, from {least} to {most}"
    return rows


def _share(count: int, n: int, what: str) -> str:
    if n == 0:
        return f"unknown, no run {what}"
    low, high = (float(end) for end in wilson(count, n))
    return f"{count} of {n} runs that {what} ({terms.interval([low, high], 0)})"


def figure(runs: pd.DataFrame, tone: Tone) -> go.Figure:
    """A row a setting, a mark a run that collapsed, at its lead; runs of the same lead stand one above the other."""
    early = runs[runs.lead.notna()]
    settings = list(dict.fromkeys(early.setting))[::-1]
    same = early.groupby(["setting", "lead"])
    early = early.assign(offset=0.22 * (same.cumcount() - (same.lead.transform("size") - 1) / 2))
    drawn = go.Figure()
    for verdict, symbol, colour in (
        (collapse.IN_TIME, "circle", tone.diverging[-1]),
        (collapse.TOO_EARLY, "diamond", tone.text),
        (collapse.TOO_LATE, "x", colours.TICKETS[6]),
    ):
        own = early[early.verdict == verdict]
        drawn.add_scatter(
            x=own.lead,
            y=[settings.index(name) + aside for name, aside in zip(own.setting, own.offset, strict=True)],
            name=verdict,
            mode="markers",
            marker={"size": 10, "symbol": symbol, "color": colour},
            customdata=np.array(own.run),
            hovertemplate="%{customdata}<br>lead %{x} rounds<extra></extra>",
        )
    drawn.add_vline(x=0, line={"color": tone.text, "width": 1.2})
    drawn.update_xaxes(title="lead of the alarm over the fall of accuracy, rounds", zeroline=False, dtick=1)
    drawn.update_yaxes(
        tickvals=list(range(len(settings))), ticktext=settings, range=[-0.6, len(settings) - 0.4], zeroline=False
    )
    drawn.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return charts.calm(drawn, height=120 + 44 * len(settings))
