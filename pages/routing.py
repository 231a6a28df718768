"""Routing: which input gets which ticket, what that is worth, and what a smaller budget costs."""

from __future__ import annotations

from app import page_setup
from app.segmented import chosen_detail

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels  # noqa: E402
from app.kinds import nouns  # noqa: E402
from app.markdown import plain  # noqa: E402
from app.routing import (  # noqa: E402
    answers_of_tickets,
    budget,
    calibration,
    controls,
    feature_map,
    findings,
    groups,
    matrix,
    misrouted,
    own_input,
    redundancy,
    router_table,
    samples,
    view,
)
from rtl_core.errors import BadInput  # noqa: E402

run = panels.require_run()
if run.masks_only:
    st.title("These masks route nothing", anchor=False)
    st.write("The run has masks only: without weights and data there is no input to send anywhere.")
    st.stop()
if run.tickets.k == 1:
    st.title("One ticket: there is nothing to choose", anchor=False)
    st.stop()
try:
    routing = view.routing_of(run)
except BadInput as error:
    panels.refuse(f"The inputs of this run cannot be routed: {error}.")
headline = panels.headline_place()

with st.container(key="routing-controls", horizontal=True, vertical_alignment="bottom"):
    looked = controls.budget(view.View(routing, controls.router(routing)))
    by_class = looked.says_classes and controls.by_class(looked)
headline.title(plain(findings.headline(looked)), anchor=False)
if looked.report.row.uses_label:
    st.warning(plain(findings.uses_label(looked)))
st.caption(plain(findings.facts(looked)))

with st.container(key="routing-whole"):
    whole, samples_place = st.columns([3, 2], gap="large")
with samples_place:
    chosen = samples.choice(looked, by_class)
    samples.draw(looked, by_class, *chosen)
with whole:
    matrix.draw(looked, by_class, chosen)

st.space("small")
details = {} if looked.says_classes else {"Answers of the tickets": answers_of_tickets.draw}
details |= {
    "Sent astray": misrouted.draw,
    "Routers compared": router_table.draw,
    "Budget": budget.draw,
    "Map of inputs": feature_map.draw,
    "Sure and right": calibration.draw,
    "By group": groups.draw,
    "Could tickets be merged?": redundancy.draw,
}
if looked.kind.upload:
    details[f"Your own {nouns(looked.dataset)[0]}"] = own_input.draw
draw = chosen_detail(details)
draw(looked)
