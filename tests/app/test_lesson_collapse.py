"""The lesson on collapse: its sentences on rounds made by hand, and the page over a small run that was watched."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.lessons import lesson_collapse, lesson_collapse_curves, lesson_collapse_tickets
from rtl_core.audit.evaluate import evaluation_set
from rtl_core.config import parse, preset
from rtl_core.data.partitions import split
from rtl_core.data.sources import load
from rtl_core.runs.checkpoint import finished_run
from rtl_core.runs.diagnosis import Flag, Place
from rtl_core.runs.training import train_new
from rtl_core.tasks.classification import MULTICLASS
from tests.app.lesson_page import open_lesson, shown_text

SMALL = {
    "density": 0.1,
    "data": {"spec": "bundled:digits"},
    "partition": {"by": "kmeans", "k": 2},
    "extract": {"schedule": "fraction", "fraction": 0.5, "steps": 4, "warm_steps": 10},
    "sharing": {"recalibrate_batches": 2},
    "joint": {"steps": 2},
    "model": {"name": "mlp", "width": 0.25},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Densities 100, 50, 25, 12.5 and 10 %."""
    root = tmp_path_factory.mktemp("runs")
    config = parse({**preset("collapse"), **SMALL, "collapse": {"policy": "warn", "threshold": 0.001}})
    return finished_run(root / train_new(config, root)["run"])


@pytest.fixture
def page(run, monkeypatch):
    """page(mark="1"): the lesson over the small run, with that in the address."""
    monkeypatch.setattr(lesson_collapse, "_run", lambda: run)

    def opened(**query: str) -> AppTest:
        in_address = {f"too_far-{name}": value for name, value in query.items()}
        return open_lesson(draw_lesson, {"lesson": "too_far", **in_address})

    return opened


def draw_lesson():
    from dataclasses import replace

    from app.lessons import frame
    from app.lessons.lesson_collapse import LESSON

    frame.draw((LESSON, replace(LESSON, slug="after")))


def diagnosis(alarm: int | None, fall: int | None, safe: int | None = None, flags: Sequence[Flag] = ()) -> Any:
    """A diagnosis. Rounds from 1 at densities 1, 1/2, 1/4, ..."""

    def at(round_: int | None) -> Place | None:
        return None if round_ is None else Place(round_, 0.5 ** (round_ - 1))

    lead = None if alarm is None or fall is None else fall - alarm
    last = None if safe is None else 0.5 ** (safe - 1)
    return SimpleNamespace(
        alarm=at(alarm), fall=at(fall), lead=lead, last_safe_density=last, metric="accuracy", flags=flags
    )


def rounds() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "round": range(1, 6),
            "density": [0.5**i for i in range(5)],
            "accuracy": [0.75, 0.74, 0.73, 0.6, 0.5],
            "iou_mean": [1.0, 0.7, 0.6, 0.5, 0.45],
        }
    )


@pytest.mark.parametrize(
    ("alarm", "fall", "words"),
    [
        (
            2,
            4,
            "unsure **2 rounds before** they erred: confidence fell at density **50 %**, accuracy only at **12.5 %**",
        ),
        (3, 4, "**1 round before**"),
        (3, 3, "**same round**, at density **25 %**"),
        (4, 3, "erred **1 round before** they grew unsure"),
        (2, None, "**not erred** more"),
        (None, 3, "fell at density **25 %**, and the tickets stayed **as sure as before**"),
        (None, None, "**not cut far enough**"),
    ],
)
def test_the_surprise_says_what_came_first(alarm, fall, words):
    assert words in lesson_collapse_curves.finding(diagnosis(alarm, fall))


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (1, "50 % (accuracy 74.0 %), and so did the detector"),
        (
            3,
            "12.5 % (accuracy 60.0 %), 2 rounds later than the detector, whose last safe density is 50 %",
        ),
        (0, "1 round earlier than the detector"),
    ],
)
def test_a_mark_stands_beside_the_detectors(mark, words):
    assert words in lesson_collapse_curves.compare_marks(diagnosis(3, 4, safe=2), rounds(), mark)


