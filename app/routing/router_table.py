"""Routers compared: accuracy, misrouted inputs and cost of each."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import colours, panels, tasks, terms
from app.fairness.interval_chart import Series, intervals
from app.markdown import plain
from app.routing import findings
from app.routing.view import View
from rtl_core.audit.evaluation_rows import RouterRow
from rtl_core.display_names import router_words
from rtl_core.tasks.task import Figure

_OWN = Figure("agreement_with_oracle", "sent to their own ticket")
_ORACLE_NOTE = " · told the label"


def draw(view: View) -> None:
    rows = frame(view.compared(), view.worth)
    tone = colours.tone()
    # One-vs-rest: choosing the ticket is the answer, so both figures are the same. Figures in another unit than shares
    # are in the table alone.
    figures = [_OWN] if view.one_vs_rest or tasks.unit(view.worth) != "%" else [view.worth, _OWN]
    looks = {view.worth: (tone.text, "diamond"), _OWN: (tone.diverging[-1], "circle")}
    series = [Series(figure.title, looks[figure][0], _points(rows, figure), looks[figure][1]) for figure in figures]
    of = f"% of the test {view.noun}" if view.says_classes else "%"
    panels.chart(
        findings.routers_title(rows, view.worth, view.says_classes),
        intervals(series, f"{', '.join(figure.title for figure in figures)}: {of}", tone),
        table(rows, view),
        f"Whiskers are 95 % intervals, n = {terms.count(rows.n.iloc[0])}. Hollow: the router is told the label or the "
        "attribute that the subsets were made from.",
        "routers",
    )
    st.dataframe(table(rows, view), hide_index=True, column_config=_columns(view), placeholder="–")
    if "one_shot_gradient" not in set(rows.router):
        st.caption("The one-shot gradient, a backward pass for every input, joins them when you choose it above.")
    for row in rows[rows.note.notna()].drop_duplicates("note").itertuples():
        st.caption(plain(f"{router_words(row.router)[0]}: {row.note}"))


def frame(compared: list[RouterRow], worth: Figure) -> pd.DataFrame:
    """One row a router, the best first; `worth` is the figure that they are judged by."""
    rows = pd.DataFrame(compared).assign(worth=[row.value(worth.name) for row in compared], row=compared)
    rows["rank"] = worth.sign * rows.worth.astype(float)
    return rows.sort_values(["rank", "agreement_with_oracle"], ascending=False, ignore_index=True)


def called(row: object) -> str:
    """A router's title; one that reads the label says so."""
    title = router_words(row.router)[0]
    return f"{title.split(' (')[0]}{_ORACLE_NOTE}" if row.uses_label else title


def _points(rows: pd.DataFrame, figure: Figure) -> pd.DataFrame:
    values = pd.Series([row.value(figure.name) for row in rows.row], rows.index, float)
    defined, values = rows[values.notna()], values.dropna()
    ends = [ci[figure.name] for ci in defined.ci]
    return pd.DataFrame(
        {
            "place": [called(row) for row in defined.itertuples()],
            "value": 100 * values,
            "low": [100 * low for low, _ in ends],
            "high": [100 * high for _, high in ends],
            "hollow": defined.uses_label.astype(bool),
            "text": [f"{100 * value:.1f}" for value in values],
            "hover": [
                f"{called(row)}<br>{figure.title} {terms.percent(value)} "
                f"({terms.interval(row.ci[figure.name])}); n = {row.n:,}"
                for row, value in zip(defined.itertuples(), values, strict=True)
            ],
            "key": defined.router,
        }
    )


def table(rows: pd.DataFrame, view: View) -> pd.DataFrame:
    """Every figure of `evaluate.routers`, shares in per cent."""
    own = rows.agreement_with_oracle.astype(float)
    reached = {}
    for figure in view.worths:
        name = _column(figure, view)
        reached[name] = [_scaled(figure, row.value(figure.name)) for row in rows.row]
        reached[f"{name} 95 %"] = [tasks.interval(figure, ci.get(figure.name)) for ci in rows.ci]
    return pd.DataFrame(
        {
            "router": [called(row) for row in rows.itertuples()],
            **reached,
            "own ticket": 100 * own,
            "own ticket 95 %": [terms.interval(ci.get("agreement_with_oracle")) for ci in rows.ci],
            "regret": tasks.scale(view.credited) * rows.regret_01.astype(float),
            "calls": rows.calls_per_input,
            "of FLOPs": 100 * rows.flops_share,
            "of multiply-adds": 100 * rows.macs_share,
            "ECE": 100 * rows.ece.astype(float),
        }
    )


def _column(figure: Figure, view: View) -> str:
    return "right" if view.says_classes else figure.title


def _scaled(figure: Figure, value: float | None) -> float | None:
    return None if value is None else tasks.scale(figure) * value


def _columns(view: View) -> dict[str, object]:
    number = st.column_config.NumberColumn
    of = "that are right" if view.says_classes else "to all inputs together"
    reached = {
        _column(figure, view): number(
            format=f"%.1f {tasks.unit(figure)}".replace(" %", " %%"), help=f"Answers of the chosen tickets {of}."
        )
        for figure in view.worths
    }
    lost = "Points" if view.says_classes else f"{view.credited.title[0].upper()}{view.credited.title[1:]}"
    return {
        **reached,
        "own ticket": number(format="%.1f %%", help="Inputs that reach the ticket of their own subset."),
        "regret": number(
            format="%.1f" if tasks.unit(view.credited) == "%" else "%.3g",
            help=f"{lost} lost against the best ticket of each input in hindsight; none for one-vs-rest.",
        ),
        "calls": number(format="%.3g", help="Forward passes beside the one that answers."),
        "of FLOPs": number(format="%.2f %%", help="The router's share of it and one dense forward pass, as executed."),
        "of multiply-adds": number(
            format="%.1f %%",
            help="The router's share of it and the ticket that answers, counting non-zero weights only.",
        ),
        "ECE": number(format="%.1f", help="Expected calibration error of the router's confidence, in points."),
    }
