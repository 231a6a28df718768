"""The choice of a ticket for one input explained: gate, centroids and the answer of every ticket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app import tasks, terms
from app.answers import side_by_side
from app.kinds import nouns
from app.markdown import plain
from app.routing import findings
from app.routing.choice_reason import Reason
from app.routing.view import View


@dataclass(frozen=True)
class Known:
    """What is known of an input beside the gate's reason.

    own      the ticket of its subset; sent: where the chosen router sent it
    credit   (K,) how well each ticket answers it
    """

    own: str | None = None
    sent: str | None = None
    credit: np.ndarray | None = None


def draw(view: View, reason: Reason, key: str, known: Known) -> None:
    """The sentence and the table per ticket."""
    st.markdown(plain(findings.reason_sentence(view, reason, known.own)))
    st.dataframe(
        frame(view, reason, known),
        hide_index=True,
        key=f"why-{key}",
        column_config={
            "gate, %": st.column_config.ProgressColumn(format="%.1f", min_value=0.0, max_value=100.0),
            "distance": st.column_config.NumberColumn(
                format="%.1f", help="To the centroid of the ticket's subset, in standard deviations of the features."
            ),
            "sure, %": st.column_config.NumberColumn(
                format="%.1f", help="The probability that the ticket, at its own density, gives its answer."
            ),
        },
    )


def frame(view: View, reason: Reason, known: Known) -> pd.DataFrame:
    """One line per ticket, the likeliest first."""
    words = (("sent here", known.sent), ("its own", known.own))
    marks = [", ".join(word for word, name in words if name == ticket) for ticket in view.names]
    table = pd.DataFrame(
        {
            "ticket": view.names,
            "gate, %": 100 * reason.probability.astype(float),
            "distance": reason.distance.astype(float),
            **_answers(view, reason, known),
            "": marks,
        }
    )
    return table.iloc[np.argsort(-reason.probability, kind="stable")]


def _answers(view: View, reason: Reason, known: Known) -> dict[str, object]:
    """Columns on what every ticket says, or on how well it answers where that is no class."""
    if view.says_classes:
        labels = ("no", "yes") if view.one_vs_rest else view.dataset.classes
        answers = [labels[i] for i in reason.answer]
        return {
            "claims it" if view.one_vs_rest else "says": answers,
            "sure, %": 100 * reason.confidence.astype(float),
        }
    if known.credit is None:
        return {}
    return {tasks.axis(view.credited): (tasks.scale(view.credited) * known.credit.astype(float)).round(2)}


def picture(view: View, x: np.ndarray, caption: str) -> None:
    """The picture of one input as the data hold it, enlarged."""
    pixels = view.kind.picture(x)
    side = max(1, 168 // pixels.shape[1])
    st.image(pixels.repeat(side, axis=0).repeat(side, axis=1), caption=plain(caption))


def of_position(view: View, position: int, key: str) -> None:
    """The same for a test row, with what is true of it beside."""
    row = view.eval_set.rows[position]
    own, sent = view.names[view.eval_set.subset[position]], view.names[view.ticket[position]]
    labels = view.dataset.labels
    truth = "" if labels is None else f", truly {view.dataset.classes[labels[row]]}"
    place = int(np.searchsorted(view.dataset.rows("test"), row))
    caption = f"test {nouns(view.dataset)[0]} {terms.count(place)}{truth}, own ticket {own}"
    credit = None if view.says_classes else view.routed.answers.credit[:, position]
    left, table = st.columns([1, 4] if view.kind.picture else [2, 3], gap="medium")
    with left:
        if view.kind.picture:
            picture(view, view.dataset.x[row], caption)
        else:
            attributes = view.dataset.attributes.iloc[row].astype(str)
            st.dataframe(
                attributes.rename("value").rename_axis("column").reset_index(), hide_index=True, key=f"row-{key}"
            )
            st.caption(plain(caption))
    with table:
        draw(view, view.reason(position), key, Known(own, sent, credit))
    if not view.says_classes:
        side_by_side.tell(view.run, side_by_side.Given.of_row(view.routing.opened, int(row)), sent)
