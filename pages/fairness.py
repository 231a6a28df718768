"""Fairness: whom the tickets fail, by how much, and whether that is more than chance."""

from __future__ import annotations

from app import shell
from app.choice import one_of

shell.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels, report  # noqa: E402
from app.fairness import beside, cells, choices, findings, gaps, of_run, own_table, sizes, thresholds, tickets, where  # noqa: E402
from app.markdown import plain  # noqa: E402
from rtl_core.errors import BadInput  # noqa: E402

run = panels.require_run() if choices.source() == choices.SOURCES[0] else None
headline = st.empty()
row = st.container(key="fairness-controls", horizontal=True, vertical_alignment="bottom")
subject, columns = of_run.subject(run, row) if run else own_table.subject()
with row if run else st.container(horizontal=True, vertical_alignment="bottom"):
    audit = choices.audit(subject, columns)
headline.title(plain(findings.headline(audit)), anchor=False)

sizes.draw(audit)
st.space("small")
cells.draw(audit)
st.space("small")
metric = gaps.draw(audit)

st.space("small")
details = {
    "Where it lives": where.draw,
    "Sent to the right ticket?": tickets.routing,
    "Inside or between tickets": tickets.parts,
    "In lighter tickets": beside.density,
    "Beside other methods": beside.methods,
    "What if": thresholds.draw,
}
if run is None:
    details = {"Inside or between tickets": tickets.parts}
detail = one_of(
    "Details",
    details,
    key="detail",
    wrap=True,
    label_visibility="collapsed",
)
try:
    details[detail](run, audit, metric)
except BadInput as error:
    reason = str(error)
    st.info(plain(reason[0].upper() + reason[1:]))

st.space("small")
if run:
    report.of_run(run, audit.columns, audit.references, *of_run.how(subject))
else:
    own_table.offer_report(subject, audit.references)
