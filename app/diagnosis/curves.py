"""The way down: what tickets share at every density, and below it how sure and how right they are."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import colours, panels, tasks, terms
from app.charts import calm, error_bars
from app.colours import Tone
from app.diagnosis import findings
from app.diagnosis.view import View
from app.headlines import short

ALL = "all layers"
_ALARM = colours.TICKETS[6]  # red
_TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
_SURE = {  # what the alarm goes by: before and after the run's figure
    "brier": ("confidence and", " At the bottom: the Brier score, which the alarm goes by; less is better."),
    "confidence": ("confidence, which the alarm goes by, and", ""),
    "doubt": ("confidence, which is doubt with its sign turned and what the alarm goes by, and", ""),
}
_LINES = {"retrained": ("solid", "circle"), "extraction": ("dot", "circle-open"), "final": ("solid", "diamond")}
Lines = list[tuple[str, pd.DataFrame, str, str]]  # name, points, column and colour of each
_GAP = 0.09  # of an axis, that names at the ends of lines stay apart


def draw(view: View) -> None:
    chosen = None
    if view.pairs:
        chosen = _layer(view)
    else:
        st.info("One ticket: there is no pair whose overlap could be looked at.")
        if not view.measured:
            return
    numbers = findings.curve(view, chosen)
    if chosen is not None:
        ours = ["round", "confidence", "drop", "brier", "off_best", view.metric, "low", "high", "measure"]
        numbers = numbers.merge(view.rounds[ours], on="round")
    panels.chart(
        findings.curves_title(view, chosen), figure(view, chosen, colours.tone()), numbers, _how(view, chosen), "way"
    )


def _layer(view: View) -> str | None:
    """The layer whose overlap is drawn; None: the whole network."""
    choices = {ALL: None, **{short(name): name for name in view.run.tickets.layout.names}}
    label = st.selectbox(
        "Overlap in",
        list(choices),
        key="overlap-in",
        bind="query-params",
        width=220,
        help="Changes the upper row only: confidence and accuracy belong to whole tickets.",
    )
    return choices[label]


def _how(view: View, chosen: str | None) -> str:
    """How to read the rows that are there."""
    band = "" if chosen else " (grey band: 95 % of random masks)"
    overlap = f"mean overlap of all pairs beside chance{band}; dotted: excess over chance, 0 is chance, 1 identical."
    if not view.measured:
        return overlap[0].upper() + overlap[1:]
    measures, watched = set(view.rounds.measure), view.diagnosis.watched
    answers = (
        f"mean {tasks.title_of(view.metric)} of the tickets on validation inputs, with the mean of their 95 % intervals"
    )
    marks = {
        "extraction": "hollow: right after the cut, on extraction weights",
        "final": "diamonds: on the final weights",
    }
    answers = "; ".join([answers, *(text for measure, text in marks.items() if measure in measures)]) + "."
    if watched:
        before, after = _SURE[view.diagnosis.signal]
        answers = f"{before} {answers}{after}"
    if not view.pairs:
        return answers[0].upper() + answers[1:]
    silent = (
        " Overlap is shown and rings nothing: in our runs it mostly moved too late to warn, or not at all (the "
        "results page on collapse has the figures)."
    )
    return f"Above: {overlap} Below: {answers}{silent if watched else ''}"


def figure(view: View, chosen: str | None, tone: Tone) -> go.Figure:
    """Rows over one axis of density: overlap where there are pairs; the run's figure where it was measured, with
    confidence, which has a row of its own where it is on another scale."""
    apart = view.measured and view.diagnosis.watched and (view.scored or not view.one_scale)
    rows = int(view.pairs) + int(view.measured) + int(apart)
    drawn = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    if view.pairs:
        _overlap(drawn, findings.curve(view, chosen), tone)
    if view.measured:
        _measured(drawn, view, rows - int(apart), tone)
    if apart:
        (_brier if view.scored else _confidence_apart)(drawn, view, rows, tone)
    densities = 100 * view.rounds.density
    low, high = math.log10(densities.min()), math.log10(densities.max())
    room = 0.04 * (high - low) or 0.1
    drawn.update_xaxes(type="log", range=[high + room, low - room], tickvals=_TICKS, zeroline=False)
    drawn.update_xaxes(title="density, % of the weights kept (log scale, denser on the left)", row=rows, col=1)
    drawn.update_layout(showlegend=False, hovermode="closest")
    _marks(drawn, view, tone)
    calm(drawn, height=100 + 230 * rows)
    return drawn.update_layout(margin={"r": 150, "t": 46})


def _overlap(drawn: go.Figure, curve: pd.DataFrame, tone: Tone) -> None:
    """The mean overlap of all pairs, chance (with its band where it is known), and the excess."""
    percent = 100 * curve.density
    if "chance_low" in curve:
        known = curve.dropna(subset=["chance_low", "chance_high"])
        drawn.add_scatter(
            x=100 * pd.concat([known.density, known.density[::-1]]),
            y=pd.concat([known.chance_high, known.chance_low[::-1]]),
            fill="toself",
            fillcolor=tone.muted,
            opacity=0.35,
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            row=1,
            col=1,
        )
    lines = (
        ("overlap (IoU)", "iou_mean", tone.diverging[-1], "solid"),
        ("chance", "chance_mean", tone.muted, "solid"),
        ("excess", "excess_mean", tone.diverging[-1], "dot"),
    )
    for name, column, colour, dash in lines:
        drawn.add_scatter(
            x=percent,
            y=curve[column],
            name=name,
            mode="lines" if column == "chance_mean" and len(curve) > 1 else "lines+markers",
            line={"color": colour, "dash": dash, "width": 1.8},
            marker={"size": 6},
            hovertemplate=f"{name} %{{y:.3f}} at %{{x:.3g}} %<extra></extra>",
            row=1,
            col=1,
        )
    lowest = min(0.0, float(curve[["iou_mean", "excess_mean"]].min().min()) - 0.03)
    drawn.update_yaxes(title="share of weights", range=[lowest, 1.04], zeroline=False, row=1, col=1)
    _names(drawn, [(name, curve, column, colour) for name, column, colour, _ in lines], (lowest, 1.04), 1, tone)


def _measured(drawn: go.Figure, view: View, row: int, tone: Tone) -> None:
    """The run's figure with its interval, and on the same scale confidence where the levels were retrained."""
    metric, unit, rounds = tasks.title_of(view.metric), tasks.unit(view.metric), view.rounds
    scale = tasks.scale(view.metric)
    points = rounds.assign(**{name: scale * rounds[name] for name in (view.metric, "low", "high")})
    for measure, (dash, symbol) in _LINES.items():
        own = points[(points.measure == measure) & points[view.metric].notna()]
        if own.empty:
            continue
        drawn.add_scatter(
            x=100 * own.density,
            y=own[view.metric],
            name=metric,
            mode="lines+markers",
            line={"color": tone.text, "dash": dash, "width": 1.6},
            marker={"size": 8, "symbol": symbol},
            error_y=error_bars(own[view.metric], own.low, own.high, color=tone.muted, thickness=1.1, width=3),
            hovertemplate=f"{metric} %{{y:.1f}} {unit} at %{{x:.3g}} %<br>measured: {measure}<extra></extra>",
            row=row,
            col=1,
        )
    named, ends = [(metric, points, view.metric, tone.text)], points[["low", "high"]].stack()
    if view.one_scale:
        sure = _confidence(drawn, view, row, tone)
        named.append(("confidence", sure, "confidence", tone.diverging[0]))
        ends = pd.concat([ends, sure.confidence])
    _limit(drawn, ends, named, f"mean of the tickets, {unit}", row, tone)


