"""The parts of the Masks page. What is chosen (rung, layer, measure, pair) lives in widgets bound to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import bitmaps, charts, colours, findings, panels, words
from rtl_core.tickets.similarity import Similarity, chance_interval, layer_profile, ownership, pair, similarity
from rtl_core.tickets.ticket_set import Rung, TicketSet

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

ALL_LAYERS = "all layers"
_KINDS = {"denser": "denser: on the way down", "target": "target: the tickets", "lighter": "lighter: nested subsets"}


def rung_slider(tickets: TicketSet) -> Rung:
    """The density to look at, over the rungs that the masks are known at."""
    by_label = {words.density(rung.density): rung for rung in sorted(tickets.rungs, key=lambda rung: -rung.density)}
    if len(by_label) == 1:
        return tickets.target
    label = st.select_slider(
        "Density", list(by_label), words.density(tickets.target.density), key="rung", bind="query-params",
        help=panels.term("density") + " Denser rungs replay how the masks came about; lighter ones are nested in them.",
    )
    st.caption(_KINDS[by_label[label].kind])
    return by_label[label]


def layer_choice(tickets: TicketSet) -> str | None:
    by_label = {ALL_LAYERS: None} | {findings.short(name): name for name in tickets.layout.names}
    return by_label[st.selectbox("Layer", list(by_label), key="layer", bind="query-params")]


def measure_choice() -> str:
    """ "excess" or "iou"."""
    labels = {"against chance": "excess", "overlap": "iou"}
    label = st.segmented_control(
        "Show", list(labels), default="against chance", required=True, key="show", bind="query-params",
        help=panels.term("overlap") + " " + panels.term("excess"),
    )
    return labels[label]


def pair_choice(names: tuple[str, ...], first: tuple[int, int]) -> tuple[int, int] | None:
    """The two tickets to compare, by select boxes or by a click in the matrix; None where it is one ticket twice."""
    left, middle, right = st.columns([5, 1, 5], vertical_alignment="bottom")
    a = left.selectbox("Ticket A", list(names), first[0], key="a", bind="query-params")
    middle.markdown("<div style='text-align:center;padding-bottom:.5rem'>∩</div>", unsafe_allow_html=True)
    b = right.selectbox("Ticket B", list(names), first[1], key="b", bind="query-params")
    return None if a == b else (names.index(a), names.index(b))


def first_pair(tickets: TicketSet) -> tuple[int, int]:
    """The pair that shares most beyond chance at the target: where a reader looks first."""
    excess = np.triu(np.nan_to_num(similarity(tickets).excess, nan=-1.0), 1)
    excess[np.tril_indices(tickets.k)] = -2.0
    i, j = np.unravel_index(int(excess.argmax()), excess.shape)
    return int(i), int(j)


def current_pair(names: tuple[str, ...], first: tuple[int, int]) -> tuple[int, int]:
    """The pair as the select boxes below the matrix have it; they are drawn after it."""
    state = st.session_state
    return tuple(
        names.index(state[key]) if state.get(key) in names else default for key, default in zip("ab", first, strict=True)
    )


def matrix(found: Similarity, shown: str, chosen: tuple[int, int], title: str) -> None:
    """The clickable K x K matrix with its table beside it. A click puts the pair into the select boxes."""
    st.subheader(title, anchor=False)
    as_matrix, as_table = st.tabs(["Matrix", "Table"])
    with as_matrix:
        spec = charts.overlap_matrix(found, shown, chosen, colours.tone())
        st.echarts_chart(
            spec, key="matrix", on_select=lambda: _take_click(found.names), height=430,
            alt=f"Overlap of {len(found.names)} tickets; the same numbers stand in the table view",
        )
    with as_table:
        shown_matrix = found.excess if shown == "excess" else found.iou
        st.dataframe(pd.DataFrame(shown_matrix, index=found.names, columns=found.names).round(3), height=430)
    panels.reading(
        "Click a cell to see the pair below. 0 is what independent masks with the same layer densities would share, "
        "1 is identical." if shown == "excess" else
        "Click a cell to see the pair below. Overlap (IoU) is 1 for identical masks; compare it with chance before you read it.",
        pairs_frame(found), "overlap",
    )


def _take_click(names: tuple[str, ...]) -> None:
    picked = st.session_state["matrix"]["selection"]["selected"]
    if not picked or not picked[0]["data_indices"]:
        return
    i, j = divmod(picked[0]["data_indices"][0], len(names))
    if i < len(names) and i != j:
        st.session_state["a"], st.session_state["b"] = names[i], names[j]


def pairs_frame(found: Similarity) -> pd.DataFrame:
    i, j = np.triu_indices(len(found.names), 1)
    names = np.array(found.names)
    return pd.DataFrame({
        "a": names[i], "b": names[j], "iou": found.iou[i, j], "chance": found.chance[i, j], "excess": found.excess[i, j],
        "shared": found.intersection[i, j], "kept_a": found.size[i], "kept_b": found.size[j],
    })


def pair_panel(tickets: TicketSet, rung: Rung, i: int, j: int, layer: str | None) -> None:
    """Shared, only A, only B per layer, as counts and shares, and the chosen layer's kernels."""
    a, b = tickets.names[i], tickets.names[j]
    table = pair(tickets, a, b, rung)
    st.subheader(findings.pair_title(a, b, table.iloc[-1]), anchor=False)
    palette = colours.of_tickets(tickets.k)
    tone = colours.tone()
    _key([(tone.text, "both"), (palette[i], f"only {a}"), (palette[j], f"only {b}"), (tone.diverging[2], "neither")])
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.dataframe(_pair_table(table, a, b), hide_index=True)
        panels.reading("Counts of weights; “of A” is the share of A's weights that B keeps too.", table, "pair")
    with right:
        _kernels(tickets, rung, i, j, layer or tickets.layout.names[0], (tone.diverging[2], palette[i], palette[j], tone.text))


