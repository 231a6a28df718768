"""Fairness: whom the tickets fail, by how much, and whether that is more than chance."""

from __future__ import annotations

from app import page_setup
from app.segmented import chosen_detail

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels, report  # noqa: E402
from app.fairness import (  # noqa: E402
    by_density_and_method,
    cells,
    controls,
    findings,
    gaps,
    routing_gap,
    run_predictions,
    sizes,
    thresholds,
    uploaded_predictions,
    weight_ablation,
)
from app.markdown import plain  # noqa: E402
from rtl_core.errors import BadInput  # noqa: E402

run = panels.require_run() if controls.source() == controls.SOURCES[0] else None
headline = panels.headline_place()
row = st.container(key="fairness-controls", horizontal=True, vertical_alignment="bottom")
subject, columns = run_predictions.subject(run, row) if run else uploaded_predictions.subject()
with row if run else st.container(horizontal=True, vertical_alignment="bottom"):
    audit = controls.audit(subject, columns)
headline.title(plain(findings.headline(audit)), anchor=False)

sizes.draw(audit)
st.space("small")
cells.draw(audit)
st.space("small")
metric = gaps.draw(audit)

st.space("small")
details = {
    "Where it lives": weight_ablation.draw,
    "Sent to the right ticket?": routing_gap.routing,
    "Inside or between tickets": routing_gap.decomposed,
    "In lighter tickets": by_density_and_method.density,
    "Beside other methods": by_density_and_method.methods,
    "What if": thresholds.draw,
}
if run is None:
    details = {"Inside or between tickets": routing_gap.decomposed}
draw = chosen_detail(details)
try:
    draw(run, audit, metric)
except BadInput as error:
    reason = str(error)
    st.info(plain(reason[0].upper() + reason[1:]))

st.space("small")
if run:
    report.of_run(run, audit.columns, audit.references, *run_predictions.how(subject))
else:
    uploaded_predictions.offer_report(subject, audit.references)