def _confidence_apart(drawn: go.Figure, view: View, row: int, tone: Tone) -> None:
    sure = _confidence(drawn, view, row, tone)
    title = "confidence, %" if view.sure_in_percent else "confidence"
    _limit(drawn, sure.confidence, [("confidence", sure, "confidence", tone.diverging[0])], title, row, tone)


def _brier(drawn: go.Figure, view: View, row: int, tone: Tone) -> None:
    """The Brier score of retrained levels, in a row of its own: less is better."""
    points = view.rounds[view.rounds.measure == "retrained"]
    drawn.add_scatter(
        x=100 * points.density,
        y=points.brier,
        name="Brier score",
        mode="lines+markers",
        line={"color": tone.diverging[0], "width": 2.4},
        marker={"size": 7},
        hovertemplate="Brier score %{y:.3f} at %{x:.3g} %<extra></extra>",
        row=row,
        col=1,
    )
    _limit(drawn, points.brier, [("Brier score", points, "brier", tone.diverging[0])], "Brier score", row, tone)


def _confidence(drawn: go.Figure, view: View, row: int, tone: Tone) -> pd.DataFrame:
    """The line of retrained levels; their densities and confidence as they are drawn."""
    retrained, unit = view.rounds[view.rounds.measure == "retrained"], " %" if view.sure_in_percent else ""
    points = retrained.assign(confidence=retrained.confidence * (100 if view.sure_in_percent else 1))
    drawn.add_scatter(
        x=100 * points.density,
        y=points.confidence,
        name="confidence",
        mode="lines+markers",
        line={"color": tone.diverging[0], "width": 2.4},
        marker={"size": 7},
        hovertemplate=f"confidence %{{y:.3g}}{unit} at %{{x:.3g}} %<extra></extra>",
        row=row,
        col=1,
    )
    return points


