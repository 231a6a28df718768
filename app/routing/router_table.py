"""Routers compared: accuracy, misrouted inputs and cost of each."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import colours, panels, terms
from app.fairness.interval_chart import Series, intervals
from app.markdown import plain
from app.routing import findings
from app.routing.view import View
from rtl_core.display_names import router_words

_FIELDS = {"accuracy": "answered rightly", "agreement_with_oracle": "sent to their own ticket"}
_ORACLE_NOTE = " · told the label"


def draw(view: View) -> None:
    rows = pd.DataFrame(view.compared())
    rows = rows.sort_values(["accuracy", "agreement_with_oracle"], ascending=False, ignore_index=True)
    tone = colours.tone()
    # One-vs-rest: choosing the ticket is the answer, so both figures are the same.
    fields = list(_FIELDS)[1:] if view.one_vs_rest else list(_FIELDS)
    looks = {"accuracy": (tone.text, "diamond"), "agreement_with_oracle": (tone.diverging[-1], "circle")}
    series = [Series(_FIELDS[field], looks[field][0], _points(rows, field), looks[field][1]) for field in fields]
    panels.chart(
        findings.routers_title(rows),
        intervals(series, f"{', '.join(_FIELDS[field] for field in fields)}: % of the test {view.noun}", tone),
        table(rows),
        f"Whiskers are 95 % intervals, n = {terms.count(rows.n.iloc[0])}. Hollow: the router is told the label or the "
        "attribute that the subsets were made from.",
        "routers",
    )
    st.dataframe(table(rows), hide_index=True, column_config=_columns(), placeholder="–")
    if "one_shot_gradient" not in set(rows.router):
        st.caption("The one-shot gradient, a backward pass for every input, joins them when you choose it above.")
    for row in rows[rows.note.notna()].drop_duplicates("note").itertuples():
        st.caption(plain(f"{router_words(row.router)[0]}: {row.note}"))


def called(row: object) -> str:
    """A router's title; one that reads the label says so."""
    title = router_words(row.router)[0]
    return f"{title.split(' (')[0]}{_ORACLE_NOTE}" if row.uses_label else title


def _points(rows: pd.DataFrame, field: str) -> pd.DataFrame:
    defined = rows[rows[field].notna()]
    ends = [ci[field] for ci in defined.ci]
    return pd.DataFrame(
        {
            "place": [called(row) for row in defined.itertuples()],
            "value": 100 * defined[field].astype(float),
            "low": [100 * low for low, _ in ends],
            "high": [100 * high for _, high in ends],
            "hollow": defined.uses_label.astype(bool),
            "text": [f"{100 * value:.1f}" for value in defined[field]],
            "hover": [
                f"{called(row)}<br>{_FIELDS[field]} {terms.percent(getattr(row, field))} "
                f"({terms.interval(row.ci[field])}); n = {row.n:,}"
                for row in defined.itertuples()
            ],
            "key": defined.router,
        }
    )


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Every figure of `evaluate.routers`, shares in per cent."""
    own = rows.agreement_with_oracle.astype(float)
    return pd.DataFrame(
        {
            "router": [called(row) for row in rows.itertuples()],
            "right": 100 * rows.accuracy.astype(float),
            "right 95 %": [terms.interval(ci.get("accuracy")) for ci in rows.ci],
            "own ticket": 100 * own,
            "own ticket 95 %": [terms.interval(ci.get("agreement_with_oracle")) for ci in rows.ci],
            "regret": 100 * rows.regret_01.astype(float),
            "calls": rows.calls_per_input,
            "of FLOPs": 100 * rows.flops_share,
            "of multiply-adds": 100 * rows.macs_share,
            "ECE": 100 * rows.ece.astype(float),
        }
    )


def _columns() -> dict[str, object]:
    number = st.column_config.NumberColumn
    return {
        "right": number(format="%.1f %%", help="Answers of the chosen tickets that are right."),
        "own ticket": number(format="%.1f %%", help="Inputs that reach the ticket of their own subset."),
        "regret": number(
            format="%.1f", help="Points lost against the best ticket of each input in hindsight; none for one-vs-rest."
        ),
        "calls": number(format="%.3g", help="Forward passes beside the one that answers."),
        "of FLOPs": number(format="%.2f %%", help="The router's share of it and one dense forward pass, as executed."),
        "of multiply-adds": number(
            format="%.1f %%",
            help="The router's share of it and the ticket that answers, counting non-zero weights only.",
        ),
        "ECE": number(format="%.1f", help="Expected calibration error of the router's confidence, in points."),
    }
