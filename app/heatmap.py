"""A matrix to click: an ECharts heatmap, for Plotly's gives no selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.colours import Tone

LABELLED = 12  # columns up to which cells show their numbers
_SPACED = 40  # rows and columns up to which there is room for lines between cells


@dataclass(frozen=True)
class Scale:
    """Colours, the values of their two ends, and what is written there; `more` of ECharts' visualMap."""

    colours: Sequence[str]
    low: float
    high: float
    low_text: str
    high_text: str
    more: dict[str, Any]


@dataclass(frozen=True)
class Matrix:
    """What is drawn.

    cells    row by row, so that a click reports row * columns + column; their values begin with column, row, and what
             is coloured. Their names must be unique: otherwise a whole row lights up under the mouse
    framed   (column, row) of the cells with a frame
    """

    rows: Sequence[str]
    columns: Sequence[str]
    cells: list[dict[str, Any]]
    framed: list[tuple[int, int]]


def spec(matrix: Matrix, scale: Scale, tone: Tone, tooltip: str, number: str, font: int = 12) -> dict[str, Any]:
    """The specification of the chart, which its page may add to.

    tooltip, number  ECharts' formatters of what is shown under the mouse, and in the cells
    font     pixels of the names
    """
    rows, columns = matrix.rows, matrix.columns
    spaced = max(len(rows), len(columns)) <= _SPACED
    named = {"color": tone.text, "interval": 0 if spaced else "auto", "fontSize": font}
    named |= {"width": 130, "overflow": "truncate"}
    axis = {"type": "category", **{piece: {"show": False} for piece in ("splitArea", "axisTick", "axisLine")}}
    tilted = 40 if len(columns) > 6 and max(map(len, columns)) > 3 else 0
    border = {"borderColor": tone.surface, "borderWidth": 2 if spaced else 0}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 92, "top": 8, "bottom": 8, "containLabel": True},
        "tooltip": {"formatter": tooltip},
        "xAxis": {**axis, "data": list(columns), "axisLabel": {**named, "rotate": tilted}},
        "yAxis": {**axis, "data": list(rows), "axisLabel": named, "inverse": True},
        "visualMap": {
            "min": scale.low,
            "max": scale.high,
            "dimension": 2,
            "seriesIndex": 0,
            "calculable": False,
            "right": 0,
            "top": "middle",
            "itemWidth": 14,
            "inRange": {"color": list(scale.colours)},
            "text": [scale.high_text, scale.low_text],
            "textStyle": {"color": tone.text},
            **scale.more,
        },
        "series": [
            {
                "type": "heatmap",
                "data": matrix.cells,
                "selectedMode": "single",
                "label": {"show": len(columns) <= LABELLED, "formatter": number, "fontSize": 13},
                "itemStyle": border,
                "select": {"itemStyle": border},  # the frame says what is chosen
            },
            {  # a series of its own, for cells drawn later would cover a border
                "type": "heatmap",
                "silent": True,
                "data": [[*place, 0] for place in matrix.framed],
                "itemStyle": {"color": "transparent", "borderColor": tone.text, "borderWidth": 3},
                "emphasis": {"disabled": True},
            },
        ],
    }
