"""What the lesson `too_far` draws and says about a run's way down; every sentence is of the run at hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import colours, terms
from app.colours import Tone

if TYPE_CHECKING:
    from rtl_core.runs.diagnosis import Diagnosis

_TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100]
_ALARM, _YOURS = colours.TICKETS[6], colours.TICKETS[1]


def finding(diagnosis: Diagnosis) -> str:
    """When confidence fell and when accuracy did, as far as either has."""
    alarm, fall, lead = diagnosis.alarm, diagnosis.fall, diagnosis.lead
    unsure = f"**{terms.density(alarm.density)}**" if alarm else ""
    erred = f"**{terms.density(fall.density)}**" if fall else ""
    if lead is not None and lead > 0:
        return (
            f"The tickets grew unsure **{_rounds(lead)} before** they erred: confidence fell at density {unsure}, "
            f"accuracy only at {erred}."
        )
    if lead == 0:
        return f"Here the tickets grew unsure and erred in the **same round**, at density {unsure}."
    if lead is not None:
        return (
            f"Here the tickets erred **{_rounds(-lead)} before** they grew unsure: accuracy fell at density {erred}, "
            f"confidence only at {unsure}."
        )
    if alarm:
        return f"The tickets grew unsure at density {unsure}, and down to the last one they have **not erred** more."
    if fall:
        return f"Accuracy fell at density {erred}, and the tickets stayed **as sure as before**."
    return "Neither confidence nor accuracy fell: these tickets were **not cut far enough** to collapse."


def compare_marks(diagnosis: Diagnosis, rounds: pd.DataFrame, mark: int) -> str:
    """The learner's mark beside the detector's last safe density, and what each gives."""
    accuracy = 100 * rounds[diagnosis.metric]
    yours = f"You stopped at {terms.density(rounds.density[mark])} (accuracy {accuracy[mark]:.1f} %)"
    if diagnosis.last_safe_density is None:
        return f"{yours}; the detector warned at once."
    safe = int((rounds.density - diagnosis.last_safe_density).abs().argmin())
    theirs = f"{terms.density(rounds.density[safe])} (accuracy {accuracy[safe]:.1f} %)"
    if mark == safe:
        return f"{yours}, and so did the detector, without knowing a single right answer."
    when = "later" if mark > safe else "earlier"
    return f"{yours}, {_rounds(abs(mark - safe))} {when} than the detector, whose last safe density is {theirs}."


def overlap_sentence(diagnosis: Diagnosis, rounds: pd.DataFrame) -> str:
    """What the overlap of the masks did in the round of the alarm. The first cut, from all weights, is no change."""
    alarm = diagnosis.alarm
    at = int((rounds["round"] == alarm.round).argmax()) if alarm else 0
    if at < 3:
        return ""
    change = rounds.iou_mean.diff()
    before = change[2:at]
    turned = any(flag.signal == "iou" and flag.round == alarm.round for flag in diagnosis.flags)
    verdict = "that was out of the ordinary" if turned else "nothing to be alarmed by"
    return (
        f"The [[overlap]] of the tickets moved by {terms.points(change[at])} in the round in which confidence fell and "
        f"by {terms.points(before.max())} to {terms.points(before.min())} in the rounds before: {verdict}."
    )


def uncovered(shown: pd.DataFrame, densities: pd.Series, metric: str, at: int, tone: Tone) -> go.Figure:
    """Accuracy of the rounds that are shown, over the whole way down; a line where the slider is."""
    figure = go.Figure()
    _accuracy(figure, shown, metric, tone)
    figure.add_vline(x=100 * densities[at], line={"color": tone.muted, "width": 2})
    _axis(figure, densities)
    figure.update_yaxes(title="accuracy, %", range=[0, 100], zeroline=False)
    return figure.update_layout(showlegend=False)


def signal_figure(diagnosis: Diagnosis, rounds: pd.DataFrame, marked: float, tone: Tone) -> go.Figure:
    """Confidence, accuracy and overlap over one axis of density, with the mark, the alarm and the fall."""
    drawn = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for row, column, colour in ((1, "confidence", tone.diverging[0]), (3, "iou_mean", tone.diverging[-1])):
        line = {"color": colour, "width": 2.4}
        drawn.add_scatter(
            x=100 * rounds.density, y=100 * rounds[column], line=line, mode="lines+markers", row=row, col=1
        )
    _accuracy(drawn, rounds, diagnosis.metric, tone, row=2, col=1)
    for row, title in enumerate(("confidence, %", "accuracy, %", "overlap, %"), 1):
        drawn.update_yaxes(title=title, zeroline=False, nticks=5, row=row, col=1)
    _axis(drawn, rounds.density)
    drawn.update_xaxes(title="", row=1, col=1).update_xaxes(title="", row=2, col=1)
    marks = [(marked, "your mark", _YOURS, "solid", 3, 0.86)]  # at the height in its panel where no curve is
    if diagnosis.alarm:
        marks.append((diagnosis.alarm.density, "confidence falls", _ALARM, "dash", 1, 0.12))
    if diagnosis.fall:
        marks.append((diagnosis.fall.density, "accuracy falls", tone.text, "dot", 2, 0.12))
    for density, text, colour, dash, row, height in marks:
        drawn.add_vline(x=100 * density, line={"color": colour, "width": 2, "dash": dash})
        drawn.add_annotation(
            x=math.log10(100 * density),
            y=height,
            yref=f"y{row} domain" if row > 1 else "y domain",
            xref="x",
            text=f" {text} ",
            xanchor="left" if row == 3 else "right",
            showarrow=False,
            bgcolor=tone.surface,
            font={"color": tone.text},
        )
    return drawn.update_layout(showlegend=False)


def _accuracy(figure: go.Figure, rounds: pd.DataFrame, metric: str, tone: Tone, **place: int) -> None:
    value = 100 * rounds[metric]
    low, high = 100 * rounds.low, 100 * rounds.high
    figure.add_scatter(
        x=100 * rounds.density,
        y=value,
        mode="lines+markers",
        line={"color": tone.text, "width": 2.2},
        marker={"size": 8},
        error_y={"array": high - value, "arrayminus": value - low, "symmetric": False, "color": tone.muted},
        hovertemplate="%{y:.1f} % at %{x:.3g} %<extra></extra>",
        **place,
    )


def _axis(figure: go.Figure, densities: pd.Series) -> None:
    ends = [math.log10(100 * densities.max()) + 0.05, math.log10(100 * densities.min()) - 0.05]
    figure.update_xaxes(type="log", range=ends, tickvals=_TICKS, zeroline=False)
    figure.update_xaxes(title="weights kept, %")


def _rounds(n: int) -> str:
    return f"{n} round{'s' * (n != 1)}"
