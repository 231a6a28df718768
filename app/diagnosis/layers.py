"""Layer by layer on the way down: excess over chance or the share that is kept, with layers that run empty marked."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from app import colours, panels, terms
from app.charts import calm
from app.colours import Tone
from app.diagnosis import findings
from app.diagnosis.view import View
from app.headlines import short
from app.segmented import one_of

_WRITTEN = 14  # densities up to which every field bears its number


@dataclass(frozen=True)
class _Shown:
    """What a field of the heatmap is: its column, how it is written, and what its colours mean."""

    column: str
    written: str
    title: str
    reading: str


_KEPT = _Shown("density_mean", "{:.0%}", "kept", "the share of a layer that a ticket keeps, as a mean over tickets.")
_EXCESS = _Shown("excess_mean", "{:+.2f}", "excess", "mean excess of all pairs over chance: 0 is chance, 1 identical.")
_SHOWN = {"share kept": _KEPT, "excess over chance": _EXCESS}


def draw(view: View) -> None:
    shown = _KEPT
    if view.pairs:
        shown = _SHOWN[one_of("Show", _SHOWN, key="heat")]
    panels.chart(
        findings.excess_title(view.layers) if shown is _EXCESS else findings.kept_title(view.layers),
        figure(view.layers, shown, colours.tone()),
        view.layers,
        f"Layers from input (top) to output, denser on the left: {shown.reading} ✕: in this layer at least one ticket "
        "keeps nothing and is dead; empty fields have no value.",
        "layer-heat",
    )


def figure(layers: pd.DataFrame, shown: _Shown, tone: Tone) -> go.Figure:
    names, densities = list(dict.fromkeys(layers.layer)), list(dict.fromkeys(layers.density))
    wide = layers.pivot(index="layer", columns="density")
    values = wide[shown.column].loc[names, densities]
    empty = wide.empty_tickets.loc[names, densities].astype(int)
    centred = shown is _EXCESS
    scale = tone.diverging if centred else tone.sequential
    low, high = (-1, 1) if centred else (0, 1)
    drawn = go.Figure()
    drawn.add_heatmap(
        z=values.to_numpy(),
        x=[terms.density(density) for density in densities],
        y=[short(name) for name in names],
        zmin=low,
        zmax=high,
        colorscale=[[i / (len(scale) - 1), colour] for i, colour in enumerate(scale)],
        xgap=2,
        ygap=2,
        customdata=empty.to_numpy(),
        colorbar={"title": shown.title, "thickness": 12, "tickformat": "+.1f" if centred else ".0%"},
        hovertemplate=f"%{{y}}, %{{x}}<br>{shown.title} %{{z:.3f}}<br>empty in %{{customdata}} tickets<extra></extra>",
    )
    for i, name in enumerate(names):
        for j, density in enumerate(densities):
            value, dead = values.loc[name, density], empty.loc[name, density]
            written = shown.written.format(value) if pd.notna(value) and len(densities) <= _WRITTEN else ""
            if not dead and not written:
                continue
            field = colours.on_scale(scale, (value - low) / (high - low)) if pd.notna(value) else tone.surface
            drawn.add_annotation(
                x=j,
                y=i,
                text="✕" if dead else written.replace("-", "−"),
                showarrow=False,
                font={"size": 14 if dead else 11, "color": colours.readable_on(field)},
            )
    drawn.update_xaxes(title="density", type="category", showgrid=False)
    drawn.update_yaxes(autorange="reversed", type="category", showgrid=False, ticklabelstandoff=8)
    return calm(drawn, height=120 + 30 * max(len(names), 4))
