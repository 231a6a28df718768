"""Tables: every column's score under every ticket, one ticket's answer column by column, and what a column does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, panels, terms
from app.attribution import findings, heatmaps, tiles
from app.attribution.view import View, maps_of
from app.charts import calm, error_bars
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.audit.attribution.partial_dependence import PartialDependence
    from rtl_core.runs.attribution import Explained
    from rtl_core.runs.checkpoint import Run

_BARS = 10  # columns of the waterfall; the rest is one bar


def scores(view: View) -> pd.DataFrame:
    """One row a network, one column an original column of the table, the most important first."""
    from rtl_core.audit.attribution.partial_dependence import feature_scores

    comparison = view.side_by_side
    frame = feature_scores(view.dataset, comparison.maps.attributions)
    frame.index = [tiles.called(name) for name in comparison.names]
    if not view.signed:
        frame = frame.abs()
    return frame[frame.abs().mean().sort_values(ascending=False, kind="stable").index]


def draw(view: View) -> None:
    """The map of a row: columns down, networks across, one colour scale."""
    frame, tone = scores(view), colours.tone()
    limit = float(heatmaps.limits(frame.to_numpy()[None], True)[0])
    scale = tone.diverging if view.signed else tone.sequential
    values = values_of(view)
    figure = go.Figure(
        go.Heatmap(
            z=frame.to_numpy().T,
            x=list(frame.index),
            y=[f"{column} = {values[column]}" for column in frame],
            zmin=-limit if view.signed else 0,
            zmax=limit,
            colorscale=[[i / (len(scale) - 1), colour] for i, colour in enumerate(scale)],
            text=[[terms.signed(round(value, 2) or 0.0) for value in row] for row in frame.to_numpy().T],
            texttemplate="%{text}",
            hovertemplate="%{x}, %{y}: %{z:+.3f}<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, side="top", type="category")
    top = [tiles.called(name) for name in view.tickets]
    first = frame.loc[top].abs().idxmax(axis=1)
    panels.chart(
        findings.columns_title(first.to_dict()),
        calm(figure, height=70 + 30 * frame.shape[1]),
        frame.T.rename_axis("column").reset_index(),
        f"Each column's share in the answer, {view.against}; the colours end at {limit:.2g} for all networks. "
        + ("Teal speaks for the answer, purple against it." if view.signed else "Darker is more, for or against."),
        "column-scores",
    )


def values_of(view: View) -> dict[str, str]:
    """Column -> its value in the row, in its own unit where the data set has kept it."""
    from app.attribution.inputs import unit_of

    dataset, row, texts = view.dataset, view.chosen.x[0], {}
    for column in dict.fromkeys(dataset.sources):
        own = [k for k, source in enumerate(dataset.sources) if source == column]
        if dataset.features[own[0]] == column:
            slope, start = unit_of(dataset, column, own[0])
            unit = "" if (slope, start) != (1.0, 0.0) else " sd"
            texts[column] = f"{slope * row[own[0]] + start:.3g}{unit}"
        elif row[own].any():
            texts[column] = dataset.features[own[int(row[own].argmax())]].removeprefix(f"{column}=")
        else:
            texts[column] = "not seen in training"
    return texts


def waterfall(view: View) -> None:
    """From the baseline's output to the row's, column by column, for the ticket in question."""
    from rtl_core.audit.attribution.partial_dependence import feature_scores

    method = view.question.method
    if method.local:
        raise BadInput(f"{method.title} gives slopes, which do not add up to an answer; choose integrated gradients.")
    maps = maps_of(view, view.compared)
    all_scores = feature_scores(view.dataset, maps.attributions).iloc[0]
    ordered = all_scores.loc[all_scores.abs().sort_values(ascending=False, kind="stable").index]
    values = values_of(view)
    labels = [f"{column} = {values[column]}" for column in ordered.index[:_BARS]]
    steps = list(ordered.iloc[:_BARS])
    if len(ordered) > _BARS:
        labels, steps = [*labels, f"{len(ordered) - _BARS} other columns"], [*steps, float(ordered.iloc[_BARS:].sum())]
    missed = float(maps.shift[0] - sum(steps))
    if abs(missed) > 0.005:
        labels, steps = [*labels, "what the map does not account for"], [*steps, missed]
    start, end = float(maps.baseline_output[0]), float(maps.output[0])
    tone = colours.tone()
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            measure=["absolute", *["relative"] * len(steps), "total"],
            y=[f"baseline ({view.request.baseline})", *labels, "this row"],
            x=[start, *steps, end],
            text=[terms.signed(step) for step in (start, *steps, end)],
            increasing={"marker": {"color": tone.diverging[-1]}},
            decreasing={"marker": {"color": tone.diverging[0]}},
            totals={"marker": {"color": tone.muted}},
            connector={"line": {"color": tone.muted, "width": 1}},
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    answered = dict(zip(view.side_by_side.names, view.explained_names(), strict=True))[view.compared]
    figure.update_xaxes(title=f"output of {view.compared} for “{answered}”, before softmax or sigmoid", zeroline=True)
    panels.chart(
        f"{view.compared}: from {terms.signed(start)} to {terms.signed(end)} for “{answered}”, "
        f"most by {ordered.index[0]}",
        calm(figure, height=90 + 32 * (len(steps) + 2)),
        pd.DataFrame({"column": labels, "score": steps}),
        "Read from the top: the baseline's output, then what each column adds or takes, to this row's output. Press a "
        "ticket's chip above for another ticket.",
        "waterfall",
    )


def dependence(view: View) -> None:
    """The mean output over test rows when everybody has the same value in one column, per ticket."""
    first = scores(view).columns[0]
    names = list(dict.fromkeys(view.dataset.sources))
    output = 0
    with st.container(horizontal=True):
        column = st.selectbox("Column", names, names.index(first), key="column", bind="query-params", width=220)
        if not view.explained.subject.has_one_output:
            classes = view.dataset.classes
            label = st.selectbox("Output", classes, len(classes) - 1, key="output", bind="query-params", width=220)
            output = classes.index(label)
    dependences = {ticket: _dependence(view.run, ticket, column, output, view.explained) for ticket in view.tickets}
    one = next(iter(dependences.values()))
    panels.chart(
        findings.dependence_title(column, {name: np.ptp(each.output) for name, each in dependences.items()}),
        _lines(view, dependences, column),
        pd.concat([_frame(name, each) for name, each in dependences.items()]),
        f"The mean output of each ticket when all {one.n} rows had this value; bands are 95 % intervals over rows. "
        "Some such rows may never occur. "
        + ("" if one.scale == "original" or not one.numeric else "The data hold this column in standard deviations."),
        "dependence",
    )


@cache.of_run(max_entries=256, show_spinner="Asking the tickets")
def _dependence(run: Run, ticket: str, column: str, output: int, _explained: Explained) -> PartialDependence:
    from rtl_core.audit.attribution.partial_dependence import partial_dependence

    subject = _explained.subject
    return partial_dependence(subject.module(ticket), subject.dataset, _explained.rows(), column, output)


def _frame(ticket: str, dependences: PartialDependence) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ticket": ticket,
            "value": dependences.values,
            "output": dependences.output,
            "low": dependences.low,
            "high": dependences.high,
        }
    )


def _lines(view: View, dependences: dict[str, PartialDependence], column: str) -> go.Figure:
    fills, figure = tiles.palette(view, colours.tone()), go.Figure()
    for i, (name, each) in enumerate(dependences.items()):
        offset = (i - (len(dependences) - 1) / 2) * 0.09
        x = each.values if each.numeric else np.arange(len(each.values)) + offset
        figure.add_scatter(
            x=x,
            y=each.output,
            name=name,
            mode="lines+markers" if each.numeric else "markers",
            line={"color": fills[name], "width": 1.8},
            marker={"size": 6, "color": fills[name]},
            error_y=error_bars(each.output, each.low, each.high, thickness=1.2, width=0, color=fills[name]),
            hovertemplate="%{fullData.name}: %{y:+.2f}<extra></extra>",
        )
    one = next(iter(dependences.values()))
    if not one.numeric:
        figure.update_xaxes(tickvals=list(range(len(one.values))), ticktext=list(one.values), tickangle=-35)
    unit = ", standard deviations from the mean" if one.numeric and one.scale != "original" else ""
    figure.update_xaxes(title=f"{column}{unit}")
    figure.update_yaxes(title="mean output")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return calm(figure, height=400)
