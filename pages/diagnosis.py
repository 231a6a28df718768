"""Diagnosis: when tickets lose what they can on the way down, what warned, and what going back gives."""

from __future__ import annotations

from app import page_setup
from app.segmented import chosen_detail

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels  # noqa: E402
from app.diagnosis import advice, calibration, curves, findings, flags, layers, measure, view  # noqa: E402
from app.markdown import plain  # noqa: E402

run = panels.require_run()
looked = view.of(run)
st.title(plain(findings.headline(looked)), anchor=False)
st.caption(plain(findings.facts(looked)), help=findings.EXPLAINED[looked.explained])
offer = st.container()
curves.draw(looked)

st.space("small")
details = {
    "Flags": flags.draw,
    "Layers": layers.draw,
    "What to do": advice.draw,
    "How the alarm was calibrated": calibration.draw,
}
draw = chosen_detail(details)
draw(looked)
if looked.could_be_retrained:
    with offer:  # long work comes last, so that the rest of the page is there meanwhile
        measure.probe(looked)
