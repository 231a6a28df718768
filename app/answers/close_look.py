"""One ticket's answer, large: part of it beside the truth, and what went wrong in places that can be clicked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, terms
from app.answers.drawing import MISSED, RIGHT, WRONG, Answer, Region
from app.colours import Tone
from app.markdown import plain

MOST = 20  # marks in the picture
_OUTCOMES = {
    "right": ("right", RIGHT, "circle"),
    "wrong": ("wrong", WRONG, "x"),
    "missed": ("missed", MISSED, "diamond"),
    "false": ("false alarm", WRONG, "x"),
}
_WIDTH, _LEAST, _MOST_HIGH = 600, 240, 720  # pixels of the picture: how wide it is drawn, bounds of its height
_BELOW = 44  # pixels for the legend


@dataclass(frozen=True)
class Look:
    """One ticket's answer to one input.

    outputs, truth  of the task, without the axis of rows
    picture         uint8 (h, w, 3) of the input; None where it has none
    names           of the classes
    """

    ticket: str
    drawing: Answer
    outputs: np.ndarray
    truth: np.ndarray
    picture: np.ndarray | None
    names: tuple[str, ...]

    @property
    def regions(self) -> list[Region]:
        """Places that are right, wrong, missed or false; those that matter most first."""
        return self.drawing.regions(self.outputs, self.truth, self.names)


def draw(look: Look) -> None:
    """The picture with its slider and its regions, and the numbers of the one that is clicked."""
    everything = look.regions
    regions = everything[:MOST]
    st.subheader(plain(title(look.ticket, everything)), anchor=False)
    with st.container(key="answer-near"):
        shown, numbers = st.columns([3, 2], gap="large")
    with shown:
        share = st.slider("The ticket's answer from the left, the truth from the right, %", 0, 100, 100, key="share")
        charts.show(
            figure(look, regions, share, colours.tone(), st.session_state.get("answer-region")),
            key="answer-large",
            on_select=lambda: _take(len(regions)),
            selection_mode="points",
        )
    with numbers:
        _numbers(regions)
    panels.reading(
        "Left of the line is what the ticket answers, right of it what is true. Every mark is a place to click; the "
        f"{MOST} that matter most have one.",
        table(everything),
        "answer-regions",
    )


def title(ticket: str, regions: list[Region]) -> str:
    """How many places are not right, and how many are where such places are answers too."""
    counts = Counter(region.outcome for region in regions)
    if counts.keys() & {"right", "missed", "false"}:
        alarms = "false alarm" if counts["false"] == 1 else "false alarms"
        return (
            f"{ticket} finds {counts['right']} of {counts['right'] + counts['missed']}, with {counts['false']} {alarms}"
        )
    wrong = sum(region.outcome != "right" for region in regions)
    if not wrong:
        return f"{ticket} makes no mistake in this picture"
    return f"{ticket} is mistaken in {terms.count(wrong)} {'place' if wrong == 1 else 'places'} of this picture"


def figure(look: Look, regions: list[Region], share: int, tone: Tone, chosen: int | None = None) -> go.Figure:
    """The answer over the picture up to `share` % of its width, the truth beyond, a mark on every region and a frame
    around the chosen one and what is missed. The axes are in pixels of the answer; the first has its middle at 0."""
    pixels, edge = blended(look, share)
    step = 1 / look.drawing.enlarged(look.outputs)
    start = (step - 1) / 2
    drawn = go.Figure(go.Image(z=pixels, x0=start, dx=step, y0=start, dy=step, hoverinfo="skip"))
    if 0 < share < 100:
        drawn.add_vline(edge * step - 0.5, line={"color": tone.text, "width": 2})
    for outcome, (words, colour, symbol) in _OUTCOMES.items():
        mine = [(i, region) for i, region in enumerate(regions) if region.outcome == outcome]
        if not mine:
            continue
        middle = np.array([_middle(region) for _, region in mine])
        drawn.add_scatter(
            x=middle[:, 0],
            y=middle[:, 1],
            mode="markers",
            name=words,
            marker={"size": 11, "symbol": symbol, "color": colour, "line": {"color": "white", "width": 1.5}},
            customdata=[[i, _in_words(region)] for i, region in mine],
            hovertemplate="%{customdata[1]}<extra></extra>",
        )
    for i, region in enumerate(regions):
        if i == chosen or region.outcome == "missed":  # of which the answer shows nothing
            x0, y0, x1, y1 = (end - 0.5 for end in region.box)
            line = {
                "color": tone.text if i == chosen else MISSED,
                "width": 2,
                "dash": "solid" if i == chosen else "dot",
            }
            drawn.add_shape(type="rect", x0=x0, y0=y0, x1=x1, y1=y1, line=line)
    height, width = (step * side for side in pixels.shape[:2])
    drawn.update_xaxes(visible=False, range=[-0.5, width - 0.5], constrain="domain")
    drawn.update_yaxes(visible=False, range=[height - 0.5, -0.5], scaleanchor="x")
    drawn.update_layout(legend={"orientation": "h", "y": -0.01, "yanchor": "top", "x": 0}, showlegend=True)
    high = int(np.clip(_WIDTH * height / width, _LEAST, _MOST_HIGH))
    return charts.calm(drawn, height=high + _BELOW).update_layout(margin={"l": 0, "r": 0, "t": 0, "b": _BELOW})


def blended(look: Look, share: int) -> tuple[np.ndarray, int]:
    """(uint8 (h, w, 3): the answer in the first columns, the truth in the others; how many columns are the answer's)"""
    answer, truth = (
        look.drawing.of_answer(look.outputs, look.picture),
        look.drawing.of_truth(look.truth, look.picture),
    )
    edge = round(answer.shape[1] * share / 100)
    return np.concatenate([answer[:, :edge], truth[:, edge:]], axis=1), edge


def _middle(region: Region) -> tuple[float, float]:
    x0, y0, x1, y1 = region.box
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2


def _in_words(region: Region) -> str:
    return "<br>".join(f"{name}: {_written(value)}" for name, value in region.numbers.items())


def _written(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(regions: list[Region]) -> pd.DataFrame:
    """One row a region: outcome, box and numbers."""
    return pd.DataFrame(
        [
            {
                "outcome": _OUTCOMES[region.outcome][0],
                **region.numbers,
                **dict(zip(("x0", "y0", "x1", "y1"), region.box, strict=True)),
            }
            for region in regions
        ]
    )


def _take(count: int) -> None:
    picked = st.session_state["answer-large"].selection.points
    place = picked[0]["customdata"][0] if picked else None
    st.session_state["answer-region"] = place if place is not None and place < count else None


def _numbers(regions: list[Region]) -> None:
    """Of the region that was clicked; it can also be chosen, without a pointer."""
    if not regions:
        st.success("Nothing is wrong here.")
        return
    if (st.session_state.get("answer-region") or 0) >= len(regions):
        st.session_state.pop("answer-region")  # of another input
    chosen = st.selectbox(
        "Place",
        range(len(regions)),
        None,
        format_func=lambda i: plain(f"{i + 1}: {_called(regions[i])}"),
        placeholder="Click a mark, or choose",
        key="answer-region",
    )
    if chosen is None:
        st.caption("Click a mark in the picture to read the numbers of the place.")
        return
    numbers = {name: _written(value) for name, value in regions[chosen].numbers.items()}
    st.dataframe(pd.DataFrame({"of this place": numbers}), width="stretch")


def _called(region: Region) -> str:
    return f"{_OUTCOMES[region.outcome][0]}: " + ", ".join(
        f"{name} {value}" for name, value in region.numbers.items() if isinstance(value, str | int)
    )
