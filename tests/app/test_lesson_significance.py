"""The lesson on noise: groups made by lot against a slow reference, few people, and the lesson from start to end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.lessons import lesson_significance, lesson_significance_draws
from rtl_core.audit.fairness.predictions import Predictions
from tests.app.lesson_page import open_lesson, shown_text

END = {"noise-guess": "1 in 20", "noise-presses": "7", "noise-many": "1"}


def tell():
    from app.lessons import frame, lesson_chance, lesson_significance

    frame.draw((lesson_significance.LESSON, lesson_chance.LESSON))


def decided(women: int, men: int, yes_women: int, yes_men: int) -> Predictions:
    n = women + men
    chosen = np.r_[np.arange(women) < yes_women, np.arange(men) < yes_men].astype(np.int64)
    groups = pd.DataFrame({"sex": pd.Categorical(["Female"] * women + ["Male"] * men)})
    return Predictions(
        np.zeros(n, np.int64), chosen, np.full(n, np.nan), np.zeros(n, np.int64), groups, np.arange(n), ("no", "yes"),
        ("only",),
    )  # fmt: skip


@pytest.fixture
def sample(monkeypatch):
    """In place of the sample's networks: 10,000 people, 20 % of the women and 40 % of the men get a yes."""
    monkeypatch.setattr(lesson_significance_draws, "_decisions", lambda: decided(4_000, 6_000, 800, 2_400))
    lesson_significance_draws.real.clear()
    yield
    lesson_significance_draws.real.clear()


def opened(**query: str) -> AppTest:
    return open_lesson(tell, {"lesson": "noise", **query})


def test_drawn_counts_are_as_people_dealt_into_groups():
    drawn = lesson_significance_draws.random_groups(1_000, 200, 30, 0)
    people, generator = np.arange(1_000) < 200, np.random.default_rng(0)
    dealt = np.array([generator.choice(people, 30, replace=False).reshape(2, 15).sum(axis=1) for _ in range(4_000)])
    assert drawn.yes_a.mean() == pytest.approx(dealt[:, 0].mean(), abs=0.15)
    assert drawn.gap.std() == pytest.approx((dealt[:, 0] - dealt[:, 1]).std() / 15, rel=0.08)
    large = np.abs(dealt[:, 0] - dealt[:, 1]) / 15 > 0.1
    assert drawn.large.mean() == pytest.approx(large.mean(), abs=0.06)


def test_a_gap_is_large_only_above_ten_points():
    drawn = lesson_significance_draws.random_groups(1_000, 500, 20, 0)  # one yes more of 10 is exactly 10 points
    apart = (drawn.yes_a - drawn.yes_b).abs()
    assert (apart == 1).any() and (drawn.large == (apart >= 2)).all()


def test_where_nobody_differs_there_is_no_gap():
    drawn = lesson_significance_draws.random_groups(1_000, 0, 30, 0)
    assert (drawn.gap == 0).all() and not drawn.large.any() and not drawn.beyond.any()


def test_the_interval_is_the_audits():
    audit = lesson_significance_draws.audited(decided(15, 15, 6, 2), np.arange(30))
    drawn = lesson_significance_draws.random_groups(1_000, 300, 30, 0)
    same = drawn[(drawn.yes_a == 6) & (drawn.yes_b == 2)].iloc[0]
    assert (audit["gap"], audit["low"], audit["high"]) == pytest.approx((same.gap, same.low, same.high))
    assert audit["status"] == "small" and audit["beyond"] == same.beyond


def test_too_few_people_are_refused():
    audit = lesson_significance_draws.audited(decided(9, 21, 0, 21), np.arange(30))
    assert audit["status"] == "refused" and audit["gap"] is None and not audit["beyond"]


def test_all_people_give_the_whole_gap(sample):
    gaps = lesson_significance_draws.real(0)
    assert list(gaps.n) == [30, 300, 3_000, 10_000]
    assert gaps.gap.iloc[-1] == pytest.approx(-0.2) and gaps.beyond.iloc[-1]
    widths = (gaps.high - gaps.low)[1:]
    assert (widths.diff().dropna() < 0).all()


def test_the_lesson_is_played_to_its_end(sample):
    app = opened()
    app.segmented_control(key="noise-guess").set_value("1 in 20").run()
    for press in range(lesson_significance.ENOUGH):
        assert "press-noise-many" not in [button.key for button in app.button]
        app.button(key="noise-another").click().run()
        large = int(lesson_significance_draws.random_groups(10_000, 3_200, 30, 0).large[: press + 1].sum())
        assert f"<strong>{large} of {press + 1}</strong>" in shown_text(app)
    app.button(key="press-noise-many").click().run()
    assert not app.exception
    page = shown_text(app)
    share = lesson_significance_draws.random_groups(10_000, 3_200, 30, 0).large.mean()
    assert f"With 30 people <strong>{100 * share:.0f} %</strong>" in page and "You said: 1 in 20." in page
    assert lesson_significance.LESSON.take_home in page


def test_the_link_shows_the_end(sample):
    page = shown_text(opened(**END))
    large = int(lesson_significance_draws.random_groups(10_000, 3_200, 30, 0).large[:7].sum())
    assert f"<strong>{large} of 7</strong>" in page
    assert "the gap is <strong>−20.0 points</strong>" in page and lesson_significance.LESSON.take_home in page


def test_the_seed_in_the_address_draws_others(sample):
    assert shown_text(opened(**END)) != shown_text(opened(**END, **{"noise-seed": "5"}))
