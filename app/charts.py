"""From a frame to a figure. Titles and downloads are the panels' business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import colours, words
from app.colours import Tone
from app.findings import short
from rtl_core.tickets.similarity import Similarity

CONFIG = {"displayModeBar": False, "showSendToCloud": False, "displaylogo": False}
_LABELLED = 12  # tickets up to which a matrix shows its numbers


def whiskers(frame: pd.DataFrame, metric: str, label: str, tone: Tone) -> go.Figure:
    """Dot and whisker per method, best on top; RTL stands out by colour and by shape."""
    rows = frame[::-1]
    own = rows.method == "rtl"
    value = 100 * rows[metric]
    figure = go.Figure()
    for mine, colour, symbol in ((False, tone.muted, "circle"), (True, colours.TICKETS[0], "diamond")):
        part, x = rows[own == mine], value[own == mine]
        if part.empty:
            continue
        figure.add_scatter(
            x=x,
            y=part.label,
            mode="markers+text",
            text=[f"{v:.1f}" for v in x],
            textposition="top center",
            marker={"size": 13 if mine else 9, "color": colour, "symbol": symbol},
            textfont={"size": 12},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": 100 * part.high - x,
                "arrayminus": x - 100 * part.low,
                "color": colour,
                "thickness": 1.6,
                "width": 5,
            },
            customdata=np.stack([part.steps_extract.fillna(0), part.steps_joint.fillna(0)], axis=1),
            hovertemplate="%{y}<br>%{x:.1f} %<br>steps: %{customdata[0]:,.0f} to extract, "
            "%{customdata[1]:,.0f} joint<extra></extra>",
        )
    figure.update_yaxes(categoryorder="array", categoryarray=list(rows.label), title="", ticklabelstandoff=8)
    figure.update_yaxes(range=[-0.6, len(rows) - 0.3])  # room for the number above the topmost dot
    figure.update_xaxes(title=f"{label} on test data, %", zeroline=False)
    figure.update_layout(showlegend=False)
    return _calm(figure, height=90 + 44 * len(rows))


def profile(layers: pd.DataFrame, tone: Tone) -> go.Figure:
    """Above: overlap beside its chance level; below: how much of the layer is kept. Layers in the network's order."""
    names = [short(name) for name in layers.layer]
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.09)
    figure.add_scatter(
        x=names,
        y=layers.iou_mean,
        name="overlap",
        mode="lines+markers",
        line={"color": colours.TICKETS[0], "width": 2},
        marker={"size": 9},
        customdata=layers.excess_mean,
        hovertemplate="%{x}<br>IoU %{y:.3f}<br>excess %{customdata:+.2f}<extra></extra>",
    )
    figure.add_scatter(
        x=names,
        y=layers.chance_mean,
        name="chance",
        mode="lines+markers",
        line={"color": tone.muted, "dash": "dot", "width": 1.6},
        marker={"size": 7, "symbol": "line-ew-open"},
        hovertemplate="%{x}<br>chance %{y:.3f}<extra></extra>",
    )
    figure.add_bar(
        x=names,
        y=100 * layers.density_mean,
        name="kept",
        marker_color=colours.TICKETS[7],
        showlegend=False,
        text=[f"{100 * d:.3g}" for d in layers.density_mean] if len(names) <= _LABELLED else None,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{x}<br>%{y:.1f} % kept<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_yaxes(title="IoU", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title="kept, %", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title="layer, from input to output", row=2, col=1)
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    return _calm(figure, height=430)


def owners(counts: pd.DataFrame, tone: Tone) -> go.Figure:
    """Weights used by 0, 1, ... K tickets, with what independent masks would give as a mark."""
    k = int(counts.owners.max())
    figure = go.Figure()
    figure.add_bar(
        x=counts.owners,
        y=counts.weights,
        name="this run",
        marker_color=colours.TICKETS[7],
        hovertemplate="%{x} tickets: %{y:,} weights<extra></extra>",
    )
    figure.add_scatter(
        x=counts.owners,
        y=counts.expected,
        name="chance",
        mode="markers",
        marker={
            "symbol": "line-ew-open",
            "size": 26 if k <= _LABELLED else 10,
            "color": tone.text,
            "line": {"width": 2},
        },
        hovertemplate="by chance: %{y:,.0f}<extra></extra>",
    )
    figure.update_xaxes(title="tickets that keep the weight", dtick=1 if k <= 20 else None)
    figure.update_yaxes(title="weights (log scale)", type="log", dtick=1)
    figure.update_yaxes(range=[-0.3, float(np.log10(counts[["weights", "expected"]].to_numpy().max())) + 0.2])
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    return _calm(figure, height=340)


def rungs(records: pd.DataFrame, names: tuple[str, ...], metric: str, density: float) -> go.Figure:
    """What was measured at each density, a line per ticket: the denser side in extraction, the lighter at the end."""
    figure = go.Figure()
    palette = colours.of_tickets(len(names))
    for ticket, name in enumerate(names):
        for measure, dash, symbol in (("extraction", "dot", "circle-open"), ("final", "solid", "circle")):
            part = records[(records.ticket == ticket) & (records.measure == measure)].sort_values("density")
            if part.empty:
                continue
            figure.add_scatter(
                x=100 * part.density,
                y=100 * part[metric],
                mode="lines+markers",
                name=name,
                legendgroup=name,
                showlegend=measure == "final" or not (records.measure == "final").any(),
                line={"color": palette[ticket], "dash": dash, "width": 1.8},
                marker={"size": 7, "symbol": symbol},
                hovertemplate=f"%{{y:.1f}} % at density %{{x:.3g}} %<br>measured: {measure}",
            )
    figure.add_vline(x=100 * density, line={"color": "#8a949e", "dash": "dash", "width": 1})
    figure.update_xaxes(
        title="density, % of the weights kept (log scale)", type="log", tickvals=[1, 2, 5, 10, 20, 50, 100]
    )
    figure.update_yaxes(title=f"{words.METRICS[metric]}, %")
    return _calm(figure, height=360)


def curves(points: pd.DataFrame, x: str, y: str, titles: tuple[str, str], names: tuple[str, ...]) -> go.Figure:
    """One line per ticket in its colour, live: points has the columns ticket, x, y."""
    palette = dict(zip(names, colours.of_tickets(len(names)), strict=True))
    figure = go.Figure()
    for name in names:
        part = points[points.ticket == name]
        if part.empty:
            continue
        figure.add_scatter(
            x=part[x],
            y=part[y],
            name=name,
            mode="lines+markers" if len(part) < 30 else "lines",
            line={"color": palette[name], "width": 1.8},
            marker={"size": 6},
        )
    figure.update_xaxes(title=titles[0])
    figure.update_yaxes(title=titles[1])
    return _calm(figure, height=300)


def overlap_matrix(found: Similarity, shown: str, chosen: tuple[int, int], tone: Tone) -> dict[str, Any]:
    """K x K cells as an ECharts heatmap; `shown` is "excess" (neutral at chance) or "iou". The chosen pair is framed.

    The position of a cell in the data is row * K + column, which is what a click reports.
    """
    k = len(found.names)
    scale, low, high = _scale(found, shown, tone)
    matrix = found.excess if shown == "excess" else found.iou
    cells = [
        _cell(found, matrix, i, j, lambda v: colours.on_scale(scale, (v - low) / (high - low)))
        for i in range(k)
        for j in range(k)
    ]
    axis = {
        "type": "category",
        "data": list(found.names),
        "splitArea": {"show": False},
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        "axisLabel": {"color": tone.text, "interval": 0 if k <= 20 else "auto"},
    }
    return {
        "animation": False,
        "grid": {"left": 8, "right": 92, "top": 8, "bottom": 8, "containLabel": True},
        "tooltip": {
            "formatter": "{b}<br/>overlap (IoU) <b>{@[3]}</b><br/>chance {@[4]}<br/>excess {@[5]}<br/>"
            "{@[6]} weights shared"
        },
        "xAxis": {
            **axis,
            "axisLabel": {**axis["axisLabel"], "rotate": 40 if k > 6 and max(map(len, found.names)) > 3 else 0},
        },
        "yAxis": {**axis, "inverse": True},
        "visualMap": {
            "min": low,
            "max": high,
            "dimension": 2,
            "seriesIndex": 0,
            "calculable": False,
            "right": 0,
            "top": "middle",
            "itemHeight": 260,
            "itemWidth": 14,
            "precision": 2,
            "inRange": {"color": list(scale)},
            "text": _ends(shown),
            "textStyle": {"color": tone.text},
        },
        "series": [
            {
                "type": "heatmap",
                "data": cells,
                "selectedMode": "single",
                "label": {"show": k <= _LABELLED, "formatter": "{@[2]}", "fontSize": 13},
                "itemStyle": {"borderColor": tone.surface, "borderWidth": 2},
                "select": {"itemStyle": {"borderColor": tone.surface, "borderWidth": 2}},  # the frame says it
            },
            _frame(chosen, tone),
        ],
    }


def _frame(chosen: tuple[int, int], tone: Tone) -> dict[str, Any]:
    """Frames around the chosen pair's two cells: a series of its own, for cells drawn later would cover a border."""
    i, j = chosen
    return {
        "type": "heatmap",
        "silent": True,
        "data": [[j, i, 0], [i, j, 0]] if i != j else [],
        "itemStyle": {"color": "transparent", "borderColor": tone.text, "borderWidth": 3},
        "emphasis": {"disabled": True},
    }


def _scale(found: Similarity, shown: str, tone: Tone) -> tuple[tuple[str, ...], float, float]:
    if shown == "iou":
        return tone.sequential, 0.0, 1.0
    pairs = found.excess[~np.eye(len(found.names), dtype=bool)]
    reach = float(np.nanmax(np.abs(pairs), initial=0.0)) if not np.isnan(pairs).all() else 0.0
    bound = max(0.1, float(np.ceil(reach * 10) / 10))
    return tone.diverging, -bound, bound


def _ends(shown: str) -> list[str]:
    return ["more", "less"] if shown == "excess" else ["identical", "disjoint"]


def _cell(found: Similarity, matrix: np.ndarray, i: int, j: int, fill: Callable[[float], str]) -> dict[str, Any]:
    a, b = found.names[i], found.names[j]
    value = matrix[i, j]
    if i == j or np.isnan(value):
        return {"name": f"{a} ∩ {b}", "value": [j, i, "-"]}
    numbers = [_rounded(m[i, j]) for m in (found.iou, found.chance, found.excess)]
    return {
        "name": f"{a} ∩ {b}",
        "value": [j, i, _rounded(value, 2), *numbers, int(found.intersection[i, j])],
        "label": {"color": colours.readable_on(fill(value))},
    }


def _rounded(value: float, digits: int = 3) -> float | str:
    return "-" if np.isnan(value) else round(float(value), digits)


def _calm(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 8, "r": 16, "t": 26, "b": 8}, font={"size": 13}, hoverlabel={"align": "left"}
    )
    figure.update_yaxes(automargin=True)
    return figure
