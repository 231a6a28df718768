"""The lesson `post`: what deliveries are worth, on paper, and the whole lesson over answers that are given."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import colours
from app.lessons import domains_sample, lesson_routing, lesson_routing_results
from app.routing.choice_reason import Reason
from rtl_core.audit.accuracy_cost import AccuracyInterval, AtBudget
from rtl_core.data.dataset import Dataset
from tests.app.lesson_page import open_lesson, shown_text

SURPRISE = 'class="learn-surprise"'
NAMES = ("original", "rotated", "inverted", "noisy", "blurred")
N = 100
_views = count()
_View = type("View", (SimpleNamespace,), {"__module__": "app.routing.view"})  # a view to the caches: they ask its key
ACCURACY = {"100 %": 0.8, "75 %": 0.7, "50 %": 0.5, "30 %": 0.2}


@pytest.fixture
def seen(known_tickets, monkeypatch):
    """A hundred pictures, 20 of each domain. Own tickets are right in all, others in none; the gate sends the first 10
    to ticket 1 though they are ticket 0's, and costs a tenth of a ticket."""
    subset, y = np.repeat(np.arange(5), N // 5), np.tile([0, 1], N // 2)
    right = np.arange(5)[:, None] == subset
    dataset = Dataset(
        "toy", "image", np.full((N, 1, 8, 8), 90, np.uint8), y, ("a", "b"),
        pd.DataFrame({"domain": np.array(NAMES)[subset]}), np.array(["test"] * N), np.arange(N), "toy", mean=(0.5,),
        std=(0.25,),
    )  # fmt: skip
    reason = Reason(np.array([0.6, 0.1, 0.1, 0.1, 0.1]), np.ones(5), np.zeros(5, int), np.full(5, 0.9))
    view = _View(
        key=("toy", next(_views), "gate"),
        names=NAMES,
        run=SimpleNamespace(tickets=known_tickets),
        dataset=dataset,
        eval_set=SimpleNamespace(rows=np.arange(N), y=y, subset=subset, units=dataset.unit),
        ticket=np.where(np.arange(N) < 10, 1, subset),
        routed=SimpleNamespace(choice=SimpleNamespace(macs=100)),
        full_cost=900.0,
        routing=SimpleNamespace(
            answers=SimpleNamespace(credit=right),
            offered=SimpleNamespace(levels=[SimpleNamespace(density=0.1), SimpleNamespace(density=0.05)]),
        ),
        reason_for=lambda x: reason,
    )
    monkeypatch.setattr(domains_sample, "view", lambda: view)
    monkeypatch.setattr(lesson_routing_results, "points", lambda seen: points())
    return view


def points() -> dict[str, AtBudget]:
    return {
        name: AtBudget(
            bound=1.0,
            cost=1.0,
            accuracy=value,
            n=N,
            ci=AccuracyInterval([value - 0.1, value + 0.1]),
            tickets=[],
            levels=[N - light, light],
        )
        for light, (name, value) in zip((0, 20, 60, N), ACCURACY.items(), strict=True)
    }


def draw():
    from app.lessons import frame, lesson_chance, lesson_routing

    frame.draw((lesson_routing.LESSON, lesson_chance.LESSON))


def opened(**query: str) -> AppTest:
    return open_lesson(draw, {"lesson": "post", **query})


@pytest.mark.parametrize(
    ("written", "sent"),
    [("", []), ("014", [0, 1, 4]), ("01x4", [0, 1]), ("05", [0]), ("0²", [0]), ("0123401234321", [*range(5)] * 2)],
)
def test_damage_in_the_address_counts_as_not_played(written, sent):
    assert lesson_routing.delivered(written, 5) == sent


def test_a_seed_draws_ten_different_pictures():
    drawn = lesson_routing.drawn(50, 3)
    assert len(set(drawn)) == lesson_routing.ROUNDS and drawn.max() < 50
    assert (drawn == lesson_routing.drawn(50, 3)).all() and (drawn != lesson_routing.drawn(50, 4)).any()


def test_deliveries_are_worth_what_the_tickets_make_of_them():
    right = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 1]], bool)
    subset, ticket = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 0])
    delivered = lesson_routing_results.delivery(right, subset, ticket, np.arange(4))
    assert (delivered.n, delivered.misrouted, delivered.hits.value) == (4, 2, 0.5)
    assert (delivered.own.value, delivered.gate.value) == (1.0, 0.5)
    assert delivered.wrong.value == pytest.approx(3 / 8)  # of each picture's two wrong tickets: 1, 1, 0 and 1 are right
    assert (delivered.lost.value, delivered.lost_own.value) == (0.0, 1.0)


