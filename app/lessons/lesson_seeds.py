"""Lesson: RTL against random masks and swapped tickets, every learner with a seed of their own."""

from __future__ import annotations

import secrets

import numpy as np
import streamlit as st

from app import colours, session, terms
from app.lessons import frame, lesson_seeds_class, lesson_training
from app.lessons.lesson import Lesson
from app.lessons.lesson_seeds_class import Gain
from rtl_core.config import Config, parse

SEEDS = 10_000  # a class of 30 draws the same one twice with a chance of 4 %
GUESSES = ("Learned masks win both", "They win only the first", "They win only the second", "They win neither")
BUDGET_SECONDS = 90.0
LOOK_SECONDS = 5.0  # how often the class's runs are looked at


def config(seed: int) -> Config:
    """The preset `domains`, with the controls that the lesson asks about, and without levels beside the target."""
    return parse(
        {
            "preset": "lesson-luck",
            "seed": seed,
            "denser": [],
            "lighter": [],
            "controls": list(lesson_seeds_class.CONTROLS),
        }
    )


def play() -> bool:
    frame.prose(
        "A [[network]] computes with many [[weights|weight]], and a [[mask]] says which of them are kept. RTL, the "
        "method behind this app, learns five masks for one network, each for one [[domain]] of the same clothes: its "
        "[[tickets|ticket]]. Learning a mask takes training of its own. Is it worth that? The [[control]] is simple: "
        "draw the masks by lot and train the weights just the same."
    )
    frame.step(1, "Guess two contests")
    frame.prose(
        "**First:** [[random masks|random mask]] train for as many [[steps|step]] as the tickets do once their masks "
        "are known. **Second:** random masks train also for the steps that finding the masks took. What counts is the "
        "[[accuracy]] on [[test pictures|test data]]."
    )
    guess = frame.guess("luck-guess", "Learned masks against random ones", GUESSES)
    if guess is None:
        return False
    frame.step(2, "Train with luck of your own")
    frame.prose(
        "Your [[seed]] decides all that is random. Beside the random masks a third control trains: the tickets "
        "swapped, each given to another domain."
    )
    seed = _seed()
    run = lesson_training.training("luck", config(seed), "Train", BUDGET_SECONDS, _over_named_seeds)
    if run is None:
        return False
    frame.step(3, "Look at everybody's runs")
    frame.prose("A run is one finished training. Diamonds are means over runs with their 95 % [[interval]].")
    _everybody(seed, guess)
    return True


def _seed() -> int:
    """The learner's own, kept in the address; drawn by lot where the address names none."""
    if "luck-seed" not in st.query_params:
        frame.keep("luck-seed", 1 + secrets.randbelow(SEEDS - 1))
    st.session_state["luck-number"] = min(max(frame.state("luck-seed", 1), 0), SEEDS)
    return st.number_input(
        "Your seed",
        0,
        SEEDS,
        key="luck-number",
        on_change=lambda: frame.keep("luck-seed", st.session_state["luck-number"]),
        width=220,
        help="Keep the one that was drawn for you: a class needs different seeds.",
    )


@st.fragment(run_every=LOOK_SECONDS)
def _everybody(mine: int, guess: str) -> None:
    """All runs of this lesson on this machine; grows while others finish theirs."""
    class_runs = lesson_seeds_class.of_class(config(mine), session.runs_root())
    frame.plot(lesson_seeds_class.dots(class_runs, mine, colours.tone()), "luck-class", 360)
    st.caption(
        f"n = {len(class_runs)}: a dot is a finished run of this lesson on this machine, whoever started it; yours is "
        "the large one. Diamonds stand from two runs on. A seed counts once."
    )
    gained = lesson_seeds_class.gains(class_runs)
    frame.surprise(finding(gained))
    frame.prose(f"You said: {guess[0].lower()}{guess[1:]}. {_swapped(gained)}")
    _over_named_seeds()


def _over_named_seeds() -> None:
    frame.cite(
        "The same recipe over [[seeds|seed]] that were named beforehand: RTL less random masks is "
        f"{frame.measured_lead('random')} for the same steps with known masks, and "
        f"{frame.measured_lead('random_same_total')} for the same steps in all.",
        "domains.md",
    )


def finding(gained: dict[str, Gain]) -> str:
    """The surprise as the runs at hand have it, in the notation of `frame.prose`."""
    first, second = _count(gained["random"]), _count(gained["random_same_total"])
    return f"Same steps with known masks: RTL leads {first}. Same steps in all: it leads {second}."


def _count(gain: Gain) -> str:
    """in 3 of 4 runs, by +1.2 points on average (0.2 to 2.2)."""
    if gain.n == 1:
        return f"in **{gain.ahead} of 1** run, by {terms.points(gain.mean)}"
    return f"in **{gain.ahead} of {gain.n}** runs, by {terms.points(gain.mean)} on average ({_reach(gain)})"


def _reach(gain: Gain) -> str:
    if np.isnan(gain.low):
        return "all runs alike, so no interval"
    reach = f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}".replace("-", "−")
    return f"{reach}, so not beyond chance" if gain.low <= 0 <= gain.high else reach


def _swapped(gained: dict[str, Gain]) -> str:
    return f"And does it matter whose mask it is? Against swapped tickets RTL leads {_count(gained['permuted'])}."


LESSON = Lesson(
    slug="luck",
    question="Does learning the mask matter at all?",
    promise="A mask says which numbers of a network are kept. You will train learned ones against ones drawn by lot.",
    minutes=8,
    trains=True,
    pictures=False,
    take_home="Before you praise what was learned, give luck the same training time, and more than one seed.",
    play=play,
)
