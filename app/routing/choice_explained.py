"""The choice of a ticket for one input explained: gate, centroids and the answer of every ticket."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import terms
from app.kinds import nouns
from app.markdown import plain
from app.routing import findings
from app.routing.choice_reason import Reason
from app.routing.view import View


def draw(view: View, reason: Reason, key: str, own: str | None = None, sent: str | None = None) -> None:
    """The sentence and the table per ticket.

    own   the ticket of its subset, where that is known; sent: where the chosen router sent it
    """
    st.markdown(plain(findings.reason_sentence(view, reason, own)))
    st.dataframe(
        frame(view, reason, own, sent),
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


def frame(view: View, reason: Reason, own: str | None, sent: str | None) -> pd.DataFrame:
    """One line per ticket, the likeliest first."""
    labels = ("no", "yes") if view.one_vs_rest else view.dataset.classes
    marks = [", ".join(word for word, name in (("sent here", sent), ("its own", own)) if name == t) for t in view.names]
    table = pd.DataFrame(
        {
            "ticket": view.names,
            "gate, %": 100 * reason.probability.astype(float),
            "distance": reason.distance.astype(float),
            "claims it" if view.one_vs_rest else "says": [labels[i] for i in reason.answer],
            "sure, %": 100 * reason.confidence.astype(float),
            "": marks,
        }
    )
    return table.iloc[np.argsort(-reason.probability, kind="stable")]


def picture(view: View, x: np.ndarray, caption: str) -> None:
    """The picture of one input as the data hold it, enlarged."""
    pixels = view.kind.picture(x)
    side = max(1, 168 // pixels.shape[1])
    st.image(pixels.repeat(side, axis=0).repeat(side, axis=1), caption=plain(caption))


def of_position(view: View, position: int, key: str) -> None:
    """The same for a test row, with what is true of it beside."""
    row = view.eval_set.rows[position]
    own, sent = view.names[view.eval_set.subset[position]], view.names[view.ticket[position]]
    truth = view.dataset.classes[view.eval_set.y[position]]
    place = int(np.searchsorted(view.dataset.rows("test"), row))
    caption = f"test {nouns(view.dataset)[0]} {terms.count(place)}, truly {truth}, own ticket {own}"
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
        draw(view, view.reason(position), key, own, sent)
