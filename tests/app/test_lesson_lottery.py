"""The lesson `winning`: what it says of gaps known on paper, and the whole lesson over a run of a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.lessons import lesson_lottery
from app.lessons.lesson_lottery import Gap
from rtl_core.config import Config
from rtl_core.runs.training import train_new
from tests.app.lesson_page import open_lesson, shown_text

SURPRISE = 'class="learn-surprise"'
AHEAD, LEVEL, SMALLER = Gap(0.03, 0.01, 0.05), Gap(0.01, -0.01, 0.03), Gap(-0.02, -0.03, -0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run of the lesson's settings, cut short."""
    settings = lesson_lottery.config(0.5, 3).model_dump()
    settings["extract"]["steps"] = settings["joint"]["steps"] = 4
    root = tmp_path_factory.mktemp("runs")
    return root / train_new(Config.model_validate(settings), root)["run"]


@pytest.fixture
def trained(folder, monkeypatch) -> list[Config]:
    """The lesson's training is the run above; the configs that it was asked for."""
    configs = []

    def training(key: str, config: Config, *rest):
        configs.append(config)
        return cache.load_run(folder)

    monkeypatch.setattr(lesson_lottery.lesson_training, "training", training)
    return configs


def draw():
    from app.lessons import frame, lesson_lottery, lesson_seeds

    frame.draw((lesson_lottery.LESSON, lesson_seeds.LESSON))


def opened(**query: str) -> AppTest:
    return open_lesson(draw, {"lesson": "winning", **{name.replace("_", "-"): value for name, value in query.items()}})


def test_a_gap_is_paired_and_equal_answers_are_level():
    ours, theirs = np.array([True] * 60 + [False] * 40), np.array([True] * 40 + [False] * 60)
    gap_ = lesson_lottery.gap(ours, theirs)
    assert gap_.value == pytest.approx(0.2) and 0 < gap_.low < 0.2 < gap_.high
    assert gap_.verdict == "ahead" and lesson_lottery.gap(theirs, ours).verdict == "behind"
    equal = lesson_lottery.gap(ours, ours)
    assert equal.value == 0 and np.isnan(equal.low) and equal.verdict == "level"
    one_apart = ours.copy()
    one_apart[0] = False
    assert lesson_lottery.gap(ours, one_apart).verdict == "level"


@pytest.mark.parametrize(
    ("whole", "fresh", "words"),
    [
        (LEVEL, AHEAD, ("level with the whole network (50.0 %)", "loses **3.0 points** (1.0 to 5.0)")),
        (SMALLER, LEVEL, ("**2.0 points** (1.0 to 3.0) behind the whole network", "is level with it (75.0 %)")),
        (AHEAD, SMALLER, ("**3.0 points** (1.0 to 5.0) ahead of the whole network", "gains **2.0 points**")),
    ],
)
def test_the_surprise_says_who_won(whole, fresh, words):
    right = {
        "rtl": np.array([1, 1, 1, 1]),
        "reinitialised": np.array([1, 1, 1, 0]),
        "dense": np.array([1, 1, 0, 0]),
    }
    sentence = lesson_lottery.finding(right, {"dense": whole, "reinitialised": fresh}, 0.1)
    assert "**10 %** of the weights the ticket reads **100.0 %** of the digits rightly" in sentence
    assert all(piece in sentence for piece in words)


def test_how_the_ticket_fared_among_the_pruned():
    assert lesson_lottery.fared({"reinitialised": AHEAD, "random": AHEAD}) == (
        "The ticket ended ahead of the same mask over fresh weights and the random mask."
    )
    assert lesson_lottery.fared({"reinitialised": LEVEL, "random": SMALLER}) == (
        "The ticket ended level with the same mask over fresh weights and behind the random mask."
    )


def test_nothing_is_trained_before_a_guess(trained):
    app = opened()
    assert not trained and SURPRISE not in shown_text(app)
    app.get("button_group")[1].set_value("No difference").run()
    assert len(trained) == 1 and SURPRISE in shown_text(app)


def test_the_link_restores_the_end_with_the_learners_density_and_seed(trained):
    app = opened(winning_guess="A random mask", winning_density="5 %", winning_seed="7")
    assert trained[-1] == lesson_lottery.config(0.05, 7)
    page = shown_text(app)
    assert SURPRISE in page and "You said: a random mask." in page and lesson_lottery.LESSON.take_home in page
    assert all(name in page for name in lesson_lottery.NAMES.values())
    assert "winning-seed=7" in app.code[0].value and "winning-density=5" in app.code[0].value


def test_the_surprise_counts_what_the_run_recorded(trained, folder):
    run = cache.load_run(folder)
    right = lesson_lottery._right(run)
    recorded = {m["method"]: m["accuracy"] for m in run.info["evaluation"]["methods"]}
    assert {method: answers.mean() for method, answers in right.items()} == pytest.approx(recorded)


def test_a_picture_is_read_by_all_four(trained):
    app = opened(winning_guess="No difference")
    table = next(element.proto.body for element in app.get("html") if 'class="winning-read"' in element.proto.body)
    assert table.count("<tr>") == 5 and "It is labelled" in shown_text(app)
