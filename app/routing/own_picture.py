"""A picture from elsewhere, routed at once, with the reason."""

from __future__ import annotations

import streamlit as st

from app import terms
from app.attribution.inputs import as_input, picture_file
from app.markdown import plain
from app.routing import choice_explained
from app.routing.view import View
from rtl_core.errors import BadInput


def draw(view: View) -> None:
    file = picture_file(
        "routing-upload", "Choose a picture to see which ticket it gets, and what every ticket would say."
    )
    if file is None:
        return
    try:
        x = as_input(file.getvalue(), view.dataset.input_shape)
    except BadInput as error:
        st.error(plain(terms.sentence(str(error))))
        return
    reason = view.reason_for(x)
    k = int(reason.probability.argmax())
    st.subheader(
        plain(f"The gate sends your picture to {view.names[k]}: {terms.percent(float(reason.probability[k]))}"),
        anchor=False,
    )
    picture, table = st.columns([1, 4], gap="medium")
    with picture:
        choice_explained.picture(x[0], f"{file.name[:40]}, as the network takes it")
    with table:
        choice_explained.draw(view, reason, "own", sent=view.names[k])
    low, high = view.usual_distance
    st.caption(
        "Nobody knows whether that is right: the gate spreads 100 % over the tickets whatever the picture shows. "
        f"Test pictures are {low:.0f} to {high:.0f} from the nearest centroid (the middle 90 %); far more says that "
        "yours is like none of them."
    )
