"""The runs of a whole class that differ by their seed alone, and what RTL gained over each control in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours
from app.colours import Tone
from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.runs import store
from rtl_core.runs.checkpoint import load_run
from rtl_core.statistics.intervals import paired_t

CONTROLS = {
    "random": "Random masks,<br>same steps with known masks",
    "permuted": "Tickets swapped,<br>same steps with known masks",
    "random_same_total": "Random masks,<br>same steps in all",
}


@dataclass(frozen=True)
class Gain:
    """RTL's accuracy less a control's over n runs, with the 95 % interval of a paired t (NaN for fewer than two runs).

    ahead  the number of runs in which RTL was the better one
    """

    mean: float
    low: float
    high: float
    n: int
    ahead: int


def of_class(config: Config, root: Path) -> pd.DataFrame:
    """One row per finished run in `root` whose settings are `config` but for the seed, by seed.

    Columns: seed, and for each control RTL's test accuracy less the control's.
    """
    rows = [
        row
        for folder in sorted(root.glob(f"{store.slug(config.preset)}-*"))
        if (row := _differences(folder, cache.changed(folder), config.model_dump_json(exclude={"seed"})))
    ]
    class_runs = pd.DataFrame(rows, columns=["seed", *CONTROLS])
    return class_runs.drop_duplicates("seed").sort_values("seed", ignore_index=True)


@st.cache_data(max_entries=500, show_spinner=False)
def _differences(folder: Path, changed: int, settings: str) -> dict[str, float] | None:
    """The row of one run; None where it is not finished, cannot be read, or has other settings."""
    try:
        if not changed or store.read_config(folder).model_dump_json(exclude={"seed"}) != settings:
            return None
        run = load_run(folder)
    except BadInput:
        return None
    accuracy = {row.method: row.accuracy for row in run.record.evaluation.methods if row.applies}
    gained = {control: accuracy["rtl"] - accuracy[control] for control in CONTROLS}
    return {"seed": run.config.seed, **gained}


def gains(class_runs: pd.DataFrame) -> dict[str, Gain]:
    """What RTL gained over each control in the runs of `of_class`."""
    gained = {}
    for control in CONTROLS:
        mean, low, high, _, n = paired_t(class_runs[control])
        gained[control] = Gain(mean, low, high, n, int((class_runs[control] > 0).sum()))
    return gained


def dots(class_runs: pd.DataFrame, mine: int, tone: Tone) -> go.Figure:
    """A dot per run and control, the learner's own larger and in colour; mean and interval below the dots."""
    figure = go.Figure()
    place = {control: len(CONTROLS) - row for row, control in enumerate(CONTROLS)}
    own = class_runs.seed == mine
    for points_of, colour, size in ((class_runs[~own], tone.muted, 10), (class_runs[own], colours.TICKETS[1], 15)):
        for control, y in place.items():
            figure.add_scatter(
                x=100 * points_of[control],
                y=[y + 0.12] * len(points_of),
                mode="markers",
                marker={"size": size, "color": colour, "opacity": 0.85, "line": {"color": tone.surface, "width": 1}},
                customdata=points_of.seed,
                hovertemplate="seed %{customdata}<br>%{x:+.1f} points<extra></extra>",
            )
    known = {control: gain for control, gain in gains(class_runs).items() if not np.isnan(gain.low)}
    figure.add_scatter(
        x=[100 * gain.mean for gain in known.values()],
        y=[place[control] - 0.16 for control in known],
        mode="markers",
        marker={"size": 12, "color": colours.TICKETS[0], "symbol": "diamond"},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * (gain.high - gain.mean) for gain in known.values()],
            "arrayminus": [100 * (gain.mean - gain.low) for gain in known.values()],
            "color": colours.TICKETS[0],
            "thickness": 2.4,
            "width": 7,
        },
        hovertemplate="mean %{x:+.1f} points<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": tone.text, "width": 1.5})
    figure.update_xaxes(title="RTL less the control, percentage points of accuracy", zeroline=False)
    figure.update_yaxes(
        tickvals=list(place.values()),
        ticktext=list(CONTROLS.values()),
        range=[0.4, len(CONTROLS) + 0.6],
        ticklabelstandoff=8,
    )
    figure.update_layout(showlegend=False)
    return figure
