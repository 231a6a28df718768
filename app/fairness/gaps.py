"""Gaps to the reference group as intervals on one axis, and the chosen one in words."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, terms
from app.colours import Tone
from app.fairness import findings
from app.fairness.interval_chart import Series, intervals
from app.fairness.view import Audit, called
from app.headlines import p_value
from app.markdown import plain
from rtl_core.audit.fairness.credit import in_points
from rtl_core.audit.fairness.results import Place
from rtl_core.audit.fairness.sentences import gap_sentence, max_gap_sentence
from rtl_core.documents import entries


def draw(audit: Audit) -> str:
    """Returns the metric that the gaps are in."""
    metric = _metric(audit)
    if audit.gaps.empty:
        st.info("There is one group only, so there is nothing to compare it with.")
        return metric
    gaps = shown(audit, metric)
    name, meaning = audit.term(metric)
    drawn = gaps[gaps.gap.notna()]
    st.subheader(plain(findings.gaps_title(gaps, name)), anchor=False)
    st.caption(plain(meaning))
    if drawn.empty:
        st.info(plain(f"No gap can be given: {gaps.iloc[0].reason}."))
        return metric
    charts.show(
        _figure(audit, drawn, colours.tone()),
        key="gap-chart",
        on_select=lambda: _take_gap(drawn),
        selection_mode="points",
    )
    panels.reading(
        "A dot is a group's figure less its reference group's, its whisker the 95 % interval; 0 is no difference. "
        f"Hollow dots rest on fewer than 30 {audit.counted}, without a test.{_tests(audit)} Click a dot to read it "
        "in words.",
        gaps.drop(columns=["class"], errors="ignore").assign(ticket=gaps.ticket.map(called)),
        "gaps",
    )
    _in_words(audit, metric, drawn)
    return metric


def _tests(audit: Audit) -> str:
    tests = audit.report.tests
    return f" p allows for all {tests:,} tests of this audit (Holm)." if tests else ""


def _metric(audit: Audit) -> str:
    measured = audit.measured
    return st.selectbox(
        "Gap in",
        measured,
        format_func=audit.option,
        key="metric",
        bind="query-params",
        width=280,
        help=panels.term("gap"),
    )


def shown(audit: Audit, metric: str) -> pd.DataFrame:
    """The gaps of a metric in the tickets that are looked at."""
    names = {called(ticket) for ticket in audit.strata}
    return audit.gaps[(audit.gaps.metric == metric) & audit.gaps.ticket.map(called).isin(names)]


def _figure(audit: Audit, gaps: pd.DataFrame, tone: Tone) -> go.Figure:
    """Groups from top to bottom, tickets within a group, each in its colour."""
    tickets = audit.predictions.tickets
    palette = dict(zip(tickets, colours.of_tickets(len(tickets)), strict=True)) if len(tickets) > 1 else {}
    scale = 100 if in_points(gaps.metric.iloc[0]) else 1
    rows = pd.DataFrame(
        {
            "place": gaps.group,
            "value": scale * gaps.gap.astype(float),
            "low": scale * gaps.low.astype(float),
            "high": scale * gaps.high.astype(float),
            "hollow": gaps.status != "ok",
            "text": [_label(row, scale) for row in gaps.itertuples()],
            "hover": [_hover(row, scale) for row in gaps.itertuples()],
            "key": gaps.index,
        }
    )
    series = [
        Series(called(ticket), palette.get(ticket, tone.text), rows[gaps.ticket.map(called) == called(ticket)])
        for ticket in audit.strata
    ]
    unit = findings.unit_of_difference(gaps.metric.iloc[0])
    references = terms.listed(list(gaps.reference.unique()))
    return intervals(series, f"group less reference ({references}), {unit}", tone)


def _label(row: Any, scale: int) -> str:
    size = (f"{scale * row.gap:+.1f}" if scale == 100 else f"{row.gap:+.3f}").replace("-", "−")
    return size if pd.isna(row.p_holm) else f"{size}, {p_value(row.p_holm)}"


def _hover(row: Any, scale: int) -> str:
    digits = 1 if scale == 100 else 3
    ends = "no interval"
    if not pd.isna(row.low):
        ends = f"95 % interval {scale * row.low:.{digits}f} to {scale * row.high:.{digits}f}"
    tested = row.reason if pd.isna(row.p_holm) else f"adjusted {p_value(row.p_holm)}"
    return (
        f"{row.group} less {row.reference}, {called(row.ticket)}<br>{scale * row.gap:+.{digits}f}, {ends}; "
        f"n = {row.denominator:,} and {row.reference_denominator:,}<br>{tested}"
    )


def _take_gap(gaps: pd.DataFrame) -> None:
    points = st.session_state["gap-chart"]["selection"]["points"]
    if points:
        st.session_state["gap"] = _key(gaps.loc[int(points[0]["customdata"][0])])


def _key(row: pd.Series) -> str:
    """How a gap is called in the address: group, and ticket where there are several."""
    return row.group if pd.isna(row.ticket) else f"{row.group} by {row.ticket}"


def _in_words(audit: Audit, metric: str, gaps: pd.DataFrame) -> None:
    """The chosen gap as the sentence that a report would hold; at first the largest that is ranked."""
    by_key = {_key(row): index for index, row in gaps.iterrows()}
    ranked = gaps[gaps.status == "ok"] if (gaps.status == "ok").any() else gaps
    largest = list(by_key).index(_key(ranked.loc[ranked.gap.abs().idxmax()]))
    key = st.selectbox(
        "In words", list(by_key), largest, key="gap", bind="query-params", width=420, help=panels.term("adjusted p")
    )
    report = audit.report
    st.markdown(plain(gap_sentence(entries(report.gaps[by_key[key]]), entries(report))))
    with st.expander("The largest gap between any two groups"):
        for max_gap in report.max_gaps:
            if _is_shown(audit, max_gap.place, metric):
                st.markdown(f"- {plain(max_gap_sentence(entries(max_gap), entries(report)))}")
    st.caption("The sentences say what differs between groups, not why.")


def _is_shown(audit: Audit, place: Place, metric: str) -> bool:
    of_class = audit.predictions.binary or place.of_class == audit.of_class
    return place.metric == metric and place.ticket in audit.strata and of_class
