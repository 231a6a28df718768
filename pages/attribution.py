"""Attribution: what every ticket looks at in one input, whether its map deserves trust, and the same over many."""

from __future__ import annotations

from app import page_setup
from app.segmented import chosen_detail

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels, session  # noqa: E402
from app.answers import side_by_side  # noqa: E402
from app.attribution import checks, controls, dataset_audit, findings, inputs, map_correlation, tabular, tiles, view  # noqa: E402
from app.markdown import plain  # noqa: E402
from rtl_core.errors import BadInput  # noqa: E402
from rtl_core.tasks.catalogue import task_named  # noqa: E402

UNTIL_KNOWN = "What every ticket looks at"

run = panels.require_run()
if run.masks_only:
    dataset_audit.of_masks()
task = task_named(run.config.task)
if task.explains is None:
    side_by_side.instead_of_maps(run)
try:
    explained = view.explained(run)
except BadInput as error:
    panels.refuse(f"{error}.")
headline = panels.headline_place(UNTIL_KNOWN)
pressed = session.chosen_ticket(run.tickets.names)
ticket = None if pressed is None else run.tickets.names[pressed]
chosen = inputs.choose(explained, ticket)
if chosen is None:
    headline.title(UNTIL_KNOWN, anchor=False)
    st.stop()
looked = controls.choose(explained, chosen, ticket)
try:
    comparison = looked.side_by_side
except BadInput as error:
    headline.title(UNTIL_KNOWN, anchor=False)
    panels.refuse(f"{error}.")
headline.title(
    plain(findings.headline(comparison, looked.explained_names(), len(looked.tickets), task, looked.request.target)),
    anchor=False,
)

place = st.empty()
if not checks.were_made(looked):
    with place.container():
        tiles.draw(looked, {})
made = checks.make(looked)
with place.container():
    tiles.draw(looked, made)
if looked.kind.columns:
    tabular.draw(looked)

st.space("small")
details = {
    "Is a map to be trusted?": lambda: checks.draw(looked, made),
    "How alike the maps are": lambda: map_correlation.draw(looked),
    "Over many inputs": lambda: dataset_audit.draw(looked),
}
if not explained.subject.sure:
    details["Answers of the tickets"] = lambda: side_by_side.of_input(run, chosen)
if looked.kind.columns:
    details |= {
        "One ticket, column by column": lambda: tabular.waterfall(looked),
        "What a column does": lambda: tabular.dependence(looked),
    }
draw = chosen_detail(details)
try:
    draw()
except BadInput as reason:
    st.info(plain(str(reason)))
