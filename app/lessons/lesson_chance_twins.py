"""The end of the lesson on chance: tickets that differ in nothing but luck, as the other thing to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from app import colours, session, terms
from app.colours import Tone
from app.lessons import frame
from rtl_core.overlap.twins import Luck
from rtl_core.runs.twins import luck_of
from rtl_core.runs.twins_file import read_twins

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


def show(run: Run) -> None:
    """Twins beside tickets of different domains; nothing where the sample's twins were not measured."""
    kept = read_twins(run, session.runs_root())
    if kept is None:
        return
    measured = luck_of(run, kept, run.tickets.target)
    twins, different, chance = _shares(measured)
    frame.prose(
        "Would two tickets for the **same** domain be the same? For every domain its pictures were divided by lot, and "
        f"each half got a ticket. Such twins differ in nothing but luck, and share {terms.percent(twins, 0)}; halves "
        f"of different domains share {terms.percent(different, 0)}, where chance gives {terms.percent(chance, 0)}. "
        + _meaning(measured)
    )
    frame.plot(_figure(measured, chance, colours.tone()), "chance-twins", 230)


def _shares(measured: Luck) -> tuple[float, float, float]:
    """Mean overlap of twins and of halves of different subsets, and what chance gives for the latter."""
    return tuple(float(np.nanmean(iou)) for iou in (measured.halves.iou, measured.across.iou, measured.across.chance))


def _meaning(measured: Luck) -> str:
    return {
        "less than twins": "So the difference between tickets is not luck alone: they follow their pictures.",
        "as twins": "So luck is enough to explain how tickets differ.",
        "more than twins": "So nothing shows that tickets follow their pictures.",
        "not known": "Of so few domains nobody can say whether that is luck.",
    }[measured.samples.verdict]


def _figure(measured: Luck, chance: float, tone: Tone) -> go.Figure:
    """A dot per domain, and per pair of domains, with chance as a line."""
    names, (i, j) = np.array(measured.names), np.triu_indices(len(measured.names), 1)
    pairs = [f"{a} and {b}" for a, b in zip(names[i], names[j], strict=True)]
    rows = (
        ("halves of<br>different domains", measured.across.iou[i, j], pairs),
        ("twins: halves<br>of one domain", measured.halves.iou, names.tolist()),
    )
    marker = {"size": 12, "color": colours.TICKETS[0], "opacity": 0.75, "line": {"color": tone.surface, "width": 1}}
    figure = go.Figure()
    for name, values, labels in rows:
        figure.add_scatter(
            x=100 * values,
            y=[name] * len(values),
            mode="markers",
            marker=marker,
            customdata=labels,
            hovertemplate="%{customdata}<br>overlap %{x:.1f} %<extra></extra>",
        )
    figure.add_vline(x=100 * chance, line={"color": tone.text, "dash": "dot", "width": 1.4})
    figure.add_annotation(x=100 * chance, y=1, yref="paper", yanchor="bottom", text="chance", showarrow=False)
    figure.update_xaxes(title="overlap over all layers, %", rangemode="tozero", zeroline=False)
    figure.update_yaxes(categoryorder="array", categoryarray=[name for name, *_ in rows][::-1], ticklabelstandoff=8)
    figure.update_yaxes(range=[-0.6, 1.6])
    figure.update_layout(showlegend=False)
    return figure
