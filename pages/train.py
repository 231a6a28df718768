"""Train: a new run from data to schedule, its progress, and all runs."""

from __future__ import annotations

from app import page_setup
from app.segmented import one_of

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import demonstration, train  # noqa: E402
from app.markdown import plain  # noqa: E402
from rtl_core.read_only import is_public  # noqa: E402

if is_public():
    demonstration.no_train_page()
st.title("Train one ticket for every part of your data", anchor=False)
view = one_of(
    "View",
    train.VIEWS,
    key="view",
    label_visibility="collapsed",
)
refused = st.session_state.pop("start_refused", None)
if refused:
    st.error(plain(f"Training did not start: {refused}"))
{"New run": train.new_run, "Progress": train.progress, "All runs": train.all_runs}[view]()
