"""Lessons opened at an address, and what they show."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest


def open_lesson(draw: Callable[[], None], query: dict[str, str]) -> AppTest:
    """The script `draw` run once under an address with this query, without an error."""
    app = AppTest.from_function(draw, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def shown_text(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))
