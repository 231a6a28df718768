"""Sizes before figures: how many decisions stand behind each group and ticket, and who is left out."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import panels, terms
from app.fairness import findings
from app.fairness.view import Audit, called
from app.frames import frame
from app.markdown import plain
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN


def draw(audit: Audit) -> None:
    sizes = table(audit)
    excluded = frame(audit.report.excluded)
    some = 0 if excluded.empty else int((excluded.n > 0).sum())
    st.subheader(plain(findings.sizes_title(sizes, some, audit.counted)), anchor=False)
    largest = int(sizes["all"].max())
    st.dataframe(
        sizes.style.apply(_greyed, axis=None).format(thousands=",", subset=sizes.columns[2:]),
        hide_index=True,
        height="content" if len(sizes) <= 11 else 420,
        column_config={
            "group": st.column_config.TextColumn(pinned=True, width="medium"),
            "all": st.column_config.ProgressColumn(format="localized", min_value=0, max_value=largest),
        },
        key="sizes",
    )
    panels.reading(
        f"How many {audit.counted} there are, by group and ticket. Under {RANKED} a figure is shown in grey and not "
        f"ranked, under {SHOWN} there is none.",
        sizes,
        "sizes",
    )
    notes = [terms.sentence(note) for note in audit.report.notes]
    if notes:
        st.caption(plain(" ".join(notes)))
    if not excluded.empty:
        with st.expander(f"Left out: {len(excluded)} groups in a ticket, and why"):
            st.dataframe(excluded.assign(ticket=excluded.ticket.map(called)), hide_index=True)


def table(audit: Audit) -> pd.DataFrame:
    """One row per group: group, all, and a column per ticket where there are several."""
    rows = []
    tickets = audit.predictions.tickets
    several = len(tickets) > 1
    for grouping in audit.divided:
        for g, name in enumerate(grouping.names):
            mine = audit.predictions.ticket[grouping.code == g]
            own = {ticket: int((mine == k).sum()) for k, ticket in enumerate(tickets)} if several else {}
            rows.append({"group": name, "all": len(mine), **own})
    return pd.DataFrame(rows)


def _greyed(sizes: pd.DataFrame) -> pd.DataFrame:
    """Style of each size: grey under what is ranked."""
    style = pd.DataFrame("", index=sizes.index, columns=sizes.columns)
    for column in sizes.columns[1:]:
        style[column] = ["color: #8A929B; font-style: italic" if n < RANKED else "" for n in sizes[column]]
    return style
