"""Lesson: prune a small network, put its weights back to where they began, and see who learns again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, charts, colours, terms
from app.colours import Tone
from app.lessons import frame, lesson_training, pictures
from app.lessons.lesson import Lesson
from app.segmented import one_of
from rtl_core.config import Config, parse
from rtl_core.errors import BadInput
from rtl_core.statistics.intervals import bootstrap_ratios, wilson

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.checkpoint import Run

DENSITIES = {f"{100 * density:g} %": density for density in (0.5, 0.2, 0.1, 0.05, 0.02)}
NAMES = {
    "rtl": "The ticket, rewound",
    "reinitialised": "Same mask, fresh weights",
    "random": "Random mask",
    "dense": "Whole network",
}
GUESSES = ("The ticket", "Same mask, fresh weights", "A random mask", "No difference")
BUDGET_SECONDS = 20.0
_STYLE = """<style>
.winning-read { border-collapse: collapse; font-size: 1.08rem; }
.winning-read :is(td, th) { padding: .35rem 2rem .35rem 0; text-align: left; }
.winning-read th { font-size: .9rem; font-weight: 400; opacity: .82; }
</style>"""


@dataclass(frozen=True)
class Gap:
    """The ticket's accuracy less another network's on the same test pictures, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """level also where the interval is undefined: the two answer every picture alike."""
        return "ahead" if self.low > 0 else "behind" if self.high < 0 else "level"


def config(density: float, seed: int) -> Config:
    """The lottery ticket's own recipe in small: rounds with rewinding to the initial weights, one ticket for all rows.

    Half of the digits are test data: that makes the task harder and the intervals narrower.
    """
    return parse(
        {
            "preset": "lesson-winning",
            "seed": seed,
            "density": density,
            "denser": [],
            "lighter": [],
            "controls": ["reinitialised", "random", "dense"],
            "data": {"spec": "bundled:digits", "test_share": 0.5},
            "partition": {"by": "none"},
            "model": {"name": "convnet", "width": 0.5},
            "extract": {"schedule": "fraction", "fraction": 0.5, "steps": 200, "warm_steps": 0},
            "joint": {"steps": 200},
        }
    )


def play() -> bool:
    frame.prose(
        "A [[network]] reads handwritten digits with thousands of [[weights|weight]]. Train it, and many weights turn "
        "out small: [[pruning]] takes these out. A [[mask]] says which are left. Now [[rewind]]: every weight "
        "that was kept goes back to the random number it began with. What is left is called a [[ticket]]. It learns "
        "again, without the other weights.\n\n"
        "Three rivals learn beside it: the same mask over fresh [[initial weights]], a [[random mask]] that keeps as "
        "many weights in every [[layer]], and the whole network."
    )
    frame.step(1, "Choose how much is kept, and guess")
    kept = one_of("Weights kept", DENSITIES, default="10 %", key="winning-density")
    guess = frame.guess("winning-guess", "Which of the pruned networks will read digits best?", GUESSES)
    with frame.settings():
        seed = frame.number(
            "Luck (seed of all that is random)",
            0,
            9999,
            1,
            key="winning-seed",
            help=terms.GLOSSARY["seed"],
        )
    if guess is None:
        return False
    frame.step(2, "Prune, rewind, and train all four")
    frame.prose(
        "All four learn for as many [[steps|step]]. Then they read [[test data]]: digits that none of them has seen. "
        "Whiskers and brackets are 95 % [[intervals|interval]]."
    )
    run = lesson_training.training(
        "winning", config(DENSITIES[kept], seed), "Prune and train", BUDGET_SECONDS, _of_five_tickets
    )
    if run is None:
        return False
    try:
        _outcome(run, guess)
    except BadInput as error:  # the networks are read here, after the masks
        lesson_training.unreadable("winning", run.folder, run.config, error)
        return False
    frame.step(3, "Let all four read your own digit")
    _own(run)
    return True


def _of_five_tickets() -> None:
    frame.cite(
        "On clothes in five [[domains|domain]], over [[seeds|seed]] that were named beforehand, tickets lead the same "
        f"masks over fresh [[initial weights]] by {frame.measured_lead('reinitialised')}, [[random masks|random mask]] "
        f"by {frame.measured_lead('random')} and the whole network by {frame.measured_lead('dense')}, all trained for "
        "as many [[steps|step]] once the masks are known.",
        "domains.md",
    )


def _outcome(run: Run, guess: str) -> None:
    """Test accuracies, the finding, and how the guess fared."""
    right = _right(run)
    n = len(right["rtl"])
    frame.plot(_dots(run, right, colours.tone()), "winning-accuracy", 290)
    gaps = {method: gap(right["rtl"], answers) for method, answers in right.items() if method != "rtl"}
    frame.surprise(finding(right, gaps, run.config.density))
    frame.prose(
        f"You said: {guess[0].lower()}{guess[1:]}. {fared(gaps)} This is measured on {n} digits of the test data."
    )
    result = run.record.evaluation.method("rtl")
    frame.side_note(
        f"The intervals speak of other pictures, not of other [[seeds|seed]]: this is seed {run.config.seed}, and "
        f"another may end otherwise. Try one under Settings. Finding the mask took "
        f"{terms.count(result.steps_extract)} steps before the {terms.count(result.steps_joint)} that all four "
        "learned for, so the ticket was not found for free."
    )


