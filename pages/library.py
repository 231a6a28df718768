"""Library: masks and tickets in and out, and two tickets compared."""

from __future__ import annotations

from app import page_setup
from app.segmented import one_of

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import library  # noqa: E402

st.title("Bring masks in, take tickets out, compare two", anchor=False)
view = one_of(
    "View",
    library.VIEWS,
    key="library",
    label_visibility="collapsed",
)
library.VIEWS[view]()
