"""Attribution: what every ticket looks at in one input, whether its map deserves trust, and the same over many."""

from __future__ import annotations

from app import shell
from app.choice import one_of

shell.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels, session  # noqa: E402
from app.attribution import alike, checks, columns, controls, findings, inputs, many, tiles, view  # noqa: E402
from app.markdown import plain  # noqa: E402
from rtl_core.errors import BadInput  # noqa: E402

run = panels.require_run()
if run.masks_only:
    many.of_masks()
try:
    explained = view.explained(run)
except BadInput as error:
    panels.refuse(f"{error}.")
headline = st.empty()
headline.title("What every ticket looks at", anchor=False)
pressed = session.chosen_ticket(run.tickets.names)
ticket = None if pressed is None else run.tickets.names[pressed]
chosen = inputs.choose(explained, ticket)
looked = controls.choose(explained, chosen, ticket)
try:
    found = looked.beside
except BadInput as error:
    panels.refuse(f"{error}.")
one_vs_rest = explained.subject.has_one_output
headline.title(
    plain(findings.headline(found, looked.classes_said(), len(looked.tickets), one_vs_rest, looked.asked.target)),
    anchor=False,
)

place = st.empty()
if not checks.were_made(looked):
    with place.container():
        tiles.draw(looked, {})
made = checks.make(looked)
with place.container():
    tiles.draw(looked, made)
if not looked.pictures:
    columns.draw(looked)

st.space("small")
details = {
    "Is a map to be trusted?": lambda: checks.draw(looked, made),
    "How alike the maps are": lambda: alike.draw(looked),
    "Over many inputs": lambda: many.draw(looked),
}
if not looked.pictures:
    details |= {
        "One ticket, column by column": lambda: columns.waterfall(looked),
        "What a column does": lambda: columns.dependence(looked),
    }
detail = one_of(
    "Details",
    details,
    key="detail",
    wrap=True,
    label_visibility="collapsed",
)
try:
    details[detail]()
except BadInput as reason:
    st.info(plain(str(reason)))
