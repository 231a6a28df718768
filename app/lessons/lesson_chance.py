"""Lesson: how much do two random masks overlap? Guess, draw, drag the densities, then look at real tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import bitmaps, cache, colours, terms
from app.attribution import heatmaps
from app.colours import Tone
from app.headlines import short
from app.lessons import frame, lesson_chance_twins
from app.lessons.lesson import Lesson
from app.lessons.lesson_chance_masks import PAIRS, SIDE, Drawn, N, drawn, real_pairs
from rtl_core.overlap.similarity import layer_profile
from rtl_core.runs import store

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

GUESSES = ("0 %", "10 %", "25 %", "33 %", "50 %", "75 %")
LAST = 999_999  # of the pairs that can be drawn
_PICTURE = 240  # pixels
_PAGE = """<style>
.chance-masks { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1.2rem 1.6rem; }
.chance-masks figure { margin: 0; }
.chance-masks img { width: 100%; image-rendering: pixelated; border-radius: 6px; display: block; }
.chance-masks figcaption { margin-top: .45rem; line-height: 1.45; }
.chance-masks i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .4em; }
</style>"""


def play() -> bool:
    st.html(_PAGE)
    frame.prose(
        "A [[network]] computes with many [[weights|weight]]. A [[mask]] keeps some of them. Take two masks that "
        "each keep half of the weights, drawn by lot, neither knowing of the other. Their [[overlap]] is the weights "
        "that both keep as a share of the weights that at least one keeps."
    )
    frame.step(1, "Guess first")
    guess = frame.guess("chance-guess", "How much do two random masks overlap that keep half each?", GUESSES)
    if guess is None or not frame.reveal("chance-drawn", "Draw two masks"):
        return False
    frame.step(2, "Drag how much each mask keeps, and watch the third picture")
    _drag(guess)
    frame.step(3, "Now masks that were learned")
    if not frame.reveal("chance-real", "Show five learned masks"):
        return False
    sample = cache.load_run(store.samples()["domains"])
    _real(sample)
    lesson_chance_twins.show(sample)
    return True


def _drag(guess: str) -> None:
    left, right, again = st.columns([3, 3, 2], gap="large", vertical_alignment="bottom")
    sliders = {"min_value": 5, "max_value": 95, "value": 50, "step": 5, "format": "%d %%", "bind": "query-params"}
    a = left.slider("Mask A keeps", key="chance-a", **sliders)
    b = right.slider("Mask B keeps", key="chance-b", **sliders)
    number = min(max(frame.state("chance-number", 0), 0), LAST)
    again.button("Draw again", on_click=frame.keep, args=("chance-number", number + 1), width="stretch")
    pair = drawn(a / 100, b / 100, number)
    _pictures(pair, colours.tone())
    as_guessed = (a, b) == (50, 50)
    frame.plot(_histogram(pair, float(guess.split()[0]) if as_guessed else None, colours.tone()), "chance-pairs", 270)
    low, high = np.quantile(pair.others, [0.025, 0.975])
    st.caption(
        f"Each bar counts pairs among {PAIRS:,} drawn with {N} weights; the middle 95 % of them overlap by "
        f"{100 * low:.0f} to {100 * high:.0f} %."
    )
    who = "keep half each" if as_guessed else f"keep {a} % and {b} %"
    answer = f" You said {guess}." if as_guessed else ""
    frame.surprise(
        f"Two masks that know nothing of each other and {who} share **{terms.percent(pair.chance, 0)}** of what "
        f"at least one keeps.{answer}"
    )
    both, either = a * b / 100, a + b - a * b / 100
    frame.prose(
        f"Mask A keeps a weight {a} times in 100, mask B {b} times, so both keep it {both:.3g} times and at least one "
        f"{either:.3g} times: {both:.3g} / {either:.3g} is {terms.percent(both / either)}. This is the overlap that "
        "[[chance]] gives. The more is kept, the larger it is."
    )
    frame.side_note(
        "The share that a mask keeps is its [[density]]. Where both masks have density d, chance gives d / (2 − d): "
        f"{_equal_masks(0.1)} at 10 %, {_equal_masks(0.5)} at 50 %, {_equal_masks(0.9)} at 90 %."
    )


def _equal_masks(density: float) -> str:
    return terms.percent(density / (2 - density), 0)


def _pictures(pair: Drawn, tone: Tone) -> None:
    nothing = np.zeros(N, bool)
    (size_a, size_b), both = pair.counts.kept[0], int(pair.counts.shared[0, 0, 1])
    fills = (colours.TICKETS[0], colours.TICKETS[1], tone.text)
    shared = f"Both keep {both} of the {size_a + size_b - both} that at least one keeps: "
    shown = (
        (pair.a, nothing, f"Mask A keeps {size_a} of {N}", ""),
        (nothing, pair.b, f"Mask B keeps {size_b} of {N}", ""),
        (pair.a, pair.b, shared, terms.percent(pair.iou)),
    )
    figures = []
    for fill, (a, b, caption, share) in zip(fills, shown, strict=True):
        codes = bitmaps.kernels(a, b, (SIDE, SIDE))
        pixels = bitmaps.picture(codes, (tone.diverging[2], *fills), tone.surface, _PICTURE)
        figures.append(
            f'<figure><img src="{heatmaps.address(pixels)}" alt="{caption}{share}">'
            f'<figcaption><i style="background:{fill}"></i>{caption}<strong>{share}</strong></figcaption></figure>'
        )
    st.html(f'<div class="chance-masks">{"".join(figures)}</div>')


def _histogram(pair: Drawn, guess: float | None, tone: Tone) -> go.Figure:
    """The overlaps of many random pairs, with the guess, what is expected and the pair above marked."""
    figure = go.Figure()
    figure.add_histogram(
        x=100 * pair.others,
        xbins={"start": 0, "end": 101, "size": 1},
        marker_color=tone.muted,
        opacity=0.55,
        hovertemplate="overlap %{x} %<br>%{y} pairs<extra></extra>",
    )
    marks = [("expected", 100 * pair.chance, tone.text, "solid"), ("this pair", 100 * pair.iou, tone.text, "dot")]
    if guess is not None:
        marks.append(("your guess", guess, colours.TICKETS[1], "dash"))
    for row, (name, x, colour, dash) in enumerate(marks):
        top = 1 - 0.12 * row  # one above the other: the lines may stand close together
        line = {"color": colour, "width": 2, "dash": dash}
        figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=top, yref="paper", line=line)
        figure.add_annotation(
            x=x,
            y=top,
            yref="paper",
            text=f"{name} {x:.3g} %",
            showarrow=False,
            xanchor="left" if x < 75 else "right",
            yanchor="top",
            xshift=4 if x < 75 else -4,
            font={"color": tone.text},
        )
    figure.update_xaxes(title="overlap, %", range=[-1, 101], zeroline=False)
    figure.update_yaxes(title=f"of {PAIRS:,} pairs", domain=[0, 0.62], zeroline=False, nticks=4)
    figure.update_layout(bargap=0.08)
    return figure


def _real(run: Run) -> None:
    counts = cache.overlap_counts(run, run.tickets.target)
    layers, pairs = layer_profile(counts), real_pairs(counts)
    frame.prose(
        f"A [[ticket]] is a mask that was learned for one part of the data. These {counts.k} share one network and "
        f"see the same clothes in {counts.k} [[domains|domain]]: {terms.listed(list(counts.names))}. Each keeps "
        f"{terms.density(counts.density)} of all weights, but not of every [[layer]]. The layers are called "
        f"{terms.listed([short(layer) for layer in layers.layer])}; the picture enters at the first."
    )
    most, least = layers.loc[layers.iou_mean.idxmax()], layers.loc[layers.iou_mean.idxmin()]
    frame.plot(_layers(layers, pairs, colours.tone()), "chance-layers", 360)
    st.caption(
        f"Each dot is one of the {len(pairs) // len(layers)} pairs of tickets, “shared” their mean. The grey bar is "
        "where 95 % of random pairs lie that keep as many weights of the layer."
    )
    outside = int(((pairs.iou < pairs.low) | (pairs.iou > pairs.high)).sum())
    frame.prose(
        f"In {short(most.layer)} two tickets share **{terms.percent(most.iou_mean, 0)}**, the most of all layers. They "
        f"keep {terms.percent(most.density_mean, 0)} of it, so chance alone gives "
        f"**{terms.percent(most.chance_mean, 0)}**. In {short(least.layer)} they share "
        f"**{terms.percent(least.iou_mean, 0)}**, where chance gives **{terms.percent(least.chance_mean, 0)}**: "
        f"{least.iou_mean / least.chance_mean:.1f} times as much, against {most.iou_mean / most.chance_mean:.1f} times "
        f"in {short(most.layer)}. {outside} of {len(pairs)} dots lie outside the grey bars."
    )
    frame.side_note(
        "The Masks page shows this as [[excess]]: what is shared above chance, as a share of what could be "
        "shared above it. It is "
        + terms.listed([f"{terms.signed(row.excess_mean)} in {short(row.layer)}" for row in layers.itertuples()])
        + "."
    )


def _layers(layers: pd.DataFrame, pairs: pd.DataFrame, tone: Tone) -> go.Figure:
    """Input on top; chance is a bar, pairs are dots."""
    names = [
        f"{short(row.layer)}<br>keeps {terms.percent(row.density_mean, 0)} of {row.n:,}" for row in layers.itertuples()
    ]
    place = dict(zip(layers.layer, names, strict=True))
    reach = pairs.groupby("layer", sort=False).agg(low=("low", "min"), high=("high", "max"))
    figure = go.Figure()
    figure.add_bar(
        base=100 * reach.low,
        x=100 * (reach.high - reach.low),
        y=[place[layer] for layer in reach.index],
        orientation="h",
        width=0.36,
        marker={"color": tone.muted, "opacity": 0.45, "line": {"color": tone.muted, "width": 2}},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=100 * pairs.iou,
        y=pairs.layer.map(place),
        mode="markers",
        marker={"size": 12, "color": colours.TICKETS[0], "opacity": 0.75, "line": {"color": tone.surface, "width": 1}},
        customdata=pairs.pair,
        hovertemplate="%{customdata}<br>overlap %{x:.1f} %<extra></extra>",
    )
    for row in layers.itertuples():
        label = {"y": place[row.layer], "yshift": 34, "showarrow": False}
        chance, shared = (terms.percent(x, 0) for x in (row.chance_mean, row.iou_mean))
        figure.add_annotation(x=100 * reach.high[row.layer], xanchor="right", text=f"chance {chance}", **label)
        figure.add_annotation(x=100 * row.iou_mean, text=f"shared {shared}", **label)
    figure.update_xaxes(title="overlap, %", range=[-9, 101], zeroline=False)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], ticklabelstandoff=8)
    figure.update_layout(showlegend=False)
    return figure


LESSON = Lesson(
    slug="chance",
    question="How much do two random masks overlap?",
    promise="A mask says which numbers of a network are kept. You will draw two by lot, and then see learned ones.",
    minutes=6,
    trains=False,
    pictures=False,
    take_home="An overlap says nothing until you know what chance alone would give.",
    play=play,
)
