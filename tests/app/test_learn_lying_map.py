"""The lesson on maps, played on the bundled tickets with few pictures."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import spearmanr
from streamlit.testing.v1 import AppTest

from app.learn import lying_map, lying_map_scores

FEW = 8  # pictures behind the score


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr(lying_map_scores, "N", FEW)


def draw_lesson():
    from dataclasses import replace

    from app.learn import frame
    from app.learn.lying_map import LESSON

    frame.draw((LESSON, replace(LESSON, slug="after")))


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(draw_lesson, default_timeout=60)
    app.query_params["lesson"] = "lying_map"
    for name, value in query.items():
        app.query_params[f"lying_map-{name}"] = value
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return "\n".join(part.proto.body for part in app.get("html"))


def rightly() -> str:
    return "".join(side for _, side in lying_map.order())


def test_played_to_its_end_the_score_counts_and_the_link_holds_the_picks():
    app = opened()
    assert 'class="learn-surprise"' not in said(app)
    for side in rightly():
        app.button(key=f"lying_map-{side}").click().run()
    assert said(app).count("you found the trained network 3 of 3 times") == 2
    assert 'class="learn-surprise"' not in said(app)
    app.button(key="press-lying_map-scored").click().run()
    assert not app.exception
    alike = re.findall(rf"<strong>(\d) of {FEW}</strong>", said(app))
    assert int(alike[0]) > FEW / 2 and alike[1] == "0" and "proves nothing" in said(app)
    assert f"lying_map-picks={rightly()}" in app.code[0].value

    linked = opened(picks=rightly(), scored="1")
    assert said(linked) == said(app)
    assert "do not trust" in said(linked) and "trust within limits" in said(linked)

    linked.button(key="lying_map-again").click().run()
    assert "Picture 1 of 6" in said(linked) and "lying_map-picks" not in linked.query_params


@pytest.mark.parametrize("picks", ["X", "AB<i>"])
def test_picks_that_are_none_start_the_lesson_anew(picks):
    assert "Picture 1 of 6" in said(opened(picks=picks))


def test_more_picks_than_pictures_are_cut():
    assert "3 of 3" in said(opened(picks=rightly() + "AAAA"))


def test_hits_are_counted_by_method():
    wrong = rightly().translate(str.maketrans("AB", "BA"))
    picks = rightly()[:3] + wrong[3:5] + rightly()[5]
    assert [lying_map.hits(picks, method) for method in lying_map.METHODS] == [3, 1]


def test_both_sides_are_right_now_and_then_and_no_picture_comes_twice():
    assert set(rightly()) == {"A", "B"}
    assert len({place for place, _ in lying_map.order()}) == len(lying_map.ROUNDS)


def test_the_last_of_the_curve_is_the_correlation_of_the_two_maps_that_are_shown():
    found = lying_map_scores.compared("guided_backprop")
    slow = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(found.learned, found.shuffled, strict=True)]
    assert np.allclose(found.curve[:, -1], slow)
    by_size = [spearmanr(abs(a).ravel(), abs(b).ravel())[0] for a, b in zip(found.learned, found.shuffled, strict=True)]
    assert np.allclose(found.by_size, by_size)


def test_pictures_are_the_tickets_own():
    dataset, whole = lying_map_scores.dataset(), lying_map_scores.explained().subject.dataset
    rows = dataset.rows("test")
    assert set(dataset.attributes.domain[rows]) == {"original"}
    assert np.array_equal(dataset.rows("train"), whole.rows("train"))
    assert lying_map_scores.shown().accuracy[0] > lying_map_scores.shown().accuracy[1]