def test_a_gate_without_mistakes_leaves_the_lost_undefined():
    right, subset = np.eye(2, dtype=bool), np.arange(2)
    delivered = lesson_routing_results.delivery(right, subset, subset, np.arange(2))
    assert delivered.misrouted == 0 and np.isnan(delivered.lost.value) and delivered.gate.value == 1


def test_the_chosen_budget_stands_out():
    figure = lesson_routing_results.bought(points(), "50 %", colours.LIGHT)
    assert [(trace.x[0], trace.y[0]) for trace in figure.data] == [(100, 80), (75, 70), (50, 50), (30, 20)]
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle", "diamond", "circle"]


def test_a_budget_is_told_with_whom_it_gives_what():
    sentence = lesson_routing.bought(points(), "50 %", [0.1, 0.05])
    assert "40 pictures get a ticket that keeps 10 % and 60 pictures get a ticket that keeps 5 %" in sentence
    assert "**50.0 %** (40.0 to 60.0 %)" in sentence and "−30.0 points" in sentence
    assert "points" not in lesson_routing.bought(points(), "100 %", [0.1, 0.05])


def test_the_lesson_is_played_to_its_end(seen):
    app, letters = opened(), lesson_routing.drawn(N, 0)
    own = seen.eval_set.subset[letters]
    for i in range(lesson_routing.ROUNDS):
        assert SURPRISE not in shown_text(app) and f"Picture {i + 1} of 10" in app.markdown[0].value
        app.button(key=f"post-{own[i] if i else (own[i] + 1) % 5}").click().run()  # the first one wrong
        assert not app.exception
    gate = int((seen.ticket[letters] == own).sum())
    page = shown_text(app)
    assert f"You delivered 9 of 10 rightly, the gate {gate}." in page
    assert "<strong>90.0 %</strong> rightly" in page and "for <strong>10.0 %</strong> of the computing" in page
    assert "all of the gate's mistakes cost <strong>10.0 points</strong>" in page
    assert lesson_routing.LESSON.take_home in page
    app.button(key="press-post-lighter").click().run()
    app.segmented_control(key="post-budget").set_value("30 %").run()
    assert "<strong>20.0 %</strong>" in shown_text(app)
    app.segmented_control(key="post-eleventh").set_value("noisy").run()
    assert "You send it to noisy, the gate to <strong>original</strong>." in shown_text(app)


def test_the_link_shows_the_end(seen):
    own = "".join(map(str, seen.eval_set.subset[lesson_routing.drawn(N, 7)]))
    app = opened(**{"post-to": own, "post-seed": "7", "post-lighter": "1", "post-budget": "50 %"})
    assert "You delivered 10 of 10 rightly" in shown_text(app) and "<strong>50.0 %</strong>" in shown_text(app)
    assert f"post-to={own}" in app.code[0].value and lesson_routing.LESSON.take_home in shown_text(app)


def test_other_pictures_begin_anew(seen):
    app = opened(**{"post-to": "0123401234"})
    assert SURPRISE in shown_text(app)
    app.number_input(key="post-seed").set_value(5).run()
    assert SURPRISE not in shown_text(app) and "post-to" not in app.query_params


def test_of_a_drawing_nobody_knows_where_it_belongs(seen):
    end = {"post-to": "0123401234", "post-eleventh": "rotated"}
    assert "Nobody knows" not in shown_text(opened(**end))
    assert "Nobody knows who is right" in shown_text(
        opened(**end, **{"post-own-from": "Draw", "post-own-drawn": "gKg0"})
    )
