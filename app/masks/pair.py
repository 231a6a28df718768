"""Two tickets in detail: what both keep, what either keeps alone, in numbers and as pictures of their kernels."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import bitmaps, charts, colours, panels, terms
from app.charts import calm
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import exchange, findings
from app.masks.view import View
from rtl_core.overlap.similarity import TOTAL, pair

_TELLABLE = 110  # distance of two colours in red, green and blue (0 to 255) from which dots of a few pixels differ
_PICTURED = 2  # layers whose kernels are drawn while none is chosen


def places(side_by_side: bool) -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Where the matrix, the pair's numbers and its pictures go: a large matrix takes the whole width."""
    if side_by_side:
        left, right = st.container(key="overlap").columns([6, 5], gap="large")
        return left, right, right
    whole = st.container()
    left, right = st.container(key="overlap").columns([5, 6], gap="large")
    return whole, left, right


def most_similar(view: View) -> tuple[int, int]:
    """The pair that shares most beyond chance at the tickets' own density: where a reader looks first."""
    i, j = np.triu_indices(view.tickets.k, 1)
    excess = np.nan_to_num(View(view.run, view.tickets.target, None, "").compared.measures.excess[i, j], nan=-2.0)
    best = int(excess.argmax())
    return int(i[best]), int(j[best])


def choice(names: tuple[str, ...], first: tuple[int, int]) -> tuple[int, int]:
    """The two tickets to compare, by select boxes or by a click in the matrix; they may be the same one."""
    left, right = st.columns(2)
    a = left.selectbox("Ticket A", list(names), first[0], key="a", bind="query-params")
    b = right.selectbox("Ticket B", list(names), first[1], key="b", bind="query-params")
    return names.index(a), names.index(b)


def summary(view: View, i: int, j: int) -> None:
    """The pair's finding and its test."""
    if i == j:
        st.info("Choose two different tickets to compare.")
        return
    a, b = view.names[i], view.names[j]
    total = _table(view, a, b).iloc[-1]
    st.subheader(plain(findings.pair_title(a, b, total.shared, total.excess)), anchor=False)
    pairs = int((~np.isnan(view.compared.p)).sum()) // 2
    st.caption(plain(findings.pair_sentence(view.test(a, b), view.compared.p[i, j], pairs)))


def pictures(view: View, i: int, j: int) -> None:
    """The kernels of the layers looked at, in three colours."""
    if i == j:
        return
    a, b = view.names[i], view.names[j]
    tone = colours.tone()
    fills = (tone.diverging[2], *_two_colours(view, i, j), tone.text)
    _key(dict(zip((f"only {a}", f"only {b}", "both", "neither"), (*fills[1:], fills[0]), strict=True)))
    for layer in view.shown_layers[:_PICTURED]:
        _kernels(view, i, j, layer, fills)


def draw(view: View, i: int, j: int) -> None:
    """Layer by layer: shared, only A, only B; then what the difference does to A's figures."""
    if i == j:
        st.info("Choose two different tickets above.")
        return
    a, b = view.names[i], view.names[j]
    table = _table(view, a, b)
    st.subheader(plain(bars_title(table, a, b)), anchor=False)
    charts.show(bars(table[:-1], (a, b), _two_colours(view, i, j), colours.tone()), key="chart-pair")
    panels.reading(
        "A bar is all that either ticket keeps in a layer; its middle is what both keep. The numbers are weights.",
        table,
        "pair",
    )
    with st.expander("Table: counts and shares per layer"):
        st.dataframe(_shares(table, a, b), hide_index=True)
    exchange.draw(view, i, j)


def _two_colours(view: View, i: int, j: int) -> tuple[str, str]:
    """The tickets' own colours; where these are too near to be told apart, B borrows the one farthest from A's."""
    palette = colours.of_tickets(view.tickets.k)
    if _apart(palette[i], palette[j]) >= _TELLABLE:
        return palette[i], palette[j]
    return palette[i], max(colours.TICKETS, key=lambda colour: _apart(palette[i], colour))


def _apart(a: str, b: str) -> float:
    return float(np.hypot.reduce([int(a[c : c + 2], 16) - int(b[c : c + 2], 16) for c in (1, 3, 5)]))