def gap(ours: np.ndarray, theirs: np.ndarray) -> Gap:
    """Of two networks' answers to the same pictures, bool (n,): by how much ours are more often right."""
    difference = ours.astype(float) - theirs
    low, high = bootstrap_ratios(difference, np.arange(len(ours)), seed=0, names=("winning",))
    return Gap(float(difference.mean()), float(low[0]), float(high[0]))


def finding(right: dict[str, np.ndarray], gaps: dict[str, Gap], density: float) -> str:
    """The surprise as the run at hand has it, in the notation of `frame.prose`."""
    share = {method: terms.percent(answers.mean()) for method, answers in right.items()}
    whole, fresh = gaps["dense"], gaps["reinitialised"]
    against_whole = {
        "level": f"level with the whole network ({share['dense']})",
        "ahead": f"{_points(whole)} ahead of the whole network",
        "behind": f"{_points(whole)} behind the whole network",
    }[whole.verdict]
    without = {
        "ahead": f"Over fresh weights the same mask loses {_points(fresh)}.",
        "level": f"Over fresh weights the same mask is level with it ({share['reinitialised']}).",
        "behind": f"Over fresh weights the same mask gains {_points(fresh)}.",
    }[fresh.verdict]
    return (
        f"With **{terms.density(density)}** of the weights the ticket reads **{share['rtl']}** of the digits rightly, "
        f"{against_whole}. {without}"
    )


def fared(gaps: dict[str, Gap]) -> str:
    """What became of the ticket among the three pruned networks, in one sentence."""
    rivals = {"the same mask over fresh weights": gaps["reinitialised"], "the random mask": gaps["random"]}
    phrases = {"ahead": "ahead of", "level": "level with", "behind": "behind"}
    pieces = [
        f"{how} {terms.listed(names)}"
        for verdict, how in phrases.items()
        if (names := [name for name, gap_ in rivals.items() if gap_.verdict == verdict])
    ]
    return f"The ticket ended {terms.listed(pieces)}."


def _points(difference: Gap) -> str:
    low, high = sorted((abs(100 * difference.low), abs(100 * difference.high)))
    return f"**{abs(100 * difference.value):.1f} points** ({low:.1f} to {high:.1f})"


def _dots(run: Run, right: dict[str, np.ndarray], tone: Tone) -> go.Figure:
    """The networks' accuracies on test pictures with Wilson intervals, the ticket on top."""
    rows = []
    for method, answers in right.items():
        low, high = wilson(answers.sum(), len(answers))
        row = run.record.evaluation.method(method)
        spent = {"steps_extract": row.steps_extract, "steps_joint": row.steps_joint}
        share = answers.mean()
        rows.append({"method": method, "label": NAMES[method], "accuracy": share, "low": low, "high": high, **spent})
    return charts.whiskers(pd.DataFrame(rows), "accuracy", "Read rightly", tone)


def _own(run: Run) -> None:
    """A picture of the learner's, answered by the four networks."""
    dataset, modules = _networks(run)
    picture = pictures.own_picture("winning-own", dataset)
    if picture is None:
        return
    x = pictures.inputs(dataset, picture)
    answers = {method: _answer(module, x, dataset.classes) for method, module in modules.items()}
    row = pictures.chosen_row("winning-own", dataset)
    truth = "" if row is None else f" It is labelled “{dataset.classes[dataset.y[row]]}”."
    frame.prose(f"Beside its answer stands a network's [[confidence]]: what it says of itself.{truth}")
    st.html(_STYLE + _table(answers))


def _table(answers: dict[str, tuple[str, float]]) -> str:
    rows = "".join(
        f"<tr><td>{NAMES[method]}</td><td><strong>{read}</strong></td><td>{terms.percent(share, 0)}</td></tr>"
        for method, (read, share) in answers.items()
    )
    return f'<table class="winning-read"><tr><th>Network</th><th>Reads</th><th>Confidence</th></tr>{rows}</table>'


def _answer(module: nn.Module, x: torch.Tensor, classes: tuple[str, ...]) -> tuple[str, float]:
    """The class that a network names for one input, and the share it gives to it."""
    import torch

    with torch.no_grad():
        shares = torch.softmax(module(x), dim=1)[0]
    best = int(shares.argmax())
    return classes[best], float(shares[best])


@cache.networks_of_run(max_entries=8, show_spinner="Loading the four networks")
def _networks(run: Run) -> tuple[Dataset, dict[str, nn.Module]]:
    """The data of a run and its networks as plain modules, in the order of `NAMES`."""
    from rtl_core.learning.subnetwork import as_module

    opened = cache.opened(run)
    modules = {
        method: as_module(opened.network, opened.learned[method].subnetworks[0], opened.layout) for method in NAMES
    }
    return opened.dataset, modules


@cache.of_run(kind=st.cache_data, max_entries=32, show_spinner="Measuring on test pictures")
def _right(run: Run) -> dict[str, np.ndarray]:
    """Network -> bool (n,): whether each test picture was read rightly."""
    import torch

    dataset, modules = _networks(run)
    test = dataset.rows("test")
    with torch.no_grad():
        return {
            m: module(dataset.inputs(test)).argmax(dim=1).numpy() == dataset.y[test] for m, module in modules.items()
        }


LESSON = Lesson(
    slug="winning",
    question="Can a tenth of a network learn as well?",
    promise="You will take most numbers out of a network, set the rest back, and let it learn beside three rivals.",
    minutes=6,
    trains=True,
    pictures=True,
    take_home="A mask proves itself only beside rivals with the same chance: fresh weights, a random mask, no mask.",
    play=play,
)
