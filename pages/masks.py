"""Masks: what the tickets share, against chance, by pair, by layer and by density."""

from __future__ import annotations

from app import shell

shell.ensure_entry()

import streamlit as st  # noqa: E402

from app import findings, masks, panels  # noqa: E402
from rtl_core.tickets.overlap import overlap  # noqa: E402
from rtl_core.tickets.similarity import layer_profile  # noqa: E402

run = panels.require_run()
tickets = run.tickets
headline = st.empty()

density, layers, measure = st.columns([4, 3, 4], gap="large")
with density:
    rung = masks.rung_slider(tickets)
with layers:
    layer = masks.layer_choice(tickets)
with measure:
    shown = masks.measure_choice()
headline.title(findings.masks(layer_profile(overlap(tickets, rung))), anchor=False)

masks.overlap_view(tickets, rung, layer, shown)

st.space("small")
detail = masks.detail_choice()
if detail == "Layer by layer":
    masks.layers_view(tickets, rung)
elif detail == "Who owns the weights":
    masks.ownership_view(tickets, rung, layer)
else:
    masks.rungs_view(run, panels.metric_of(run))
