"""A fairness gap at other densities and under other methods: lighter tickets, and networks trained to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from app import charts, colours, panels, terms
from app.colours import Tone
from app.fairness import controls, findings, run_predictions
from app.fairness.interval_chart import Series, intervals
from app.fairness.records import flat
from app.fairness.view import Audit
from app.frames import frame
from rtl_core.audit.fairness.credit import in_points
from rtl_core.display_names import method_words
from rtl_core.documents import entries
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


def density(run: Run, audit: Audit, metric: str) -> None:
    """Group and reference over the densities that the tickets are stored at: whom does pruning hurt first?"""
    rate = audit.rate(metric)
    group, reference = controls.chosen_gap(audit, rate)
    records = frame(run_predictions.extra(run, audit, "by_density"))
    records = records[records.metric == rate].sort_values("density", ascending=False)
    mine, other = (records[records.group == name] for name in (group, reference))
    if mine.after.isna().any() or other.after.isna().any():
        raise BadInput(f"{group} or {reference} is too small for a figure.")
    name = audit.term(rate)[0]
    panels.chart(
        findings.density_title(mine, group, name),
        _curves(mine, other, name, colours.tone()),
        flat(records),
        "Each line is a group's figure on test rows as the tickets get lighter, from left to right; whiskers are 95 % "
        "intervals. Lighter tickets use the same weights with norm statistics of their own.",
        "by-density",
    )


def _curves(mine: pd.DataFrame, other: pd.DataFrame, name: str, tone: Tone) -> go.Figure:
    figure, metric = go.Figure(), mine.metric.iloc[0]
    scale, unit = findings.scale_of(metric), "%" if in_points(metric) else findings.unit_of_difference(metric)
    for rows, colour, symbol in ((mine, tone.diverging[-1], "circle"), (other, tone.muted, "square")):
        value = scale * rows.after.astype(float)
        ends = flat(rows)
        figure.add_scatter(
            x=100 * rows.density,
            y=value,
            name=rows.group.iloc[0],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 9, "symbol": symbol},
            error_y=charts.error_bars(value, scale * ends.after_low, scale * ends.after_high, thickness=1.4, width=4),
            hovertemplate=f"%{{x:.3g}} % density: %{{y:.1f}} {unit}<extra>%{{fullData.name}}</extra>",
        )
    densities = list(100 * mine.density)
    figure.update_xaxes(
        title="density, % of the weights kept (log scale)",
        type="log",
        autorange="reversed",
        tickvals=densities,
        ticktext=[f"{d:.3g}" for d in densities],
    )
    figure.update_yaxes(title=f"{name}, {unit}", rangemode="tozero")
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return charts.calm(figure, height=380)


def methods(run: Run, audit: Audit, metric: str) -> None:
    """The same gap, in RTL's tickets, in one mask and in the dense network."""
    group, reference = controls.chosen_gap(audit, metric)
    rows = pd.DataFrame(
        [
            {"method": one.method, "density": one.density, **entries(gap)}
            for one in run_predictions.extra(run, audit, "methods")
            for gap in one.gaps
            if (gap.place.ticket, gap.place.metric, gap.group, gap.reference) == (None, metric, group, reference)
            and (audit.predictions.binary or gap.place.of_class == audit.of_class)
        ]
    )
    if rows.empty or rows.gap.isna().all():
        raise BadInput(f"{group} or {reference} is too small for this gap in every method.")
    rows = rows[rows.gap.notna()].reset_index(drop=True)
    rows["label"] = [method_words(name)[0] for name in rows.method]
    name, scale = audit.term(metric)[0], findings.scale_of(metric)
    drawn = pd.DataFrame(
        {
            "place": [f"{row.label}<br>{terms.density(row.density)} density" for row in rows.itertuples()],
            "value": scale * rows.gap.astype(float),
            "low": scale * rows.low.astype(float),
            "high": scale * rows.high.astype(float),
            "hollow": rows.status != "ok",
            "text": [f"{scale * gap:+.3g}".replace("-", "−") for gap in rows.gap],
            "hover": [f"{r.label}<br>n = {r.denominator:,} and {r.reference_denominator:,}" for r in rows.itertuples()],
            "key": rows.index,
        }
    )
    tone = colours.tone()
    panels.chart(
        findings.methods_title(rows, group, name, scale),
        intervals(
            [Series("gap", tone.text, drawn)],
            f"{group} less {reference}, {findings.lower(name)}, {findings.unit_of_difference(metric)}",
            tone,
        ),
        rows.drop(columns=["class", "label"], errors="ignore"),
        "The same rows, answered by RTL's tickets and by networks trained beside them. Every method is tested within "
        "its own audit; overlapping intervals are no proof of equal gaps.",
        "fairness-methods",
    )
