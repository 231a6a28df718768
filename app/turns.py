"""How many pages compute at the same time, on the whole server and for one visitor.

`RTL_COMPUTATIONS` says how many; a public server has as many as cores unless it says otherwise, any other no limit.
A page takes its turn as a whole, before it asks for anything that is kept: a computation that waited inside a cache
would keep its place there from those whose turn it is. Two other orders were tried with fifty sessions at once: first
come, first served, and letting one more begin beside every page that takes longer than a second. Half of all warm pages
then waited over 1.0 and 2.4 s, instead of a quarter of a second: pages share Python's one lock.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.markdown import plain
from rtl_core.errors import BadInput
from rtl_core.read_only import is_public

_LOOK_SECONDS = 0.5  # a page that waits looks so often whether its visitor is still there


class Turns:
    """Places for `most` computations; nobody has two of them at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._computing: Counter[str] = Counter()

    def take(self, visitor: str, waits: Callable[[str], None], look_seconds: float = _LOOK_SECONDS) -> None:
        """Returns once the visitor has a place; until then `waits` is called with the reason, and may raise."""
        while not self._took(visitor, look_seconds):
            waits(self._reason(visitor))

    def give_back(self, visitor: str) -> None:
        with self._changed:
            self._computing -= Counter([visitor])
            self._changed.notify_all()

    def _took(self, visitor: str, seconds: float) -> bool:
        with self._changed:
            free = self._changed.wait_for(lambda: self._is_free(visitor), seconds)
            if free:
                self._computing[visitor] += 1
            return free

    def _is_free(self, visitor: str) -> bool:
        return self._computing.total() < self._most and not self._computing[visitor]

    def _reason(self, visitor: str) -> str:
        if self._computing[visitor]:
            return "What you asked for before is still being computed; this page follows at once."
        return f"As many pages are being computed for others as this server allows: {self._most}. This page follows."


def most_at_once() -> int | None:
    """How many pages may compute at once: RTL_COMPUTATIONS, else the cores of a public server, else None (no limit)."""
    named = os.environ.get("RTL_COMPUTATIONS")
    if named is None:
        return (os.cpu_count() or 1) if is_public() else None
    if not named.isdecimal() or int(named) < 1:
        raise BadInput(f"RTL_COMPUTATIONS is '{named}'; it should be the number of pages computed at once, 1 or more")
    return int(named)


@st.cache_resource(show_spinner=False)
def _turns(most: int) -> Turns:
    return Turns(most)


@contextmanager
def turn() -> Iterator[None]:
    """For as long as a page is computed; a sentence stands there while it waits."""
    most, context = most_at_once(), get_script_run_ctx()
    if most is None or context is None:
        yield
        return
    turns, visitor, place = _turns(most), context.session_id, st.empty()
    turns.take(visitor, lambda reason: place.info(plain(reason)))
    try:
        place.empty()
        yield
    finally:
        turns.give_back(visitor)
