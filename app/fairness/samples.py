"""The decisions behind a figure: rows of the table, or pictures, each with what is true and what was decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import tasks, terms
from app.fairness.view import Audit, called
from app.kinds import kind_of
from app.markdown import plain

MOST = 50  # shown at once


def draw(audit: Audit, group: str, ticket: str | None, metric: str) -> None:
    rows = audit.rows_of_figure(group, ticket, metric)
    predictions = audit.predictions
    name, meaning = audit.term(metric)
    first = f"first {MOST} of " if len(rows) > MOST else ""
    by = "" if len(predictions.tickets) == 1 else f", {called(ticket)}"
    with st.container(border=True, key="samples"):
        heading = f"{name}, {group}{by}: {first}{terms.count(len(rows))} {audit.counted} that it counts"
        st.markdown(f"**{plain(heading)}**")
        st.caption(plain(f"{meaning} {_summed_up(audit, rows)}"))
        if len(rows) == 0:
            return
        table = frame(audit, rows[:MOST])
        inputs = audit.subject.inputs
        if inputs and kind_of(inputs[0]).picture:
            _pictures(audit, rows[:MOST], table)
        else:
            st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 360), key="samples-table")


def _summed_up(audit: Audit, rows: np.ndarray) -> str:
    """How many of the decisions are right; of other answers how well they are on average."""
    p = audit.predictions
    if p.decides:
        return f"{terms.count(int((p.y_true[rows] == p.y_pred[rows]).sum()))} of them were decided rightly."
    if len(rows) == 0:
        return ""
    return f"On average it is {tasks.value(p.credited, float(p.credit[rows].mean()))}."


def frame(audit: Audit, rows: np.ndarray) -> pd.DataFrame:
    """What is true, what was decided, the score and the ticket, and then the columns of the table; of answers that are
    no decisions how well each is."""
    p = audit.predictions
    if p.decides:
        decided = {
            "decided": [p.classes[code] for code in p.y_pred[rows]],
            "true": [p.classes[code] for code in p.y_true[rows]],
            "right": p.y_true[rows] == p.y_pred[rows],
        }
    else:
        decided = {tasks.axis(p.credited): (tasks.scale(p.credited) * p.credit[rows]).round(2)}
    if p.decides and p.score.ndim == 1 and not np.isnan(p.score[rows]).all():
        decided["score"] = p.score[rows].round(3)
    if len(p.tickets) > 1:
        decided["by ticket"] = [p.tickets[code] for code in p.ticket[rows]]
    table = audit.subject.table.iloc[rows].reset_index(drop=True)
    own = pd.DataFrame(decided)
    return pd.concat([own, table.rename(columns={name: f"{name} (table)" for name in table if name in own})], axis=1)


def _pictures(audit: Audit, rows: np.ndarray, table: pd.DataFrame) -> None:
    """Thumbnails with what was decided, and what is true where that is another class; or how well it was answered."""
    (dataset, places), p = audit.subject.inputs, audit.predictions
    with st.container(horizontal=True, gap="small"):
        for x, place, row in zip(dataset.x[places[rows]], rows, table.itertuples(), strict=True):
            if p.decides:
                caption = row.decided if row.right else f"{row.decided}, true: {row.true}"
            else:
                caption = tasks.value(p.credited, float(p.credit[place]))
            st.image(kind_of(dataset).picture(x), caption=plain(caption), width=76)