def _pair_table(table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    def share(kept: pd.Series) -> list[str]:
        return [words.percent(x, 0) for x in table.shared / kept.where(kept > 0)]

    return pd.DataFrame({
        "layer": [findings.short(name) for name in table.layer],
        "both": table.shared,
        f"only {a}": table.only_a,
        f"only {b}": table.only_b,
        f"shared, of {a}": share(table.shared + table.only_a),
        f"shared, of {b}": share(table.shared + table.only_b),
        "IoU": table.iou.round(3),
        "chance": table.chance.round(3),
        "excess": [words.signed(x) for x in table.excess],
    })


def _kernels(tickets: TicketSet, rung: Rung, i: int, j: int, layer: str, fills: tuple[str, str, str, str]) -> None:
    place = tickets.layout.names.index(layer)
    shape = tickets.layout.shapes[place]
    if len(shape) not in (2, 4):
        st.caption(f"{findings.short(layer)} has no kernels to draw.")
        return
    masks = tickets.masks(rung)[:, tickets.layout.slices()[layer]]
    codes = bitmaps.kernels(masks[i], masks[j], shape)
    st.image(bitmaps.picture(codes, fills, colours.tone().surface, width=520))
    whole = max(shape[:2]) <= bitmaps.SHOWN
    part = "" if whole else f" The first {bitmaps.SHOWN} of each are shown."
    what = "kernel" if len(shape) == 4 else "weight"
    st.caption(
        f"{findings.short(layer)}: one row per output ({shape[0]}), one column per input ({shape[1]}), one {what} per "
        f"place.{part} Choose another layer above."
    )


def _key(entries: list[tuple[str, str]]) -> None:
    from html import escape

    spans = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for colour, name in entries)
    st.html(f'<div class="lab-key">{spans}</div>')


def layers_view(tickets: TicketSet, rung: Rung) -> None:
    layers = layer_profile(tickets, rung)
    panels.chart(
        findings.masks(layers), charts.profile(layers, colours.tone()), layers,
        "Above: mean overlap of all pairs beside what chance gives at the same densities; the gap is what tickets share. "
        "Below: how much of each layer a ticket keeps.",
        "layers",
    )
    dead = layers[layers.empty_tickets > 0]
    if not dead.empty:
        st.warning(f"At this density at least one ticket keeps nothing in {words.listed([findings.short(x) for x in dead.layer])}: a dead layer.")


def ownership_view(tickets: TicketSet, rung: Rung, layer: str | None) -> None:
    per_layer = ownership(tickets, rung)
    if layer is not None:
        per_layer = per_layer[per_layer.layer == layer]
    counts = per_layer.groupby("owners", as_index=False)[["weights", "expected"]].sum()
    panels.chart(
        findings.ownership_title(counts, tickets.k), charts.owners(counts, colours.tone()), per_layer,
        "A bar counts the weights that so many tickets keep; the dash is what independent masks with the same layer "
        "densities would give. Bars above the dash on the right are weights that tickets agree on.",
        "ownership",
    )


def rungs_view(run: Run, metric: str) -> None:
    """What was measured at each density."""
    records = pd.DataFrame(run.info.get("rungs") or [])
    if records.empty:
        st.info("Nothing was measured at the other densities of this run.")
        return
    records["ticket_name"] = [run.tickets.names[k] for k in records.ticket]
    panels.chart(
        rungs_title(records, run.tickets.target, metric),
        charts.rungs(records, run.tickets.names, metric, run.tickets.target.density),
        records.drop(columns="ci", errors="ignore"),
        "Dotted: validation data during extraction, on each ticket's own weights. Solid: the final weights. The two are "
        "different measurements; the dashed line is the target density.",
        "rungs",
    )


def rungs_title(records: pd.DataFrame, target: Rung, metric: str) -> str:
    """How far below the target the tickets hold."""
    final = records[records.measure == "final"].groupby("density")[metric].mean()
    lighter = final[final.index < target.density - 1e-9]
    if lighter.empty:
        return "What was measured at each density"
    at_target = final[final.index >= target.density - 1e-9]
    lightest = words.density(lighter.index.min())
    if at_target.empty:
        return f"At {lightest} density the tickets still reach {words.percent(lighter.iloc[0])}"
    loss = at_target.iloc[0] - lighter.iloc[0]
    return f"From {words.density(target.density)} to {lightest} density the tickets lose {100 * loss:.1f} points"


def overlap_view(tickets: TicketSet, rung: Rung, layer: str | None, shown: str) -> None:
    """The matrix, then the pair under it."""
    found = similarity(tickets, rung, layer)
    first = first_pair(tickets)
    title = findings.matrix_title(found, chance_interval(tickets, rung, layer))
    matrix(found, shown, current_pair(tickets.names, first), title)
    st.space("small")
    chosen = pair_choice(tickets.names, first)
    if chosen is None:
        st.info("Choose two different tickets to compare.")
        return
    pair_panel(tickets, rung, *chosen, layer)
