"""An input from elsewhere, routed at once, with the reason."""

from __future__ import annotations

import streamlit as st

from app import terms
from app.answers import side_by_side
from app.attribution.inputs import upload
from app.kinds import nouns
from app.markdown import plain
from app.routing import choice_explained
from app.routing.view import View
from rtl_core.errors import BadInput


def draw(view: View) -> None:
    noun, several = nouns(view.dataset)
    until = f"Choose a {noun} to see which ticket it gets, and what every ticket would say."
    file = upload(view.dataset, "routing-upload", until)
    if file is None:
        return
    try:
        x = view.kind.upload.read(file.getvalue(), view.dataset.input_shape)
    except BadInput as error:
        st.error(plain(terms.sentence(str(error))))
        return
    reason = view.reason_for(x)
    k = int(reason.probability.argmax())
    st.subheader(
        plain(f"The gate sends your {noun} to {view.names[k]}: {terms.percent(float(reason.probability[k]))}"),
        anchor=False,
    )
    left, table = st.columns([1, 4], gap="medium")
    with left:
        caption = f"{file.name[:40]}, as the network takes it"
        if view.kind.picture:
            choice_explained.picture(view, x[0], caption)
        else:
            st.caption(plain(caption))
    with table:
        choice_explained.draw(view, reason, "own", choice_explained.Known(sent=view.names[k]))
    if not view.says_classes:
        side_by_side.tell(view.run, side_by_side.Given(x), view.names[k])
    low, high = view.usual_distance
    st.caption(
        plain(
            f"Nobody knows whether that is right: the gate spreads 100 % over the tickets whatever the {noun} is. "
            f"Test {several} are {low:.0f} to {high:.0f} from the nearest centroid (the middle 90 %); far more says "
            "that yours is like none of them."
        )
    )
