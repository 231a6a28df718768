"""All tickets' answers to one test input, and its truth, where an answer is no class: drawn by `tasks.ANSWERS`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import cache, colours, panels, session, tasks
from app.answers import close_look
from app.attribution import inputs, tiles
from app.kinds import kind_of, nouns
from app.markdown import plain
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from app.attribution.view import Chosen
    from rtl_core.data.dataset import Dataset
    from rtl_core.routing.serving import Serving
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.open_run import OpenRun


def choose(dataset: Dataset) -> int:
    """The place among the test rows of the input that is looked at."""
    noun, test = nouns(dataset)[0], dataset.rows("test")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        sample = st.number_input(
            plain(f"Test {noun}"), 0, len(test) - 1, 0, key="sample", bind="query-params", width=130
        )
        if kind_of(dataset).picture:
            inputs.thumbnails(dataset, test, None)
    return sample


def instead_of_maps(run: Run) -> None:
    """The Attribution page where answers have no number that a map could explain; nothing after it is drawn."""
    st.title("What every ticket answers", anchor=False)
    st.caption(plain(f"A map explains one number, and the answers of task '{run.config.task}' have none to choose."))
    try:
        show(run, choose(cache.opened(run).dataset))
    except BadInput as error:
        panels.refuse(f"{error}.")
    st.stop()


@dataclass(frozen=True)
class Given:
    """An input, as the data hold their rows (1, *shape), and what is true of it; truth and subset are None where nobody
    knows them."""

    x: np.ndarray
    truth: np.ndarray | None = None
    subset: int | None = None

    @classmethod
    def of_row(cls, opened: OpenRun, row: int) -> Given:
        """A row of the data set."""
        truth = opened.task.truth(opened.dataset, np.array([row]), np.ones(1, bool))[0]
        return cls(opened.dataset.x[[row]], truth, int(opened.partition.assignment[row]))


def show(run: Run, sample: int, sent: str | None = None) -> None:
    """The input, what is true of it, and under every ticket's answer where that is off; then one answer from near.

    sample  its place among the test rows; sent: the ticket that a router sends it to, where one is asked

    Raises BadInput.
    """
    opened = cache.opened(run)
    given = Given.of_row(opened, int(opened.dataset.rows("test")[sample]))
    outputs = tell(run, given, sent)
    drawing = tasks.ANSWERS.get(opened.task.drawn_as)
    if drawing is None or drawing.regions is None:
        return
    pressed = session.chosen_ticket(run.tickets.names)
    k = pressed if pressed is not None else given.subset
    name, picture = run.tickets.names[k], _picture(opened, given)
    st.space("small")
    close_look.draw(close_look.Look(name, drawing, outputs[k], given.truth, picture, tuple(opened.dataset.classes)))


def of_input(run: Run, chosen: Chosen) -> None:
    """`show` for a test row, `tell` for an input of one's own."""
    if chosen.sample is None:
        tell(run, Given(chosen.x))
    else:
        show(run, chosen.sample)


def tell(run: Run, given: Given, sent: str | None = None) -> np.ndarray:
    """Draws every ticket's answer to an input, with its error where the truth is known; -> their outputs (K, ...)."""
    opened = cache.opened(run)
    drawing, palette = tasks.ANSWERS.get(opened.task.drawn_as), colours.of_tickets(run.tickets.k)
    outputs = _serving(run).of_one(replace(opened.dataset, x=given.x).inputs(np.array([0])))
    if drawing is None:
        st.info(plain(f"Nothing here draws the answers of task '{opened.task.name}'."))
        return outputs
    noun, picture = nouns(opened.dataset)[0], _picture(opened, given)
    drawn = [] if picture is None else [(f"the {noun}", picture)]
    if given.truth is not None:
        drawn.append(("the truth", drawing.of_truth(given.truth, picture)))
    shown = [tiles.tile("rgba(128,138,148,.6)", title, tiles.img(pixels, title), "", []) for title, pixels in drawn]
    for k, name in enumerate(run.tickets.names):
        images = tiles.img(drawing.of_answer(outputs[k], picture), f"Answer of {name}")
        reached = ""
        if given.truth is not None:
            images += tiles.img(drawing.of_error(outputs[k], given.truth, picture), f"Error of {name}")
            reached = _figure(opened, outputs[k], given.truth)
        notes = [*(["of its own subset"] if k == given.subset else []), *(["sent here"] if name == sent else [])]
        shown.append(tiles.tile(palette[k], name, images, reached, notes))
    legend = _legend(drawing.legend(outputs[0], opened.dataset.classes))
    st.html(f'<div class="lab-maps">{"".join(shown)}</div>{legend}')
    if given.truth is not None:
        st.caption(plain(f"Under every ticket's answer its error: {drawing.reading}."))
    return outputs


def _picture(opened: OpenRun, given: Given) -> np.ndarray | None:
    draw = kind_of(opened.dataset).picture
    return None if draw is None else draw(given.x[0])


@cache.networks_of_run(max_entries=3, show_spinner="Loading the networks")
def _serving(run: Run) -> Serving:
    from rtl_core.routing.serving import serving

    opened = cache.opened(run)
    return serving(opened.network, opened.trained_tickets.subnetworks, opened.layout)


def _figure(opened: OpenRun, outputs: np.ndarray, truth: np.ndarray) -> str:
    """The task's headline figure of one answer."""
    task = opened.task
    statistic = task.measure(task.answer(outputs[None], truth[None]), truth[None])
    title, value = task.headline.title, float(statistic(np.ones((1, 1)))[0, 0])
    return f"{title} {tasks.value(task.headline.name, value)}"


def _legend(named: list[tuple[str, str]]) -> str:
    keys = "".join(f'<span><i style="background: {colour}"></i>{escape(name)}</span>' for name, colour in named)
    return f'<div class="lab-key">{keys}</div>' if named else ""
