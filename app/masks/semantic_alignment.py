"""Semantic alignment: the tickets' overlap against how closely their names are related in a taxonomy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, charts, colours, demonstration, panels, terms
from app.charts import calm
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import findings
from app.masks.view import View
from rtl_core.errors import BadInput
from rtl_core.overlap import taxonomy
from rtl_core.overlap.semantic_alignment import MIN_TICKETS, Alignment, alignment, by_layer_and_density
from rtl_core.overlap.taxonomy import Taxonomy

_ALL = "all layers"
_DRAWN = 5_000  # pairs that are drawn; all count
_PERMUTED = 50_000_000  # pairs that may be permuted for one figure: about a second
_PERMUTED_STRIP = 300_000_000


def draw(view: View) -> None:
    if view.tickets.k < MIN_TICKETS:
        st.info(f"Whether overlap follows meaning can be asked of {MIN_TICKETS} tickets or more.")
        return
    own = _uploaded()
    known = {**_shipped(), **own}
    fitting = taxonomy.fitting(view.names, known)
    if not fitting:
        _nothing_fits(view.names, known)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        newest_first = list(reversed(fitting))
        chosen = st.selectbox("Taxonomy", newest_first, key="taxonomy", bind="query-params", width=360)
        everywhere = st.toggle("Every layer at every density", key="strip", bind="query-params")
    _scatter(view, fitting[chosen])
    if everywhere:
        _strip(view, fitting[chosen])
    with st.expander("Use a taxonomy of your own"):
        _upload(view.names)


@st.cache_resource(show_spinner=False)
def _shipped() -> dict[str, Taxonomy]:
    return taxonomy.shipped()


def _uploaded() -> dict[str, Taxonomy]:
    """The taxonomy that was uploaded, if it can be read; otherwise says why not."""
    file = st.session_state.get("taxonomy-file")
    if file is None:
        return {}
    try:
        read = taxonomy.read_taxonomy(file.getvalue())
    except BadInput as error:
        st.error(plain(terms.sentence(str(error))))
        return {}
    return {read.name: read}


def _nothing_fits(names: tuple[str, ...], known: dict[str, Taxonomy]) -> None:
    """The empty state: what would be here, which names are missing, and how to write a taxonomy."""
    nearest = min(known.values(), key=lambda one: len(one.missing(names)))
    st.subheader("No taxonomy knows these tickets' names", anchor=False)
    st.write(
        "With a taxonomy you would see here whether tickets of related classes share more weights than tickets of "
        f"unrelated ones. {plain(findings.missing_names(nearest.name, nearest.missing(names), len(names)))}"
    )
    _upload(names)


def _upload(names: tuple[str, ...]) -> None:
    st.write(
        "A taxonomy is a JSON file that gives every ticket's name its way down from one root. Names are compared by "
        "their letters and digits only."
    )
    example = _example(names)
    st.code(example if len(names) <= 6 else _example(names[:4]), language="json")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        demonstration.upload("Your taxonomy (JSON, up to 1 MB)", ["json"], key="taxonomy-file", max_upload_size=1)
        st.download_button(
            "Download this example for all tickets", example, "taxonomy.json", "application/json", on_click="ignore"
        )


def _example(names: tuple[str, ...]) -> str:
    """A taxonomy of two made-up groups, to be changed by hand."""
    half = -(-len(names) // 2)
    paths = {name: [f"thing > {'first' if k < half else 'second'} group > {name}"] for k, name in enumerate(names)}
    return json.dumps({"name": "my classes", "paths": paths}, indent=2, ensure_ascii=False)


def _scatter(view: View, chosen: Taxonomy) -> None:
    aligned = _aligned(view, chosen)
    st.subheader(plain(findings.meaning_title(aligned, view.where)), anchor=False)
    if aligned.reason:
        st.info(plain(f"There is no correlation to compute: {aligned.reason}."))
        return
    charts.show(_pairs_figure(aligned.frame, colours.tone()), key="chart-meaning")
    sample = "" if len(aligned.frame) <= _DRAWN else f" Every {-(-len(aligned.frame) // _DRAWN)}th pair is drawn."
    kind = "all" if aligned.exact else "random"
    panels.reading(
        "A dot is a pair of tickets, the dash their mean. Further right: names more closely related. p is one-sided, "
        f"from {aligned.permutations:,} {kind} permutations of the names (Mantel).{sample}",
        aligned.frame,
        "meaning",
    )


@cache.of_run(View, max_entries=64, show_spinner="Permuting names")
def _aligned(view: View, chosen: Taxonomy) -> Alignment:
    pairs = view.tickets.k * (view.tickets.k - 1) // 2
    return alignment(view.compared.measures.excess, view.names, chosen, _permutations(pairs, _PERMUTED))


def _permutations(pairs: int, budget: int) -> int:
    return max(99, min(9_999, budget // pairs))


def _pairs_figure(pairs: pd.DataFrame, tone: Tone) -> go.Figure:
    defined = pairs.dropna(subset=["excess"])
    drawn = defined.iloc[:: -(-len(defined) // _DRAWN)]
    means = defined.groupby("path_similarity", as_index=False).excess.mean()
    figure = go.Figure()
    figure.add_scattergl(
        x=drawn.path_similarity,
        y=drawn.excess,
        mode="markers",
        name="pair",
        marker={"size": 8, "color": colours.TICKETS[0], "opacity": 0.65},
        customdata=drawn[["a", "b"]],
        hovertemplate="%{customdata[0]} and %{customdata[1]}<br>path similarity %{x:.2f}, excess %{y:+.3f}"
        "<extra></extra>",
    )
    figure.add_scatter(
        x=means.path_similarity,
        y=means.excess,
        mode="markers",
        name="mean of the pairs",
        marker={"symbol": "line-ew-open", "size": 26, "color": tone.text, "line": {"width": 3}},
        hovertemplate="path similarity %{x:.2f}<br>mean excess %{y:+.3f}<extra></extra>",
    )
    figure.update_xaxes(title="path similarity of the names, 1 / (1 + edges between them)", zeroline=False)
    figure.update_yaxes(title="excess over chance", zeroline=False)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return calm(figure, height=380)


def _strip(view: View, chosen: Taxonomy) -> None:
    """rho of every layer at every density."""
    table = _everywhere(view.at_target().whole, chosen)
    panels.chart(
        findings.strip_title(table),
        _strip_figure(table, colours.tone()),
        table,
        "Rank correlation of overlap with meaning, layers from input (top) to output. A star: p below .05 after Holm "
        "over all cells; an empty cell: not defined.",
        "meaning-strip",
    )


@cache.of_run(View, max_entries=8, show_spinner="Comparing every layer at every density")
def _everywhere(view: View, chosen: Taxonomy) -> pd.DataFrame:
    places = [(_ALL, None), *((short(name), (name,)) for name in view.tickets.layout.names)]
    measured = [
        (label, level.density, replace(view, level=level, layers=layers).compared.measures.excess)
        for label, layers in places
        for level in view.tickets.levels
    ]
    pairs = len(measured) * view.tickets.k * (view.tickets.k - 1) // 2
    return by_layer_and_density(measured, view.names, chosen, _permutations(pairs, _PERMUTED_STRIP))


def _strip_figure(table: pd.DataFrame, tone: Tone) -> go.Figure:
    layers, densities = list(dict.fromkeys(table.layer)), list(dict.fromkeys(table.density))
    shape = (len(layers), len(densities))
    rho = table.rho.to_numpy().reshape(shape)
    labels = [
        "" if np.isnan(r) else f"{terms.signed(r)}{'*' if q < findings.LEVEL else ''}"
        for r, q in zip(table.rho, table.p_holm, strict=True)
    ]
    bound = max(0.3, float(np.nanmax(np.abs(rho), initial=0)))
    scale = [[i / (len(tone.diverging) - 1), colour] for i, colour in enumerate(tone.diverging)]
    figure = go.Figure(
        go.Heatmap(
            z=rho,
            x=[f"{100 * density:.3g}" for density in densities],
            y=layers,
            zmin=-bound,
            zmax=bound,
            colorscale=scale,
            text=np.reshape(labels, shape),
            texttemplate="%{text}",
            xgap=2,
            ygap=2,
            colorbar={"title": "ρ", "thickness": 14},
            hovertemplate="%{y} at %{x} %<br>ρ %{z:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="density, % of the weights kept", type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", ticklabelstandoff=8, showgrid=False)
    return calm(figure, height=110 + 28 * len(layers))
