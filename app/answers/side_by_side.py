"""All tickets' answers to one test input, and its truth, where an answer is no class: drawn by `tasks.ANSWERS`."""

from __future__ import annotations

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
from rtl_core.tasks.catalogue import task_named

if TYPE_CHECKING:
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
    """The Attribution page where answers have no number that a map could explain, or none with a probability, which
    maps are compared by here; nothing after it is drawn."""
    st.title("What every ticket answers", anchor=False)
    task = task_named(run.config.task)
    if task.explains is None:
        reason = f"A map explains one number, and the answers of task '{task.name}' have none to choose."
    else:
        reason = (
            f"Maps are compared here by the answers' probabilities, and those of task '{task.name}' have none. "
            f"`python -m rtl_core attribute {run.name} --ticket NAME` makes the maps of a ticket."
        )
    st.caption(plain(reason))
    try:
        show(run, choose(cache.opened(run).dataset))
    except BadInput as error:
        panels.refuse(f"{error}.")
    st.stop()


def show(run: Run, sample: int, sent: str | None = None) -> None:
    """The input, what is true of it, and under every ticket's answer where that is off. Raises BadInput.

    sample  its place among the test rows; sent: the ticket that a router sends it to, where one is asked
    """
    opened = cache.opened(run)
    drawing = tasks.ANSWERS.get(opened.task.drawn_as)
    if drawing is None:
        st.info(plain(f"Nothing here draws the answers of task '{opened.task.name}'."))
        return
    dataset, row = opened.dataset, opened.dataset.rows("test")[[sample]]
    draw_input = kind_of(dataset).picture
    picture = None if draw_input is None else draw_input(dataset.x[row[0]])
    outputs = _serving(run).of_one(dataset.inputs(row))
    truth = opened.task.truth(dataset, row, np.ones(1, bool))[0]
    noun, subset = nouns(dataset)[0], opened.partition.assignment[row[0]]
    drawn = [("the truth", drawing.of_truth(truth, picture))]
    if picture is not None:
        drawn.insert(0, (f"the {noun}", picture))
    shown = [tiles.tile("rgba(128,138,148,.6)", title, tiles.img(pixels, title), "", []) for title, pixels in drawn]
    palette = colours.of_tickets(run.tickets.k)
    for k, name in enumerate(run.tickets.names):
        answer, error = drawing.of_answer(outputs[k], picture), drawing.of_error(outputs[k], truth, picture)
        both = tiles.img(answer, f"Answer of {name}") + tiles.img(error, f"Error of {name}")
        notes = [*(["of its own subset"] if k == subset else []), *(["sent here"] if name == sent else [])]
        shown.append(tiles.tile(palette[k], name, both, _figure(opened, outputs[k], truth), notes))
    st.html(f'<div class="lab-maps">{"".join(shown)}</div>{_legend(drawing.legend(outputs[0], dataset.classes))}')
    st.caption(plain(f"Under every ticket's answer its error: {drawing.reading}."))
    if drawing.regions is not None:
        pressed = session.chosen_ticket(run.tickets.names)
        k = pressed if pressed is not None else subset
        st.space("small")
        close_look.draw(
            close_look.Look(run.tickets.names[k], drawing, outputs[k], truth, picture, tuple(dataset.classes))
        )


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
