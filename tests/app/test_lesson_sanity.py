"""The lesson on maps, played on the bundled tickets with few pictures."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from app.lessons import lesson_sanity, lesson_sanity_scores
from tests.app.lesson_page import open_lesson, shown_text

FEW = 8  # pictures behind the score


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr(lesson_sanity_scores, "N", FEW)


def draw_lesson():
    from dataclasses import replace

    from app.lessons import frame
    from app.lessons.lesson_sanity import LESSON

    frame.draw((LESSON, replace(LESSON, slug="after")))


def opened(**query: str) -> AppTest:
    in_address = {f"lying_map-{name}": value for name, value in query.items()}
    return open_lesson(draw_lesson, {"lesson": "lying_map", **in_address})


def rightly() -> str:
    return "".join(side for _, side in lesson_sanity.order())


def test_played_to_its_end_the_score_counts_and_the_link_holds_the_picks():
    app = opened()
    assert 'class="learn-surprise"' not in shown_text(app)
    for side in rightly():
        app.button(key=f"lying_map-{side}").click().run()
    assert shown_text(app).count("you found the trained network 3 of 3 times") == 2
    assert 'class="learn-surprise"' not in shown_text(app)
    app.button(key="press-lying_map-scored").click().run()
    assert not app.exception
    equal = re.findall(rf"<strong>(\d) of {FEW}</strong>", shown_text(app))
    assert int(equal[0]) > FEW / 2 and equal[1] == "0" and "proves nothing" in shown_text(app)
    assert f"lying_map-picks={rightly()}" in app.code[0].value

    linked = opened(picks=rightly(), scored="1")
    assert shown_text(linked) == shown_text(app)
    assert "do not trust" in shown_text(linked) and "trust within limits" in shown_text(linked)

    linked.button(key="lying_map-again").click().run()
    assert "Picture 1 of 6" in shown_text(linked) and "lying_map-picks" not in linked.query_params


@pytest.mark.parametrize("picks", ["X", "AB<i>"])
def test_picks_that_are_none_start_the_lesson_anew(picks):
    assert "Picture 1 of 6" in shown_text(opened(picks=picks))


def test_more_picks_than_pictures_are_cut():
    assert "3 of 3" in shown_text(opened(picks=rightly() + "AAAA"))


def test_hits_are_counted_by_method():
    wrong = rightly().translate(str.maketrans("AB", "BA"))
    picks = rightly()[:3] + wrong[3:5] + rightly()[5]
    assert [lesson_sanity.hits(picks, method) for method in lesson_sanity.METHODS] == [3, 1]


def test_both_sides_are_right_now_and_then_and_no_picture_comes_twice():
    assert set(rightly()) == {"A", "B"}
    assert len({place for place, _ in lesson_sanity.order()}) == len(lesson_sanity.ROUNDS)


def test_the_last_of_the_curve_is_the_correlation_of_the_two_maps_that_are_shown():
    measures = lesson_sanity_scores.compared("guided_backprop")
    slow = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(measures.learned, measures.shuffled, strict=True)]
    assert np.allclose(measures.curve[:, -1], slow)
    by_size = [
        spearmanr(abs(a).ravel(), abs(b).ravel())[0] for a, b in zip(measures.learned, measures.shuffled, strict=True)
    ]
    assert np.allclose(measures.by_size, by_size)


def test_pictures_are_the_tickets_own():
    dataset, whole = lesson_sanity_scores.dataset(), lesson_sanity_scores.explained().subject.dataset
    rows = dataset.rows("test")
    assert set(dataset.attributes.domain[rows]) == {"original"}
    assert np.array_equal(dataset.rows("train"), whole.rows("train"))
    assert lesson_sanity_scores.shown().accuracy[0] > lesson_sanity_scores.shown().accuracy[1]