def test_overlap_in_the_round_of_the_alarm_stands_beside_the_rounds_before():
    message = lesson_collapse_curves.overlap_sentence(diagnosis(5, None), rounds())
    assert (
        "by −5.0 points in the round" in message and "by −10.0 points to −10.0 points in the rounds before" in message
    )
    assert "nothing to be alarmed by" in message


def test_an_overlap_that_turned_with_the_alarm_is_said():
    turned = diagnosis(5, None, flags=[Flag(5, 0.0625, "down", "iou", None, False, "")])
    assert "out of the ordinary" in lesson_collapse_curves.overlap_sentence(turned, rounds())


def test_two_rounds_before_the_alarm_are_too_few_to_compare_with():
    assert lesson_collapse_curves.overlap_sentence(diagnosis(3, None), rounds()) == ""


def test_tickets_are_trained_again_as_they_were(run):
    records = [record for record in run.info["rungs"] if record["measure"] == "retrained" and record["ticket"] == 0]
    dataset = load(run.config.data, run.config.seed)
    eval_set = evaluation_set(dataset, split(dataset, run.config.partition, run.config.seed), MULTICLASS, "val", 1000)
    own = eval_set.rows[eval_set.subset == 0]
    accuracy = (lesson_collapse_tickets.answers(run, dataset.x[own]) == dataset.y[own]).mean(axis=1)
    assert accuracy == pytest.approx([record["accuracy"] for record in records])


def test_pictures_are_of_the_tickets_own_subset(run):
    dataset = load(run.config.data, run.config.seed)
    own = split(dataset, run.config.partition, run.config.seed).assignment == 0
    assert np.array_equal(
        lesson_collapse_tickets.of(run).dataset.rows("test"), np.flatnonzero(own & (dataset.split == "test"))
    )


def test_dragging_uncovers_the_curve_and_it_stays_uncovered(page):
    app = page()
    assert not [button for button in app.button if button.key == "too_far-press"]
    slider = app.select_slider(key="too_far-kept")
    slider.set_value("12.5 %").run()
    assert app.query_params["too_far-deepest"] == "3"
    app.select_slider(key="too_far-kept").set_value("50 %").run()
    assert app.query_params["too_far-deepest"] == "3"
    assert app.button(key="too_far-press").label == "50 % is the last safe density"


def test_played_to_its_end_and_restored_from_the_link(page, run):
    app = page(kept="25 %")
    app.button(key="too_far-press").click().run()
    assert app.query_params["too_far-mark"] == "2" and 'class="learn-surprise"' not in shown_text(app)
    app.button(key="press-too_far-heard").click().run()
    assert not app.exception
    assert 'class="learn-surprise"' in shown_text(app) and "listen to how sure" in shown_text(app)
    assert shown_text(app).count("<li") == 5  # an answer a density to the own picture

    linked = page(kept="25 %", deepest="2", mark="2", heard="1")
    assert shown_text(linked) == shown_text(app)
    linked.button(key="too_far-again").click().run()
    assert "too_far-mark" not in linked.query_params and "too_far-heard" not in linked.query_params


@pytest.mark.parametrize("mark", ["9", "x", "-2"])
def test_a_mark_that_is_no_round_is_none(page, mark):
    assert 'class="learn-surprise"' not in shown_text(page(mark=mark, heard="1", kept="25 %"))


def test_the_curve_shows_the_rounds_that_were_reached():
    result = rounds().assign(low=0.4, high=0.8)
    figure = lesson_collapse_curves.uncovered(
        result.iloc[:3], result.density, "accuracy", 1, lesson_collapse.colours.LIGHT
    )
    assert np.allclose(figure.data[0].x, [100, 50, 25]) and np.allclose(figure.data[0].y, [75, 74, 73])
    assert figure.layout.xaxis.range[1] < np.log10(100 * result.density.min())
