"""The lesson `luck`: the class's runs and their arithmetic, and the whole lesson over runs with known figures."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import colours
from app.lessons import lesson_seeds, lesson_seeds_class
from rtl_core.config import Config
from rtl_core.runs.checkpoint import Outcome, save_checkpoint
from tests.app.lesson_page import open_lesson, shown_text

SURPRISE = 'class="learn-surprise"'


@pytest.fixture
def write(runs_folder, known_tickets):
    """write(config, random, permuted, same total): a finished run in which RTL is right in .77."""

    def run(config: Config, *accuracies: float, name: str = "") -> None:
        folder = runs_folder / (name or f"lesson-luck-d{config.density:g}-s{config.seed}-00")
        folder.mkdir()
        settings = config.model_dump(mode="json")
        (folder / "config.json").write_text(json.dumps(settings))
        given = {"rtl": 0.77, **dict(zip(lesson_seeds_class.CONTROLS, accuracies, strict=True))}
        methods = [{"method": method, "applies": True, "accuracy": value} for method, value in given.items()]
        save_checkpoint(folder, Outcome(known_tickets, {"config": settings, "evaluation": {"methods": methods}}))

    return run


def draw():
    from app.lessons import frame, lesson_lottery, lesson_seeds

    frame.draw((lesson_seeds.LESSON, lesson_lottery.LESSON))


def opened(**query: str) -> AppTest:
    return open_lesson(draw, {"lesson": "luck", **{name.replace("_", "-"): value for name, value in query.items()}})


@pytest.fixture
def trained_configs(monkeypatch) -> list[Config]:
    """The configs that the lesson would train; it goes on as if each were done."""
    configs = []
    monkeypatch.setattr(
        lesson_seeds.lesson_training, "training", lambda key, config, *rest: configs.append(config) or "done"
    )
    return configs


def test_the_class_is_the_finished_runs_that_differ_by_seed_alone(write, runs_folder):
    write(lesson_seeds.config(5), 0.71, 0.72, 0.78)
    write(lesson_seeds.config(3), 0.70, 0.72, 0.76)
    write(lesson_seeds.config(3), 0.70, 0.72, 0.76, name="lesson-luck-d0.1-s3-00-2")  # the same run made again
    write(lesson_seeds.config(4).model_copy(update={"density": 0.2}), 0.1, 0.1, 0.1)
    write(lesson_seeds.config(6), 0.1, 0.1, 0.1, name="elsewhere")
    (runs_folder / "lesson-luck-d0.1-s8-00").mkdir()
    damaged = runs_folder / "lesson-luck-d0.1-s9-00"
    damaged.mkdir()
    (damaged / "run.json").write_text("{}")
    class_runs = lesson_seeds_class.of_class(lesson_seeds.config(0), runs_folder)
    assert list(class_runs.seed) == [3, 5]
    assert list(class_runs.random) == pytest.approx([0.07, 0.06])
    assert list(class_runs.random_same_total) == pytest.approx([0.01, -0.01])


def test_no_run_is_an_empty_class(runs_folder):
    assert lesson_seeds_class.of_class(lesson_seeds.config(0), runs_folder).empty


def test_gains_are_a_paired_t_from_two_runs_on():
    two = pd.DataFrame({"seed": [1, 2], "random": [0.05, 0.07], "permuted": [0.01, 0.01], "random_same_total": [0, -1]})
    class_runs = lesson_seeds_class.gains(two)
    half = 12.706 * 0.01  # t of one degree of freedom; the mean of 5 and 7 has a standard error of 1
    first = class_runs["random"]
    assert (first.mean, first.low, first.high) == pytest.approx((0.06, 0.06 - half, 0.06 + half), abs=1e-4)
    assert [gain.ahead for gain in class_runs.values()] == [2, 2, 0] and {gain.n for gain in class_runs.values()} == {2}
    assert np.isnan(class_runs["permuted"].low)  # no spread to judge by
    assert all(np.isnan(gain.low) for gain in lesson_seeds_class.gains(two[:1]).values())


def test_the_surprise_counts_both_contests():
    three = pd.DataFrame(
        {
            "seed": [1, 2, 3],
            "random": [0.05, 0.06, 0.07],
            "permuted": [0.04, 0.05, 0.06],
            "random_same_total": [0.01, -0.01, 0.0],
        }
    )
    sentence = lesson_seeds.finding(lesson_seeds_class.gains(three))
    first, second = sentence.split("Same steps in all")
    assert "**3 of 3** runs, by +6.0 points on average (+3.5 to +8.5)" in first
    assert "**1 of 3** runs, by 0.0 points on average (−2.5 to +2.5, so not beyond chance)" in second
    assert "**1 of 1** run, by +5.0 points." in lesson_seeds.finding(lesson_seeds_class.gains(three[:1]))


def test_the_own_dot_stands_out():
    table = pd.DataFrame(
        {"seed": [1, 2], "random": [0.05, 0.07], "permuted": [0.0, 0.1], "random_same_total": [0, -0.01]}
    )
    figure = lesson_seeds_class.dots(table, 2, colours.LIGHT)
    own = [trace for trace in figure.data if trace.marker.color == colours.TICKETS[1]]
    assert [list(trace.x) for trace in own] == [pytest.approx([7]), pytest.approx([10]), pytest.approx([-1])]
    means = figure.data[-1]
    assert list(means.x) == pytest.approx([6, 5, -0.5]) and means.error_x.array is not None


def test_a_learner_gets_a_seed_of_their_own_and_keeps_it(trained_configs, runs_folder, monkeypatch):
    monkeypatch.setattr(lesson_seeds.secrets, "randbelow", lambda below: below - 1)
    app = opened(luck_guess="They win neither")
    assert app.number_input(key="luck-number").value == lesson_seeds.SEEDS - 1 and trained_configs[
        -1
    ] == lesson_seeds.config(lesson_seeds.SEEDS - 1)
    monkeypatch.setattr(lesson_seeds.secrets, "randbelow", lambda below: 0)
    assert app.run().number_input(key="luck-number").value == lesson_seeds.SEEDS - 1
    assert app.query_params["luck-seed"] == str(lesson_seeds.SEEDS - 1)
    app.number_input(key="luck-number").set_value(7).run()
    assert app.query_params["luck-seed"] == "7" and trained_configs[-1] == lesson_seeds.config(7)
    assert opened(luck_guess="They win neither").number_input(key="luck-number").value == 1


def test_nothing_is_trained_before_a_guess(trained_configs, runs_folder):
    assert SURPRISE not in shown_text(opened()) and not trained_configs


def test_the_link_restores_the_end(trained_configs, write):
    write(lesson_seeds.config(5), 0.71, 0.72, 0.78)
    write(lesson_seeds.config(3), 0.70, 0.72, 0.76)
    app = opened(luck_guess="They win only the first", luck_seed="5")
    page = shown_text(app)
    assert trained_configs[-1] == lesson_seeds.config(5)
    assert "<strong>2 of 2</strong> runs" in page and "<strong>1 of 2</strong> runs" in page
    assert "You said: they win only the first." in page and lesson_seeds.LESSON.take_home in page
    assert "luck-seed=5" in app.code[0].value
