"""Learn: short lessons on live networks; `?lesson=` opens one, `?present=1` enlarges it for a projector."""

from __future__ import annotations

from app import page_setup

page_setup.ensure_entry()

from app.lessons import frame  # noqa: E402
from app.lessons.lesson import lessons  # noqa: E402

frame.draw(lessons())
