"""Turns of pages that compute: as many at once as allowed, one a visitor, and a sentence for those who wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

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
    with pytest.raises(Left, match="2 pages are being computed for other visitors"):
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
