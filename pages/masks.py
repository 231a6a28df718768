"""Masks: what the tickets share, against chance, by pair, by layer, by density and by meaning."""

from __future__ import annotations

from app import page_setup
from app.segmented import chosen_detail

page_setup.ensure_entry()

import streamlit as st  # noqa: E402

from app import panels  # noqa: E402
from app.markdown import plain  # noqa: E402
from app.masks import (  # noqa: E402
    controls,
    dendrogram,
    findings,
    layers,
    matrix,
    ownership,
    pair,
    replay,
    semantic_alignment,
    twins,
)
from app.masks.view import View  # noqa: E402

run = panels.require_run()
headline = panels.headline_place()

with st.container(key="mask-controls", horizontal=True, vertical_alignment="bottom"):
    level = controls.density(run.tickets)
    chosen_layers, where = controls.where(run.tickets)
    if run.tickets.k > 1:
        measure = controls.measure()
        by_similarity = controls.by_similarity()
view = View(run, level, chosen_layers, where)
replay.looked_at(view)
headline.title(plain(findings.headline(view.profile, run.tickets.k)), anchor=False)

if run.tickets.k > 1:
    whole, numbers, pictures = pair.places(run.tickets.k <= matrix.SIDE_BY_SIDE_UP_TO)
    with numbers:
        chosen = pair.choice(run.tickets.names, pair.most_similar(view))
        pair.summary(view, *chosen)
        twins.pair_caption(view, *chosen)
    with pictures:
        pair.pictures(view, *chosen)
    with whole:
        matrix.draw(view, measure, by_similarity, chosen)

st.space("small")
details = {
    "Layer by layer": layers.draw,
    "Luck and data": twins.draw,
    "The pair": lambda view: pair.draw(view, *chosen),
    "Who owns the weights": ownership.draw,
    "Tree and map": dendrogram.draw,
    "Density by density": replay.draw,
    "Meaning": semantic_alignment.draw,
}
if run.tickets.k == 1:
    details = {name: details[name] for name in ("Layer by layer", "Density by density")}
draw = chosen_detail(details)
draw(view)
