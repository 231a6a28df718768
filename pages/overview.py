"""Overview: what this run is, what its tickets reach, and how that stands beside the controls."""

from __future__ import annotations

from app import page_setup

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import by_class, charts, colours, headlines, nav, overview, panels, session, storage, tasks  # noqa: E402
from app.markdown import plain  # noqa: E402
from rtl_core.read_only import is_public  # noqa: E402

run = panels.require_run()
if run.masks_only:
    overview.of_masks(run)
    st.stop()
metric = panels.metric_of(run)
evaluation = run.record.evaluation
methods = headlines.methods_frame(evaluation, metric)

st.title(plain(headlines.overview(methods, metric, run.tickets.k, run.tickets.target.density)), anchor=False)
for sentence in run.record.warnings:
    st.warning(plain(sentence))

tickets = overview.tickets_frame(run, metric)
panels.tiles(tickets, metric, session.chosen_ticket(run.tickets.names))
panels.reading(
    overview.tiles_help(run, metric),
    tickets.drop(columns=["warnings", "label"]),
    "tickets",
)

by_class.draw(evaluation.tickets)

if not methods.empty:
    st.space("small")
    panels.chart(
        headlines.methods_title(methods, metric),
        charts.whiskers(methods, metric, tasks.title_of(metric), colours.tone()),
        methods.drop(columns="method"),
        "A dot is a method's mean over all subsets, its whisker the 95 % interval over test data of this one training; "
        "it does not cover other seeds.",
        "methods",
    )
    overview.steps_table(methods, metric)
    left, right = st.columns(2, gap="large")
    with left:
        overview.limits(methods, metric)
    with right:
        overview.skipped(evaluation)
    storage.draw(run, methods, metric)

if evaluation.routers:
    st.space("small")
    st.subheader("Who chooses the ticket decides what an honest figure is", anchor=False)
    routers = overview.routers_frame(evaluation, metric)
    st.dataframe(routers, hide_index=True)
    panels.reading(
        "A router that is told the label or the subset gives an upper bound; only routers that see just the input "
        "could be used in the field.",
        overview.routers_numbers(evaluation),
        "routers",
    )

st.space("small")
overview.reading_notes(run)
overview.made_of(run)
st.subheader("Where to look next", anchor=False)
here = {"run": st.session_state["run"]}
st.page_link(
    nav.MASKS,
    label="Masks: what the tickets share, layer by layer, against chance",
    icon=":material/grid_on:",
    query_params=here,
)
st.page_link(
    nav.ROUTING,
    label="Routing: which input gets which ticket, and what a smaller budget costs",
    icon=":material/alt_route:",
    query_params=here,
)
st.page_link(
    nav.ATTRIBUTION,
    label="Attribution: what every ticket looks at, and which maps deserve trust",
    icon=":material/center_focus_strong:",
    query_params=here,
)
if not is_public():
    st.page_link(
        nav.TRAIN,
        label="Train: the same on your own pictures or table",
        icon=":material/model_training:",
        query_params=here,
    )
