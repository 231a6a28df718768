"""Groups that are misrouted (sent to another ticket than their own) more often than others."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import colours, panels, terms
from app.fairness.interval_chart import Series, intervals
from app.markdown import plain
from app.routing import findings
from app.routing.view import View


def draw(view: View) -> None:
    groups = table(view)
    if groups.empty:
        st.info(
            plain(
                f"The data, {view.dataset.spec}, say nothing about a row but its label: there are no groups to compare."
                " Data with attributes, such as the Adult census sample, have some."
            )
        )
        return
    columns = list(dict.fromkeys(group.partition("=")[0] for group in groups.group))
    if st.session_state.get("grouped") not in columns:
        st.session_state.pop("grouped", None)  # another run's
    column = st.selectbox("Groups by", columns, key="grouped", bind="query-params", width=220)
    groups = groups[groups.group.str.startswith(f"{column}=")].reset_index(drop=True)
    overall = 1 - view.report.row.agreement_with_oracle
    shown = groups[groups.misrouted.notna()].sort_values("misrouted", ascending=False).reset_index(drop=True)
    if shown.empty:
        st.info(plain(f"No group by {column} has 10 {view.noun}, so none has a figure."))
        return
    tone = colours.tone()
    series = Series("groups", tone.diverging[-1], _points(shown))
    refused = len(groups) - len(shown)
    few = f" Without a figure, for fewer than 10 {view.noun}: {refused}." if refused else ""
    panels.chart(
        findings.groups_title(shown, overall),
        intervals([series], f"sent to another ticket than their own, % of the {view.noun} of a group", tone),
        groups,
        f"A dot is a group's share that is misrouted, its whisker the 95 % interval; over all it is "
        f"{terms.percent(overall)}. Hollow: fewer than 30 {view.noun}, not ranked.{few} What that costs a group "
        "stands on the Fairness page.",
        "routing-groups",
    )


def table(view: View) -> pd.DataFrame:
    """One row per group: n, how many go to each ticket, the share misrouted with its interval, and status."""
    rows = []
    for group in view.report.groups:
        (low, high), own = group.ci, group.agreement
        rows.append(
            {
                "group": group.group,
                "n": group.n,
                "misrouted": None if own is None else 1 - own,
                "low": None if high is None else 1 - high,
                "high": None if low is None else 1 - low,
                "status": group.status,
                **{f"to {name}": n for name, n in zip(view.names, group.counts, strict=True)},
            }
        )
    return pd.DataFrame(rows)


def _points(groups: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": [group.partition("=")[2] for group in groups.group],
            "value": 100 * groups.misrouted.astype(float),
            "low": 100 * groups.low.astype(float),
            "high": 100 * groups.high.astype(float),
            "hollow": groups.status != "ok",
            "text": [f"{100 * row.misrouted:.1f}, n = {row.n:,}" for row in groups.itertuples()],
            "hover": [
                f"{row.group}<br>{terms.percent(row.misrouted)} misrouted ({terms.interval([row.low, row.high])}); "
                f"n = {row.n:,}"
                for row in groups.itertuples()
            ],
            "key": groups.index,
        }
    )
