"""The inputs behind a cell of the matrix: pictures, or rows of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import tasks, terms
from app.markdown import plain
from app.routing import findings
from app.routing.view import View

MOST = 50  # shown at once
ANY = "any ticket"
_THUMBNAIL, _WIDE = 58, 92  # pixels; the second where names of tickets are long
_LONG = 10  # letters of such a name


def row_key(by_class: bool) -> str:
    """The widget that holds the chosen row: classes and subsets have names of their own."""
    return "class" if by_class else "own"


def choose(key: str, row: str, ticket: str) -> None:
    """For callbacks: whose samples are shown."""
    st.session_state[key], st.session_state["to"] = row, ticket


def choice(view: View, by_class: bool) -> tuple[str, str]:
    """(row of the matrix, ticket or ANY); at first the row that is misrouted most often."""
    names, _ = view.rows_of_matrix(by_class)
    misrouted = view.misrouted_shares(by_class)
    key, tickets = row_key(by_class), (ANY, *view.names)
    for widget, options in ((key, names), ("to", tickets)):
        if st.session_state.get(widget) not in options:
            st.session_state.pop(widget, None)  # of another run
    with st.container(horizontal=True, vertical_alignment="bottom"):
        row = st.selectbox(
            "Class" if by_class else "Own ticket",
            names,
            int(misrouted.argmax()),
            key=key,
            bind="query-params",
            width=170,
        )
        ticket = st.selectbox("Sent to", tickets, key="to", bind="query-params", width=170)
    return row, ticket


def draw(view: View, by_class: bool, row: str, ticket: str) -> None:
    names, place = view.rows_of_matrix(by_class)
    among = place == names.index(row)
    if ticket != ANY:
        among &= view.ticket == view.names.index(ticket)
    positions = np.flatnonzero(among)
    misrouted = view.ticket[positions] != view.eval_set.subset[positions]
    positions = positions[np.argsort(~misrouted, kind="stable")]
    sent = "" if ticket == ANY else f" sent to {ticket}"
    first = f"first {MOST} of " if len(positions) > MOST else ""
    st.markdown(f"**{plain(f'{row}{sent}: {first}{terms.count(len(positions))} {view.noun}')}**")
    if len(positions) == 0:
        st.caption("Nothing is there: no test input of this row goes to this ticket.")
        return
    st.caption(plain(findings.cell_sentence(view, positions)))
    show(view, positions[:MOST], "cell")


def show(view: View, positions: np.ndarray, name: str) -> None:
    """Pictures of inputs with where they go, or a table of them; `name` tells several such lists on a page apart."""
    if view.kind.picture:
        width = _WIDE if max(map(len, view.names)) > _LONG else _THUMBNAIL
        with st.container(horizontal=True, gap="small", key=f"samples-{name}", height=330):
            for position in positions:
                picture = view.kind.picture(view.dataset.x[view.eval_set.rows[position]])
                st.image(picture, caption=plain(_caption(view, int(position))), width=width)
    else:
        st.dataframe(frame(view, positions), hide_index=True, height=300, key=f"samples-{name}")


def _caption(view: View, position: int) -> str:
    ticket, confidence = view.names[view.ticket[position]], view.routed.choice.confidence[position]
    return ticket if np.isnan(confidence) else f"{ticket} {terms.percent(confidence, 0)}"


def frame(view: View, positions: np.ndarray) -> pd.DataFrame:
    """One line per input: where it goes, by what confidence, where it belongs, and what the data say about it."""
    choice, eval_set = view.routed.choice, view.eval_set
    rows, names = eval_set.rows[positions], np.array(view.names, object)
    columns = {
        "row": np.searchsorted(view.dataset.rows("test"), rows),
        "sent to": names[view.ticket[positions]],
        "confidence, %": (100 * choice.confidence[positions]).round(1),
        "own ticket": names[eval_set.subset[positions]],
    }
    if view.dataset.labels is not None:
        columns[view.dataset.target] = np.array(view.dataset.classes, object)[eval_set.y[positions]]
    if view.level is not None:
        densities = np.array([terms.density(level.density) for level in view.routing.offered.levels], object)
        columns["at density"] = densities[view.level[positions]]
    elif not view.says_classes:
        title, credit = tasks.axis(view.credited), tasks.scale(view.credited) * view.routed.answers.credit
        columns[title] = credit[view.ticket[positions], positions].round(2)
        columns["of its own ticket"] = credit[eval_set.subset[positions], positions].round(2)
    elif not view.one_vs_rest:
        classes, answers = np.array(view.dataset.classes, object), view.routed.answers.kept.argmax(axis=2)
        columns["it says"] = classes[answers[view.ticket[positions], positions]]
        columns["own ticket says"] = classes[answers[eval_set.subset[positions], positions]]
    described = view.dataset.attributes.iloc[rows].reset_index(drop=True)
    own = pd.DataFrame(columns)
    return pd.concat([own, described.drop(columns=[name for name in described if name in own])], axis=1)
