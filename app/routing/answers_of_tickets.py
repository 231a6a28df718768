"""The Routing page of a task whose answers are no classes: where an input goes, and every ticket's answer to it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import terms
from app.answers import side_by_side
from app.markdown import plain
from app.routing.view import View
from rtl_core.display_names import router_words


def draw(view: View) -> None:
    """Nothing after it is drawn."""
    own = float((view.ticket == view.eval_set.subset).mean())
    st.title(
        plain(f"{router_words(view.router)[1]} sends {terms.percent(own)} of the {view.noun} to their own ticket"),
        anchor=False,
    )
    sample = side_by_side.choose(view.dataset)
    position = np.flatnonzero(view.eval_set.rows == view.dataset.rows("test")[sample])
    sent = view.names[view.ticket[position[0]]] if len(position) else None
    side_by_side.show(view.run, sample, sent)
    st.caption(
        plain(
            f"Who gets which class is not shown: tickets of task '{view.routing.task.name}' name none. What their "
            f"routers are worth stands on Overview, and `python -m rtl_core route {view.run.name}` prints it in full."
        )
    )
    st.stop()
