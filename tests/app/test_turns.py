"""Turns of pages that compute: as many at once as allowed, one a visitor, and a sentence for those who wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit.testing.v1 import AppTest

from app import turns
from app.turns import Turns
from rtl_core.errors import BadInput


class Left(Exception):
    """The visitor does not wait any longer."""


def leave(reason: str) -> None:
    raise Left(reason)


def test_no_more_compute_at_once_than_allowed():
    places, at_once, most, counted = Turns(3), 0, 0, threading.Lock()
    meet = threading.Barrier(3, timeout=30)

    def visit(visitor: int) -> None:
        nonlocal at_once, most
        places.take(str(visitor), lambda reason: None, 0.01)
        with counted:
            at_once += 1
            most = max(most, at_once)
        meet.wait()  # three are inside together, or this breaks
        with counted:
            at_once -= 1
        places.give_back(str(visitor))

    with ThreadPoolExecutor(12) as visitors:
        list(visitors.map(visit, range(12)))
    assert most == 3 and at_once == 0


def test_a_visitor_has_one_place_and_hears_why_the_second_waits():
    places = Turns(2)
    places.take("a", leave)
    with pytest.raises(Left, match="What you asked for before"):
        places.take("a", leave, 0.01)
    places.take("b", leave)
    with pytest.raises(Left, match="As many pages are being computed for others as this server allows: 2"):
        places.take("c", leave, 0.01)
    places.give_back("a")
    places.take("a", leave, 0.01)


def test_whoever_leaves_while_waiting_takes_no_place():
    places = Turns(1)
    places.take("a", leave)
    with pytest.raises(Left):
        places.take("b", leave, 0.01)
    places.give_back("a")
    places.take("c", leave, 0.01)


def test_a_place_that_becomes_free_is_taken_by_one_who_waits():
    places, waits = Turns(1), threading.Event()
    places.take("a", leave)
    with ThreadPoolExecutor(1) as other:
        second = other.submit(places.take, "b", lambda reason: waits.set(), 0.01)
        assert waits.wait(30) and not second.done()
        places.give_back("a")
        second.result(30)


def test_a_public_server_has_a_limit_and_any_other_only_where_it_is_named(monkeypatch):
    monkeypatch.delenv("RTL_COMPUTATIONS", raising=False)
    monkeypatch.delenv("RTL_PUBLIC", raising=False)
    assert turns.most_at_once() is None
    monkeypatch.setenv("RTL_PUBLIC", "1")
    assert turns.most_at_once() >= 1
    monkeypatch.setenv("RTL_COMPUTATIONS", "5")
    assert turns.most_at_once() == 5
    monkeypatch.setenv("RTL_COMPUTATIONS", "none")
    with pytest.raises(BadInput, match="RTL_COMPUTATIONS is 'none'"):
        turns.most_at_once()


def stops_early() -> None:
    import streamlit as st

    from app import turns

    with turns.turn():
        st.write("computed")
        st.stop()


def test_a_page_that_stops_early_gives_its_place_back(monkeypatch):
    monkeypatch.setenv("RTL_COMPUTATIONS", "1")
    for _ in range(2):  # the second one would wait without end
        app = AppTest.from_function(stops_early, default_timeout=30).run()
        assert not app.exception and [text.value for text in app.markdown] == ["computed"] and not app.info


def test_who_waits_reads_why_until_it_is_their_turn(monkeypatch):
    places, shown = Turns(1), []
    places.take("somebody else", leave)

    def free_it(text: str) -> str:
        shown.append(text)
        places.give_back("somebody else")
        return text

    monkeypatch.setenv("RTL_COMPUTATIONS", "1")
    monkeypatch.setattr(turns, "_turns", lambda most: places)
    monkeypatch.setattr(turns, "plain", free_it)
    app = AppTest.from_function(stops_early, default_timeout=30).run()
    assert len(shown) == 1 and shown[0].startswith("As many pages are being computed")
    assert not app.exception and [text.value for text in app.markdown] == ["computed"] and not app.info
