"""The lesson on chance: what random masks share, the real tickets against it, and the lesson from start to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import terms
from app.lessons import lesson_chance
from app.lessons.lesson_chance_masks import drawn, real_pairs
from rtl_core.overlap.overlap import Overlap
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.store import samples
from rtl_core.runs.twins import luck_of
from rtl_core.runs.twins_file import read_twins
from tests.app.lesson_page import open_lesson, shown_text

END = {"chance-guess": "10 %", "chance-drawn": "1", "chance-real": "1"}


def tell():
    from app.lessons import frame, lesson_chance, lesson_significance

    frame.draw((lesson_chance.LESSON, lesson_significance.LESSON))


def opened(**query: str) -> AppTest:
    return open_lesson(tell, {"lesson": "chance", **query})


def test_two_masks_have_the_counts_they_say():
    pair = drawn(0.5, 0.25, 3)
    assert pair.a.sum() == 288 and pair.b.sum() == 144
    both = sum(a and b for a, b in zip(pair.a, pair.b, strict=True))
    assert pair.iou == both / (288 + 144 - both)
    assert np.array_equal(pair.counts.kept, [[288, 144]])


@pytest.mark.parametrize(("a", "b", "share"), [(0.5, 0.5, 1 / 3), (0.5, 0.25, 0.2), (0.75, 0.75, 0.6)])
def test_chance_is_what_both_keep_of_what_either_keeps(a, b, share):
    pair = drawn(a, b, 0)
    assert pair.chance == pytest.approx(share)  # .25 / .75, .125 / .625, .5625 / .9375
    assert pair.others.mean() == pytest.approx(share, abs=0.003)


def test_other_pairs_are_as_shuffled_masks():
    shuffled = [drawn(0.3, 0.6, number) for number in range(400)]
    result = [pair.iou for pair in shuffled]
    assert np.mean(result) == pytest.approx(shuffled[0].others.mean(), abs=0.005)
    assert np.std(result) == pytest.approx(shuffled[0].others.std(), rel=0.2)


def test_the_same_number_gives_the_same_pair_and_another_number_another():
    assert np.array_equal(drawn(0.5, 0.5, 1).a, drawn(0.5, 0.5, 1).a)
    assert not np.array_equal(drawn(0.5, 0.5, 1).a, drawn(0.5, 0.5, 2).a)


def test_real_pairs_stand_beside_what_chance_gives():
    shared = np.array([[[8, 8, 4], [8, 8, 4], [4, 4, 8]], [[2, 0, 1], [0, 2, 1], [1, 1, 2]]], np.int32)
    counts = Overlap(("a", "b", "c"), 0.5, ("first", "second"), np.array([16, 4]), shared)
    pairs = real_pairs(counts).set_index(["layer", "pair"])
    assert len(pairs) == 6
    assert pairs.iou["first", "a and b"] == 1 and pairs.iou["first", "a and c"] == pytest.approx(4 / 12)
    assert pairs.iou["second", "a and b"] == 0
    # 8 of 16 twice: 4 shared with a variance of 8 * 8 * 8 * 8 / (16 * 16 * 15)
    reach = 1.959964 * np.sqrt(16 / 15)
    assert pairs.low["first", "a and b"] == pytest.approx((4 - reach) / (12 + reach))
    assert pairs.high["first", "a and b"] == pytest.approx((4 + reach) / (12 - reach))


def test_the_lesson_is_played_to_its_end():
    app = opened()
    app.segmented_control(key="chance-guess").set_value("10 %").run()
    app.button(key="press-chance-drawn").click().run()
    page = shown_text(app)
    assert "keep half each share <strong>33 %</strong>" in page and "You said 10 %." in page
    assert lesson_chance.LESSON.take_home not in page
    app.slider(key="chance-a").set_value(90).run()
    app.slider(key="chance-b").set_value(90).run()
    assert "keep 90 % and 90 % share <strong>82 %</strong>" in shown_text(app)  # .81 / .99
    app.button(key="press-chance-real").click().run()
    assert not app.exception and lesson_chance.LESSON.take_home in shown_text(app)


def test_twins_stand_at_the_end_beside_chance():
    run = load_run(samples()["domains"])
    measured = luck_of(run, read_twins(run, Path("none")), run.tickets.target)
    page = shown_text(opened(**END))
    twins, different = (terms.percent(float(np.nanmean(iou)), 0) for iou in (measured.halves.iou, measured.across.iou))
    assert f"and share {twins}; halves of different domains share {different}" in page
    assert ("they follow their pictures" in page) == (measured.samples.verdict == "less than twins")


def test_drawing_again_changes_the_pair_and_the_address():
    app = opened(**END)
    before = shown_text(app)
    next(button for button in app.button if button.label == "Draw again").click().run()
    assert app.query_params["chance-number"] == "1" and shown_text(app) != before


def test_the_link_shows_the_end():
    page = shown_text(opened(**END, **{"chance-a": "20", "chance-b": "40"}))
    assert "keep 20 % and 40 % share <strong>15 %</strong>" in page  # .08 / .52
    assert "30 of 30 dots" in page and lesson_chance.LESSON.take_home in page
