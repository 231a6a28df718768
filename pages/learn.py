"""Learn: short lessons on live networks; `?lesson=` opens one, `?present=1` enlarges it for a projector."""

from __future__ import annotations

from app import shell

shell.ensure_entry()

from app.learn import frame  # noqa: E402
from app.learn.lesson import lessons  # noqa: E402

frame.draw(lessons())
