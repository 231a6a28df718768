"""What a lesson is, and the lessons in the order in which they are taught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

ORDER = (
    "lesson_lottery",
    "lesson_five_tickets",
    "lesson_chance",
    "lesson_collapse",
    "lesson_routing",
    "lesson_sanity",
    "lesson_significance",
    "lesson_seeds",
)


@dataclass(frozen=True)
class Lesson:
    """One question, one thing to do, one surprise, one sentence to take home.

    slug        what stands in the address; its keys in the address begin with it
    question    the title, as a learner would ask it
    promise     one sentence: what you will do
    minutes     5 to 10
    trains      whether networks are trained while you watch
    pictures    whether you bring or draw a picture of your own
    take_home   the sentence that is shown once the surprise has been seen
    play        draws the interactive part; True once the surprise has been seen
    """

    slug: str
    question: str
    promise: str
    minutes: int
    trains: bool
    pictures: bool
    take_home: str
    play: Callable[[], bool]


def lessons() -> tuple[Lesson, ...]:
    """All lessons; their modules are imported when the page is opened, not with the app."""
    return tuple(import_module(f"app.lessons.{name}").LESSON for name in ORDER)
