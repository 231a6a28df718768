"""A server for the public is read-only: whatever writes runs, uploads or audits, or starts a process, asks here first.

`RTL_PUBLIC` says so, which `python -m app --public` sets. The app offers none of it there; this is the second lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from rtl_core.errors import BadInput

VARIABLE = "RTL_PUBLIC"

P = ParamSpec("P")
R = TypeVar("R")


def is_public() -> bool:
    """Whether this process serves the public: with RTL_PUBLIC set to anything but nothing and 0, so that a slip of the
    pen locks rather than opens."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def check(doing: str) -> None:
    """BadInput where this process serves the public. `doing`: what is refused, as "training a run"."""
    if is_public():
        raise BadInput(
            f"{doing} is switched off here: this is a public demonstration, which keeps nothing and trains nothing; "
            f"RTL Lab on a machine of your own does it (without {VARIABLE})"
        )


def refused_in_public(doing: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator for functions that write or start something: they begin with `check(doing)`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*args: P.args, **more: P.kwargs) -> R:
            check(doing)
            return function(*args, **more)

        return checked

    return decorate
