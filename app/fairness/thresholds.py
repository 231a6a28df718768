"""What if every ticket or every group had a threshold of its own: what it changes, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, terms
from app.colours import Tone
from app.fairness import findings, run_predictions
from app.fairness.interval_chart import Series, intervals
from app.fairness.records import flat, of_difference
from app.fairness.view import Audit
from app.frames import frame
from app.markdown import plain
from rtl_core.audit.fairness.thresholds import TICKET, ThresholdRule
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.audit.fairness.thresholds import WhatIf
    from rtl_core.runs.checkpoint import Run

_AIMS = {
    "selection_rate": "the same share answered yes",
    "tpr": "the same share found of those who are yes",
    "fixed": "one threshold for everybody",
}


def draw(run: Run, audit: Audit, metric: str) -> None:
    if not audit.predictions.decides:
        raise BadInput("Thresholds turn scores into decisions, and these tickets make none.")
    if not audit.predictions.binary:
        raise BadInput("Thresholds are for yes and no; these decisions choose among more classes.")
    rule = _choices(audit)
    outcome = run_predictions.what_if(run, audit, rule)
    # With several columns: the groups that get a threshold, or else the first column.
    shown = next((one for one in outcome if one.columns == [rule.by]), outcome[0])
    rate = audit.rate(metric) if rule.aim == "fixed" else rule.aim
    changes = frame(shown.changes)
    _changed(audit, changes, rate)
    _chosen(shown)
    if shown.tradeoff:
        st.space("small")
        _tradeoff(audit, frame(shown.tradeoff), rule.aim)
    for note in shown.notes:
        st.caption(plain(terms.sentence(note)))


def _choices(audit: Audit) -> ThresholdRule:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        several = [TICKET] if len(audit.predictions.tickets) > 1 else []
        by = st.selectbox(
            "A threshold for every", [*several, *audit.columns], key="threshold-by", bind="query-params", width=220
        )
        aim = st.selectbox(
            "So that all have", list(_AIMS), format_func=_AIMS.get, key="aim", bind="query-params", width=330
        )
        fixed = 0.5
        if aim == "fixed":
            fixed = st.slider(
                "Yes from a score above", 0.0, 1.0, 0.5, 0.05, key="fixed", bind="query-params", width=260
            )
    return ThresholdRule(by, aim, fixed)


def _changed(audit: Audit, changes: pd.DataFrame, rate: str) -> None:
    """Every group's gap with the thresholds as they are and as they would be."""
    shown = changes[(changes.metric == rate) & changes.get("gap_after", pd.Series(dtype=float)).notna()]
    if shown.empty:
        raise BadInput("No group is large enough to see what other thresholds would change.")
    shown = shown.reset_index(drop=True)
    accuracy = changes[(changes.metric == "accuracy") & changes.after.notna()]
    name, tone = audit.term(rate)[0], colours.tone()
    after = of_difference(shown, "gap_after", rate, text=False)
    panels.chart(
        findings.thresholds_title(shown, accuracy, name),
        intervals(
            [
                Series("as decided now", tone.muted, of_difference(shown, "gap_before", rate, text=False), "square"),
                Series("with these thresholds", tone.diverging[-1], after),
            ],
            f"group less reference ({shown.reference.iloc[0]}), {findings.lower(name)}, percentage points",
            tone,
        ),
        flat(changes),
        "Square: the gap as decided now. Round: with thresholds chosen on other rows (validation) and measured on the "
        "test rows. Hollow marks rest on fewer than 30 decisions; whiskers are 95 % intervals.",
        "what-if",
    )


def _chosen(outcome: WhatIf) -> None:
    """The thresholds, and on how many rows each was chosen."""
    table = frame(outcome.thresholds)
    st.markdown("**The thresholds**")
    st.dataframe(
        table.rename(columns={"stratum": outcome.by, "n": "chosen on", "reason": "why there is none"}),
        hide_index=True,
        placeholder="–",
        column_config={"threshold": st.column_config.NumberColumn(format="%.3f")},
    )


def _tradeoff(audit: Audit, records: pd.DataFrame, aim: str) -> None:
    """The largest gap that is left against the accuracy over all rows, for each gap that the rule may leave."""
    ends = {"accuracy_low": "low", "accuracy_high": "high"}
    accuracy = flat(records).rename(columns=ends).drop_duplicates("tolerance").set_index("tolerance")
    accuracy = accuracy[["accuracy", "share_changed", "low", "high"]]
    gaps = records[(records.metric == aim) & (records.get("gap_status") == "ok")].copy()
    if gaps.empty:
        return
    gaps["size"] = gaps.gap_after.abs()
    curve = accuracy.join(gaps.groupby("tolerance")["size"].max()).dropna().reset_index()
    panels.chart(
        findings.tradeoff_title(curve),
        _curve(curve, audit.term(aim)[0], colours.tone()),
        curve,
        "A dot is the most accurate rule that may leave a gap of some size on validation rows, measured on test rows; "
        "whiskers are 95 % intervals of the share decided rightly.",
        "tradeoff",
    )


def _curve(curve: pd.DataFrame, name: str, tone: Tone) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=100 * curve["size"],
        y=100 * curve.accuracy,
        mode="lines+markers",
        line={"color": tone.diverging[-1], "width": 1.5},
        marker={"size": 9, "color": tone.diverging[-1]},
        error_y=charts.error_bars(curve.accuracy, curve.low, curve.high, 100, color=tone.muted, thickness=1.2, width=4),
        customdata=100 * curve[["tolerance", "share_changed"]].to_numpy(),
        hovertemplate="%{customdata[0]:.0f} points allowed<br>largest gap %{x:.1f} points<br>%{y:.1f} % right<br>"
        "%{customdata[1]:.1f} % decided otherwise than now<extra></extra>",
    )
    figure.update_xaxes(title=f"largest gap left in {findings.lower(name)}, percentage points", rangemode="tozero")
    figure.update_yaxes(title="decided rightly, %")
    return charts.calm(figure, height=300)