def _table(view: View, a: str, b: str) -> pd.DataFrame:
    return pair(view.compared.counts, a, b)


def bars_title(table: pd.DataFrame, a: str, b: str) -> str:
    """Where the pair is closest, as a share of what either keeps."""
    layers = table[:-1].dropna(subset=["iou"])
    if layers.empty:
        return f"{a} and {b} keep nothing here"
    most, least = layers.loc[layers.iou.idxmax()], layers.loc[layers.iou.idxmin()]
    most_sentence = f"{terms.percent(most.iou, 0)} of what {a} or {b} keeps in {short(most.layer)} is common to both"
    return (
        most_sentence if len(layers) == 1 else f"{most_sentence}, {terms.percent(least.iou, 0)} in {short(least.layer)}"
    )


def bars(layers: pd.DataFrame, names: tuple[str, str], fills: tuple[str, str], tone: Tone) -> go.Figure:
    """Per layer, of all that either keeps: only A, both, only B. Input on top."""
    (a, b), (colour_a, colour_b) = names, fills
    union = (layers.shared + layers.only_a + layers.only_b).where(lambda n: n > 0)
    figure = go.Figure()
    pieces = ((f"only {a}", "only_a", colour_a), ("both", "shared", tone.text), (f"only {b}", "only_b", colour_b))
    for name, column, fill in pieces:
        figure.add_bar(
            y=[short(layer) for layer in layers.layer],
            x=100 * layers[column] / union,
            name=name,
            orientation="h",
            marker={"color": fill, "line": {"color": tone.surface, "width": 1}},
            text=[terms.count(n) for n in layers[column]],
            textposition="inside",
            insidetextanchor="middle",
            textfont={"color": colours.readable_on(fill)},
            hovertemplate="%{y}, %{fullData.name}<br>%{x:.1f} %, %{text} weights<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.3, uniformtext={"minsize": 10, "mode": "hide"})
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"})
    figure.update_xaxes(title="share of the weights that either keeps, %", range=[0, 100], zeroline=False)
    figure.update_yaxes(autorange="reversed", ticklabelstandoff=8)
    return calm(figure, height=130 + 26 * max(len(layers), 3))


def _shares(table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    def share(kept: pd.Series) -> list[str]:
        return [terms.percent(x, 0) for x in table.shared / kept.where(kept > 0)]

    return pd.DataFrame(
        {
            "layer": ["together" if name == TOTAL else short(name) for name in table.layer],
            "both": table.shared,
            f"only {a}": table.only_a,
            f"only {b}": table.only_b,
            f"shared, of {a}": share(table.shared + table.only_a),
            f"shared, of {b}": share(table.shared + table.only_b),
            "IoU": table.iou.round(3),
            "chance": table.chance.round(3),
            "excess": [terms.signed(x) for x in table.excess],
        }
    )


def _kernels(view: View, i: int, j: int, layer: str, fills: tuple[str, str, str, str]) -> None:
    layout = view.tickets.layout
    shape = layout.shapes[layout.names.index(layer)]
    if len(shape) not in (2, 4):
        st.caption(plain(f"{short(layer)} has no kernels to draw."))
        return
    start = layout.slices()[layer].start
    drawn = (min(shape[0], bitmaps.SHOWN), *shape[1:])
    masks = view.tickets.masks(view.level, slice(start, start + int(np.prod(drawn))))
    codes = bitmaps.kernels(masks[i], masks[j], drawn)
    picture = bitmaps.picture(codes, fills, colours.tone().surface, width=520 if len(shape) == 4 else 330)
    st.image(picture)
    note = "" if max(shape[:2]) <= bitmaps.SHOWN else f" The first {bitmaps.SHOWN} of each are shown."
    rows = f"a row one of {shape[1]} inputs" if shape[1] > 1 else "there is one input"
    st.caption(plain(f"{short(layer)}: a column is one of {shape[0]} outputs, {rows}.{note}"))


def _key(fills: dict[str, str]) -> None:
    spans = "".join(f'<span><i style="background:{fill}"></i>{escape(name)}</span>' for name, fill in fills.items())
    st.html(f'<div class="lab-key">{spans}</div>')
