"""The parts of the Masks page. What is chosen (rung, layer, measure, pair) lives in widgets bound to the address."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import bitmaps, charts, colours, findings, panels, words
from rtl_core.tickets.chance import chance_interval
from rtl_core.tickets.overlap import overlap
from rtl_core.tickets.sharing import ownership
from rtl_core.tickets.similarity import Similarity, layer_profile, pair, similarity
from rtl_core.tickets.ticket_set import Rung, TicketSet

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

ALL_LAYERS = "all layers"
_PICTURED = 2  # layers whose kernels are drawn while none is chosen
_KINDS = {"denser": "denser: on the way down", "target": "target: the tickets", "lighter": "lighter: nested subsets"}


def rung_slider(tickets: TicketSet) -> Rung:
    """The density to look at, over the rungs that the masks are known at."""
    by_label = {words.density(rung.density): rung for rung in sorted(tickets.rungs, key=lambda rung: -rung.density)}
    if len(by_label) == 1:
        return tickets.target
    label = st.select_slider(
        "Density",
        list(by_label),
        words.density(tickets.target.density),
        key="rung",
        bind="query-params",
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
        "Show",
        list(labels),
        default="against chance",
        required=True,
        key="show",
        wrap=True,
        bind="query-params",
        help=panels.term("overlap") + " " + panels.term("excess"),
    )
    return labels[label]


def detail_choice() -> str:
    """Which of the detailed charts is drawn; the others cost nothing."""
    return st.segmented_control(
        "Details",
        ["Layer by layer", "Who owns the weights", "Density by density"],
        default="Layer by layer",
        required=True,
        key="detail",
        bind="query-params",
        wrap=True,
        label_visibility="collapsed",
    )


def pair_choice(names: tuple[str, ...], first: tuple[int, int]) -> tuple[int, int] | None:
    """The two tickets to compare, by select boxes or by a click in the matrix; None where it is one ticket twice."""
    left, right = st.columns(2)
    a = left.selectbox("Ticket A", list(names), first[0], key="a", bind="query-params")
    b = right.selectbox("Ticket B", list(names), first[1], key="b", bind="query-params")
    return None if a == b else (names.index(a), names.index(b))


def first_pair(tickets: TicketSet) -> tuple[int, int]:
    """The pair that shares most beyond chance at the target: where a reader looks first."""
    excess = np.triu(np.nan_to_num(similarity(overlap(tickets)).excess, nan=-1.0), 1)
    excess[np.tril_indices(tickets.k)] = -2.0
    i, j = np.unravel_index(int(excess.argmax()), excess.shape)
    return int(i), int(j)


def current_pair(names: tuple[str, ...], first: tuple[int, int]) -> tuple[int, int]:
    """The pair as the select boxes below the matrix have it; they are drawn after it."""
    state = st.session_state
    return tuple(
        names.index(state[key]) if state.get(key) in names else default
        for key, default in zip("ab", first, strict=True)
    )


def matrix(found: Similarity, shown: str, chosen: tuple[int, int], title: str) -> None:
    """The clickable K x K matrix with its table beside it. A click puts the pair into the select boxes."""
    st.subheader(title, anchor=False)
    as_matrix, as_table = st.tabs(["Matrix", "Table"])
    with as_matrix:
        spec = charts.overlap_matrix(found, shown, chosen, colours.tone())
        st.echarts_chart(
            spec,
            key="matrix",
            on_select=lambda: _take_click(found.names),
            height=430,
            alt=f"Overlap of {len(found.names)} tickets; the same numbers stand in the table view",
        )
    with as_table:
        shown_matrix = found.excess if shown == "excess" else found.iou
        st.dataframe(pd.DataFrame(shown_matrix, index=found.names, columns=found.names).round(3), height=430)
    panels.reading(
        "Click a cell to see the pair. 0 is what independent masks with the same layer densities would share, "
        "1 is identical."
        if shown == "excess"
        else "Click a cell to see the pair. Overlap (IoU) is 1 for identical masks; compare it with chance.",
        pairs_frame(found),
        "overlap",
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
    return pd.DataFrame(
        {
            "a": names[i],
            "b": names[j],
            "iou": found.iou[i, j],
            "chance": found.chance[i, j],
            "excess": found.excess[i, j],
            "shared": found.intersection[i, j],
            "kept_a": found.size[i],
            "kept_b": found.size[j],
        }
    )


def pair_picture(tickets: TicketSet, rung: Rung, i: int, j: int, layer: str | None) -> None:
    """The pair in one sentence, and the kernels of the chosen layer in three colours."""
    a, b = tickets.names[i], tickets.names[j]
    total = pair(overlap(tickets, rung), a, b).iloc[-1]
    st.subheader(findings.pair_title(a, b, total), anchor=False)
    palette, tone = colours.of_tickets(tickets.k), colours.tone()
    fills = (tone.diverging[2], palette[i], palette[j], tone.text)
    _key(dict(zip((f"only {a}", f"only {b}", "both", "neither"), (*fills[1:], fills[0]), strict=True)))
    for name in [layer] if layer else tickets.layout.names[:_PICTURED]:
        _kernels(tickets, rung, i, j, name, fills)


def pair_numbers(tickets: TicketSet, rung: Rung, i: int, j: int) -> None:
    """Shared, only A, only B per layer, as counts and shares."""
    a, b = tickets.names[i], tickets.names[j]
    table = pair(overlap(tickets, rung), a, b)
    st.dataframe(_pair_table(table, a, b), hide_index=True)
    panels.reading(
        f"Counts of weights; “shared, of {a}” is the share of {a}'s weights that {b} keeps too.", table, "pair"
    )


def _pair_table(table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    def share(kept: pd.Series) -> list[str]:
        return [words.percent(x, 0) for x in table.shared / kept.where(kept > 0)]

    return pd.DataFrame(
        {
            "layer": [findings.short(name) for name in table.layer],
            "both": table.shared,
            f"only {a}": table.only_a,
            f"only {b}": table.only_b,
            f"shared, of {a}": share(table.shared + table.only_a),
            f"shared, of {b}": share(table.shared + table.only_b),
            "IoU": table.iou.round(3),
            "chance": table.chance.round(3),
            "excess": [words.signed(x) for x in table.excess],
        }
    )


def _kernels(tickets: TicketSet, rung: Rung, i: int, j: int, layer: str, fills: tuple[str, str, str, str]) -> None:
    place = tickets.layout.names.index(layer)
    shape = tickets.layout.shapes[place]
    if len(shape) not in (2, 4):
        st.caption(f"{findings.short(layer)} has no kernels to draw.")
        return
    masks = tickets.masks(rung)[:, tickets.layout.slices()[layer]]
    codes = bitmaps.kernels(masks[i], masks[j], shape)
    st.image(bitmaps.picture(codes, fills, colours.tone().surface, width=520 if len(shape) == 4 else 330))
    part = "" if max(shape[:2]) <= bitmaps.SHOWN else f" The first {bitmaps.SHOWN} of each are shown."
    st.caption(f"{findings.short(layer)}: a column is one of {shape[0]} outputs, a row one of {shape[1]} inputs.{part}")


def _key(fills: dict[str, str]) -> None:
    spans = "".join(f'<span><i style="background:{fill}"></i>{escape(name)}</span>' for name, fill in fills.items())
    st.html(f'<div class="lab-key">{spans}</div>')


def layers_view(tickets: TicketSet, rung: Rung) -> None:
    layers = layer_profile(overlap(tickets, rung))
    panels.chart(
        findings.masks(layers),
        charts.profile(layers, colours.tone()),
        layers,
        "Above: mean overlap of all pairs beside what chance gives at the same densities. "
        "Below: how much of each layer a ticket keeps.",
        "layers",
    )
    dead = [findings.short(name) for name in layers.layer[layers.empty_tickets > 0]]
    if dead:
        st.warning(f"Dead layers: at this density at least one ticket keeps nothing in {words.listed(dead)}.")


def ownership_view(tickets: TicketSet, rung: Rung, layer: str | None) -> None:
    per_layer = ownership(tickets, rung)
    if layer is not None:
        per_layer = per_layer[per_layer.layer == layer]
    counts = per_layer.groupby("owners", as_index=False)[["weights", "expected"]].sum()
    panels.chart(
        findings.ownership_title(counts, tickets.k),
        charts.owners(counts, colours.tone()),
        per_layer,
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
        "Dotted: validation data during extraction, on each ticket's own weights. Solid: the final weights. "
        "These are two different measurements; the dashed line is the target density.",
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
    """The matrix with the chosen pair's picture beside it, and the pair's numbers below."""
    counts = overlap(tickets, rung).only(None if layer is None else [layer])
    found = similarity(counts)
    first = first_pair(tickets)
    left, right = st.container(key="overlap").columns([6, 5], gap="large")
    with left:
        title = findings.matrix_title(found, chance_interval(counts))
        matrix(found, shown, current_pair(tickets.names, first), title)
    with right:
        chosen = pair_choice(tickets.names, first)
        if chosen is None:
            st.info("Choose two different tickets to compare.")
            return
        pair_picture(tickets, rung, *chosen, layer)
    pair_numbers(tickets, rung, *chosen)
