"""Estimates with their intervals side by side on one axis, with a line where there is no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from app.charts import calm, error_bars
from app.colours import Tone

_ROW = 44  # pixels of a place with one series
_MORE = 15  # and of each further series
_LONG = 26  # letters of a place's name in one line


@dataclass(frozen=True)
class Series:
    """Estimates of one colour.

    rows   place (which line it stands on), value, low, high, hollow (bool), text (beside it), hover, and key
           (what a click reports)
    """

    name: str
    colour: str
    rows: pd.DataFrame
    symbol: str = "circle"


def intervals(series: Sequence[Series], title: str, tone: Tone, height: int = 0) -> go.Figure:
    """Places from top to bottom in the order of the series; several series stand one below the other within a place."""
    series = [one for one in series if not one.rows.empty]
    places = list(dict.fromkeys(place for one in series for place in one.rows.place))[::-1]
    figure = go.Figure()
    for i, one in enumerate(series):
        aside = 0.0 if len(series) == 1 else 0.7 * (0.5 - (i + 0.5) / len(series))
        figure.add_scatter(**_dots(one, [places.index(place) + aside for place in one.rows.place], tone, len(series)))
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.2})
    figure.update_yaxes(
        tickvals=list(range(len(places))),
        ticktext=[_broken(place) for place in places],
        range=[-0.6, len(places) - 0.25],
        ticklabelstandoff=8,
        zeroline=False,
        showgrid=len(series) > 1,
    )
    figure.update_xaxes(title=title, zeroline=False, range=_range(series))
    figure.update_layout(
        showlegend=len(series) > 1,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )
    return calm(figure, height=height or 110 + len(places) * (_ROW + _MORE * (len(series) - 1)))


def _dots(one: Series, y: list[float], tone: Tone, among: int) -> dict:
    rows = one.rows
    value = rows.value.astype(float)
    return {
        "x": value,
        "y": y,
        "name": one.name,
        "mode": "markers+text" if among == 1 else "markers",
        "text": rows.text,
        "textposition": "top center",
        "textfont": {"size": 12, "color": tone.text},
        "cliponaxis": False,
        "marker": {
            "size": 11 if among == 1 else 9,
            "color": one.colour,
            "symbol": [f"{one.symbol}-open" if hollow else one.symbol for hollow in rows.hollow],
            "line": {"width": 2, "color": one.colour},
        },
        "selected": {"marker": {"opacity": 1}, "textfont": {"color": tone.text}},
        "unselected": {"marker": {"opacity": 1}, "textfont": {"color": tone.text}},
        "error_x": error_bars(
            value, rows.low.astype(float), rows.high.astype(float), color=one.colour, thickness=1.6, width=4
        ),
        "customdata": rows[["key", "hover"]].to_numpy(),
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }


def _range(series: Sequence[Series]) -> list[float] | None:
    """Zero and every whisker, with room at both ends."""
    if not series:
        return None
    ends = pd.concat([one.rows[["value", "low", "high"]].astype(float) for one in series])
    low, high = min(0.0, ends.min().min()), max(0.0, ends.max().max())
    room = 0.06 * (high - low) or 1.0
    return [low - room, high + room]


def _broken(place: str) -> str:
    """The name of a place, an intersection in two lines where it is long."""
    return place.replace(",", ",<br>", 1) if len(place) > _LONG else place