def _limit(drawn: go.Figure, ends: pd.Series, named: Lines, title: str, row: int, tone: Tone) -> None:
    """A row's axis, so long that everything is on it, and the names of its lines."""
    room = 0.06 * (ends.max() - ends.min()) or 1.0
    limits = (float(ends.min() - room), float(ends.max() + room))
    drawn.update_yaxes(title=title, range=limits, zeroline=False, row=row, col=1)
    _names(drawn, named, limits, row, tone)


def _names(
    drawn: go.Figure,
    lines: Lines,
    limits: tuple[float, float],
    row: int,
    tone: Tone,
) -> None:
    """The name of every line at its lightest point, moved apart where two would cover each other."""
    ends = [(frame.dropna(subset=[column]), name, column, colour) for name, frame, column, colour in lines]
    ends = sorted(
        ((frame.iloc[-1], name, column, colour) for frame, name, column, colour in ends if len(frame)),
        key=lambda end: end[0][end[2]],
    )
    least, gap = -np.inf, _GAP * (limits[1] - limits[0])
    for point, name, column, colour in ends:
        least = max(least + gap, point[column])
        drawn.add_annotation(
            x=math.log10(100 * point.density),
            y=least,
            text=name,
            xanchor="left",
            xshift=12,
            showarrow=False,
            font={"size": 12, "color": tone.text if colour == tone.muted else colour},
            row=row,
            col=1,
        )


def _marks(drawn: go.Figure, view: View, tone: Tone) -> None:
    """The last safe density and the alarm, named above the figure on the sides where the other is not."""
    alarm, safe = view.diagnosis.alarm, view.diagnosis.last_safe_density
    marks = []
    if safe is not None:
        marks.append((safe, f"last safe: {terms.density(safe)}", tone.muted, "right" if alarm else "center"))
    if alarm:
        marks.append((alarm.density, f"<b>alarm: {terms.density(alarm.density)}</b>", _ALARM, "left"))
    for density, text, colour, anchor in marks:
        drawn.add_vline(x=100 * density, line={"color": colour, "width": 1.6, "dash": "dash"})
        drawn.add_annotation(
            x=math.log10(100 * density),
            xref="x",
            y=1,
            yref="paper",
            yanchor="bottom",
            text=text,
            xanchor=anchor,
            showarrow=False,
            font={"size": 13, "color": tone.text},
        )
