"""Tickets that one ticket could stand in for: the redundancy report, computed when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import cache, panels, tasks, terms
from app.markdown import plain
from app.routing import findings
from app.routing.view import View

if TYPE_CHECKING:
    from rtl_core.audit.redundancy import Redundancy
    from rtl_core.runs.checkpoint import Run
    from rtl_core.statistics.estimates import Interval

_PAIRS = 3  # tried at once: each is merged, and its norms estimated anew


def draw(view: View) -> None:
    key = f"redundancy-{view.run.folder}"
    if not st.session_state.get(key):
        st.write(
            f"If two tickets overlap far beyond chance, one may do for both. The {_PAIRS} pairs that overlap most are "
            "merged on a copy and asked about validation rows; that takes some seconds and changes nothing."
        )
        st.button("Try to merge tickets", key="redundancy", on_click=lambda: st.session_state.update({key: True}))
        return
    report = _report(view.run)
    rows, figure = table(report), view.routing.task.headline
    lost = tasks.difference(figure, report.margin).lstrip("+")
    st.subheader(plain(findings.redundancy_title(rows)), anchor=False)
    for sentence in report.warnings:
        st.warning(plain(sentence))
    st.dataframe(rows, hide_index=True, placeholder="–")
    panels.reading(
        "For each pair, merged as the union or the intersection of the masks: what changes in the two subsets' "
        f"{figure.title}, with its 95 % interval. “Could be merged” where by both intervals no more is lost than "
        f"{lost}. The {_PAIRS} of {terms.count(report.pairs_in_all)} pairs that "
        "overlap most; `python -m rtl_core redundancy` tries all.",
        rows,
        "redundancy",
    )


@cache.of_run(max_entries=8, show_spinner="Merging the tickets that overlap most")
def _report(run: Run) -> Redundancy:
    from rtl_core.runs.merge import redundancy_of

    return redundancy_of(run, _PAIRS)


def table(report: Redundancy) -> pd.DataFrame:
    """One line per pair, way of merging and subset."""
    return pd.DataFrame(
        [
            {
                "tickets": f"{pair.a} + {pair.b}",
                "merged as": pair.how,
                "excess overlap": None if pair.excess is None else round(pair.excess, 2),
                "subset": subset.subset,
                "before": tasks.value(subset.metric, subset.before),
                "after": tasks.value(subset.metric, subset.after),
                "change": None if subset.change is None else tasks.difference(subset.metric, subset.change),
                "95 % interval": _ends(subset.metric, subset.ci.change),
                "n": subset.n,
                "verdict": pair.verdict,
            }
            for pair in report.pairs
            for subset in pair.subsets
        ]
    )


def _ends(metric: str, pair: Interval) -> str:
    if None in pair:
        return "no interval"
    low, high = (tasks.difference(metric, end) for end in pair)
    return f"{low.removesuffix(' points')} to {high}"
