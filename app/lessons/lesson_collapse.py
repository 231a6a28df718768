"""Lesson: how much can you take away? Cut tickets until they collapse, and hear when they themselves noticed."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import cache, colours, terms
from app.attribution import tiles
from app.diagnosis import calibration, view
from app.kinds import pixels
from app.lessons import frame, lesson_collapse_tickets, pictures
from app.lessons.lesson import Lesson
from app.lessons.lesson_collapse_curves import compare_marks, finding, overlap_sentence, signal_figure, uncovered
from app.markdown import plain
from rtl_core.audit import collapse
from rtl_core.runs import store

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.diagnosis import Diagnosis

SAMPLE = "collapse"
_KEPT, _DEEPEST, _MARK, _SHOWN_SIGNAL = "too_far-kept", "too_far-deepest", "too_far-mark", "too_far-heard"
_PAGE = """<style>
.far-grid { display: flex; flex-wrap: wrap; gap: .6rem .7rem; }
.far-grid figure { margin: 0; width: 76px; }
.far-grid img { width: 100%; image-rendering: pixelated; border-radius: 6px; display: block; }
.far-grid figcaption { font-size: .86rem; line-height: 1.25; margin-top: .3rem; }
.far-grid .wrong img { opacity: .45; outline: 2px solid light-dark(#A8323A, #F0858C); }
.far-grid .wrong figcaption { color: light-dark(#A8323A, #F0858C); }
ol.far-way { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0 !important; margin: 0; list-style: none; }
.far-way li { margin: 0 !important; border: 1px solid rgba(128, 138, 148, .4); border-radius: 8px; padding: .3rem .6rem;
  line-height: 1.3; }
.far-way span { display: block; font-size: .84rem; opacity: .82; }
.far-way .changed { border-color: light-dark(#A8323A, #F0858C); border-width: 2px; }
</style>"""


def play() -> bool:
    st.html(_PAGE)
    frame.prose(
        "A [[network]] has many [[weights|weight]], and most can be taken away. A [[ticket]] is what is left for one "
        "part of the data, and the share that is left is its [[density]]. Here are five tickets over one network, each "
        "for clothes in another [[domain]]. They are cut in rounds: train a little, take some of the weights away, "
        "[[rewind]], train again.\n\n"
        "The curve that you will uncover is their [[accuracy]] on pictures that took no part in training. Its whiskers "
        "are 95 % [[intervals|interval]]."
    )
    run = _run()
    looked = view.of(run)
    diagnosis, rounds = looked.diagnosis, looked.rounds[looked.rounds.measure == "retrained"].reset_index(drop=True)
    frame.step(1, "Take weights away until you no longer trust the answers")
    at, deepest = _slider(rounds)
    _pictures(run, at)
    _curve(diagnosis, rounds, at, deepest)
    if not _marked(rounds, at, deepest):
        return False
    frame.step(2, "Now listen to the tickets themselves")
    frame.prose(
        "For each answer a network also says how sure it is: its [[confidence]]. To hear that, nobody needs to "
        "know the right answer. A detector listens to the mean confidence of all tickets and rings when it lies "
        f"{100 * diagnosis.threshold:.3g} points below its best so far. Beside it stands the [[overlap]]: how much "
        "of what two tickets keep is the same."
    )
    if not frame.reveal(_SHOWN_SIGNAL, "Show their confidence"):
        return False
    _signal_chart(diagnosis, rounds)
    frame.step(3, "Your own picture on the way down")
    _own(run, rounds)
    return True


def _run() -> Run:
    return cache.load_run(store.samples()[SAMPLE])


def _slider(rounds: pd.DataFrame) -> tuple[int, int]:
    """(the round that is looked at, the deepest one that was), from 0."""
    labels = [terms.density(density) for density in rounds.density]

    def moved() -> None:
        deepest = max(frame.state(_DEEPEST, 0), labels.index(st.session_state[_KEPT]))
        frame.keep(_DEEPEST, deepest)

    kept = st.select_slider(
        "Weights that each ticket keeps",
        labels,
        labels[0],
        format_func=plain,
        key=_KEPT,
        bind="query-params",
        on_change=moved,
    )
    at = labels.index(kept)
    return at, min(max(at, frame.state(_DEEPEST, 0)), len(labels) - 1)


def _pictures(run: Run, at: int) -> None:
    """A test picture of each class with the answer at this density."""
    way = lesson_collapse_tickets.of(run)
    dataset, rows = way.dataset, way.rows
    answers = lesson_collapse_tickets.answers(run, dataset.x[rows])[at]
    right = answers == dataset.y[rows]
    figures = "".join(
        f'<figure class="{"" if good else "wrong"}">{tiles.img(pixels(dataset.x[row]), dataset.classes[truth])}'
        f"<figcaption>{'✓' if good else '✕'} {escape(dataset.classes[answer])}</figcaption></figure>"
        for row, truth, answer, good in zip(rows, dataset.y[rows], answers, right, strict=True)
    )
    st.html(f'<div class="far-grid">{figures}</div>')
    st.caption(
        plain(
            f"What the ticket “{way.subset}” says to pictures that it had right with all weights: {right.sum()} of "
            f"{len(rows)} are right now."
        )
    )


def _curve(diagnosis: Diagnosis, rounds: pd.DataFrame, at: int, deepest: int) -> None:
    """Accuracy as far down as the slider has been."""
    frame.plot(uncovered(rounds.iloc[: deepest + 1], rounds.density, diagnosis.metric, at, colours.tone()), "way", 290)
    st.caption(
        plain(
            f"Mean accuracy of the {diagnosis.k} tickets with the mean of their 95 % intervals; {diagnosis.n:,} "
            "pictures each that took no part in training. It shows as far as you have dragged."
        )
    )


def _marked(rounds: pd.DataFrame, at: int, deepest: int) -> bool:
    """The button that says: this far and no further; whether it was pressed."""
    mark = frame.state(_MARK, -1)
    if 0 <= mark < len(rounds):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"You marked **{terms.density(rounds.density[mark])}** as the last safe density.")
            st.button("Mark another", key="too_far-again", type="tertiary", on_click=_again)
        return True
    if deepest == 0:
        frame.prose("Drag the slider to the right.")
    else:
        label = f"{terms.density(rounds.density[at])} is the last safe density"
        st.button(plain(label), key="too_far-press", type="primary", on_click=frame.keep, args=(_MARK, at))
    return False


def _again() -> None:
    for key in (_MARK, _SHOWN_SIGNAL):
        frame.keep(key, None)


def _signal_chart(diagnosis: Diagnosis, rounds: pd.DataFrame) -> None:
    frame.surprise(finding(diagnosis))
    mark = frame.state(_MARK, -1)
    frame.plot(signal_figure(diagnosis, rounds, rounds.density[mark], colours.tone()), "too_far-heard-chart", 560)
    st.caption(
        plain(
            f"Means over {diagnosis.k} tickets and, for confidence and accuracy, {diagnosis.n:,} pictures each. "
            f"Overlap: mean of all {math.comb(diagnosis.k, 2)} pairs."
        )
    )
    frame.prose(f"{compare_marks(diagnosis, rounds, mark)} {overlap_sentence(diagnosis, rounds)}")
    held_out = calibration.read()
    if held_out is not None:
        judged = calibration.judged(held_out, diagnosis.threshold)
        fell = judged[judged.fall_round.notna()]
        in_time = int((fell.verdict == collapse.IN_TIME).sum())
        frame.cite(
            f"One training is an anecdote. Of {len(fell)} others that [[collapsed|collapse]], and by which the "
            f"detector was not set, it came in time in {in_time}: 1 to {collapse.EARLY_ROUNDS} rounds before accuracy "
            "fell.",
            "collapse.json",
        )


def _own(run: Run, rounds: pd.DataFrame) -> None:
    """Every round's answer to one picture."""
    way = lesson_collapse_tickets.of(run)
    picture = pictures.own_picture("too_far-own", way.dataset)
    if picture is None:
        st.info("Choose, draw or upload a picture to see what every density makes of it.")
        return
    answers = lesson_collapse_tickets.answers(run, np.rint(255 * picture[None]).astype(np.uint8))[:, 0]
    steps = "".join(
        f'<li class="{"" if answer == answers[0] else "changed"}"><span>{terms.density(density)}</span>'
        f"{escape(way.dataset.classes[answer])}</li>"
        for density, answer in zip(rounds.density, answers, strict=True)
    )
    st.html(f'<ol class="far-way" aria-label="Answers from all weights to fewest">{steps}</ol>')
    other = int((answers != answers[0]).sum())
    st.caption(
        plain(
            f"With all weights the ticket “{way.subset}” says {way.dataset.classes[answers[0]]}; framed: another "
            f"answer, at {other} of {len(answers)} densities. One picture may turn early, late or never: only the mean "
            "tells."
        )
    )


LESSON = Lesson(
    slug="too_far",
    question="How much can you take away?",
    promise="You will take numbers out of a network until it fails, and mark where you would have stopped.",
    minutes=8,
    trains=False,
    pictures=True,
    take_home="While you cut, listen to how sure the network is: that may fall before its answers do.",
    play=play,
)
