"""Tickets between chance and their twins: how much of the difference between them is luck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, panels, retraining, session, terms
from app.charts import calm, error_bars, name_rows
from app.colours import Tone
from app.headlines import short
from app.markdown import plain
from app.masks import findings
from app.masks.view import View
from app.retraining import Offer, Shown
from rtl_core.errors import BadInput
from rtl_core.overlap.twins import Luck, luck
from rtl_core.runs import twins
from rtl_core.runs.twins_file import KeptTwins, read_twins

if TYPE_CHECKING:
    from rtl_core.events import Event
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.retrain import Cost

_DRAWN = 2_000  # pairs that are drawn as dots; all count
_WHOLE = "all layers"


def draw(view: View) -> None:
    """What was measured, or the button that measures it."""
    kept = _kept(view.run)
    if kept is None:
        _offer(view.run)
        return
    counts = kept.at(view.run, view.level)
    measured = luck(view.compared.counts, counts.only(view.layers))
    layers = {name: luck(view.counts.only([name]), counts.only([name])) for name in view.shown_layers}
    panels.chart(
        f"{findings.twins_title(measured)}{view.where}",
        _positions({_WHOLE: measured, **{short(name): one for name, one in layers.items()}}, colours.tone()),
        pairs_frame(measured),
        "A dot is a pair of subsets: a half of one beside the other half of the other. 0 is chance, 1 what two halves "
        "of one subset share, which differ in nothing but luck. Diamonds: all pairs, with a 95 % interval over "
        "subsets.",
        "twins",
    )
    st.caption(plain(findings.twins_sentence(measured, kept)))
    panels.chart(
        findings.kinds_title(measured),
        _kinds(view, measured, colours.tone()),
        subsets_frame(measured, kept),
        "The same on the scale of the matrix: excess over chance, a dot per pair or subset, the line their mean. "
        "Random masks lie around 0.",
        "twin-kinds",
    )


def pair_caption(view: View, i: int, j: int) -> None:
    """Where a pair lies between chance and twins, where that was measured."""
    kept = _kept(view.run)
    if kept is not None and i != j:
        measured = luck(view.compared.counts, kept.at(view.run, view.level).only(view.layers))
        st.caption(plain(findings.twins_pair(measured, i, j)))


def _kept(run: Run) -> KeptTwins | None:
    try:
        return read_twins(run, session.runs_root())
    except BadInput as error:
        panels.refuse(f"{error}.")


def _offer(run: Run) -> None:
    st.subheader("How much of this is luck?", anchor=False)
    st.write(
        "Two networks pruned on two random halves of the same data share less than everything, too. Such twins are the "
        "floor: only tickets of different subsets that share less than twins do follow their data. For every subset "
        "four more tickets are extracted as the run's own were: one for each of two random halves, one for the same "
        "rows again and one for them in another order."
    )
    retraining.offer(
        run,
        Offer(
            "twins",
            "Measure the twins",
            "The run itself stays as it is; what twins share is kept in its audits.",
            lambda: _cost(run),
            lambda on_event: twins.measure_twins(run, session.runs_root(), on_event),
            _steps_done,
        ),
    )


def _steps_done(event: Event) -> Shown | None:
    if event.phase != "extract" or not event.steps:
        return None
    return event.step / event.steps, f"{terms.count(event.step)} of {terms.count(event.steps)} steps"


@cache.of_run(kind=st.cache_data, max_entries=64, show_spinner="Estimating the time")
def _cost(run: Run) -> Cost:
    return twins.cost(run)


def pairs_frame(measured: Luck) -> pd.DataFrame:
    """One row per pair of subsets."""
    i, j = np.triu_indices(len(measured.names), 1)
    names = np.array(measured.names)
    return pd.DataFrame(
        {
            "a": names[i],
            "b": names[j],
            "twin": measured.twin[i, j],
            "halves_iou": measured.across.iou[i, j],
            "halves_excess": measured.across.excess[i, j],
            "position": measured.position[i, j],
            "position_tickets": measured.position_tickets[i, j],
        }
    )


def subsets_frame(measured: Luck, kept: KeptTwins) -> pd.DataFrame:
    """One row per subset."""
    return pd.DataFrame(
        {
            "subset": measured.names,
            "rows": kept.rows,
            "rows_half": kept.rows_half,
            "halves_iou": measured.halves.iou,
            "halves_chance": measured.halves.chance,
            "halves_excess": measured.halves.excess,
            "order_iou": measured.order.iou,
            "order_excess": measured.order.excess,
            "again_iou": measured.again.iou,
        }
    )


def _positions(places: dict[str, Luck], tone: Tone) -> go.Figure:
    """A row for all layers and for each: pairs as dots, all of them as a diamond with its interval."""
    figure, names = go.Figure(), list(places)
    for row, one in enumerate(places.values()):
        frame = pairs_frame(one).dropna(subset=["position"])
        frame = frame.iloc[:: -(-len(frame) // _DRAWN) or 1]
        figure.add_scatter(
            x=frame.position,
            y=np.full(len(frame), row) + 0.2,
            mode="markers",
            marker={"size": 7, "color": tone.muted, "opacity": 0.55},
            customdata=frame[["a", "b"]],
            hovertemplate="%{customdata[0]} and %{customdata[1]}<br>%{x:.2f} of what twins share<extra></extra>",
        )
    at = pd.DataFrame([vars(one.samples) for one in places.values()])
    figure.add_scatter(
        x=at.value,
        y=np.arange(len(at)) - 0.12,
        mode="markers",
        marker={"size": 13, "symbol": "diamond", "color": colours.TICKETS[0]},
        error_x=error_bars(at.value, at.low, at.high, color=colours.TICKETS[0], thickness=1.8, width=6),
        customdata=at[["low", "high"]],
        hovertemplate="all pairs: %{x:.2f}, %{customdata[0]:.2f} to %{customdata[1]:.2f}<extra></extra>",
    )
    for x, label in ((0, "chance"), (1, "twins")):
        figure.add_vline(x=x, line={"color": tone.text, "width": 1.4})
        figure.add_annotation(x=x, y=1, yref="paper", yanchor="bottom", text=label, showarrow=False)
    ends = at[["low", "high"]].to_numpy()
    low, high = (float(end(ends[np.isfinite(ends)], initial=x)) for end, x in ((np.min, 0), (np.max, 1)))
    figure.update_xaxes(
        title="share of the way from chance to twins", zeroline=False, range=[min(low, -0.05), max(high, 1.05)]
    )
    name_rows(figure, names)
    figure.update_layout(showlegend=False)
    return calm(figure, height=120 + 40 * len(names))


def _kinds(view: View, measured: Luck, tone: Tone) -> go.Figure:
    """The excess of four kinds of pairs: tickets, halves of different subsets, and both kinds of twins."""
    pairs = np.triu_indices(len(measured.names), 1)
    names = np.array(measured.names)
    both = [f"{a} and {b}" for a, b in zip(names[pairs[0]], names[pairs[1]], strict=True)]
    palette, muted = colours.of_tickets(len(names)), tone.muted
    kinds = (
        ("tickets of<br>different subsets", view.compared.measures.excess[pairs], both, muted),
        ("halves of<br>different subsets", measured.across.excess[pairs], both, muted),
        ("twins: halves<br>of one subset", measured.halves.excess, list(names), palette),
        ("twins: same rows,<br>another order", measured.order.excess, list(names), palette),
    )
    figure = go.Figure()
    for row, (_, values, labels, colour) in enumerate(kinds):
        figure.add_scatter(
            x=values,
            y=np.full(len(values), row),
            mode="markers",
            marker={"size": 10, "color": colour, "opacity": 0.75},
            customdata=labels,
            hovertemplate="%{customdata}<br>excess %{x:+.3f}<extra></extra>",
        )
        mean = float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
        figure.add_shape(
            type="line", x0=mean, x1=mean, y0=row - 0.3, y1=row + 0.3, line={"color": tone.text, "width": 2}
        )
    figure.add_vline(x=0, line={"color": tone.text, "dash": "dot", "width": 1})
    figure.update_xaxes(title="excess over chance (dotted: chance)", zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(kinds))),
        ticktext=[label for label, *_ in kinds],
        range=[len(kinds) - 0.5, -0.5],
        ticklabelstandoff=8,
        showgrid=False,
        zeroline=False,
    )
    figure.update_layout(showlegend=False)
    return calm(figure, height=300)
