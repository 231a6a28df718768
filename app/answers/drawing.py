"""What it takes to draw one kind of answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app import colours

OPACITY = 0.62  # of colours over their picture
WRONG = colours.TICKETS[6]  # red
MISSED = colours.TICKETS[1]
RIGHT = colours.TICKETS[2]


@dataclass(frozen=True)
class Region:
    """A place in a picture where an answer is right, wrong, missed or false.

    box      x0, y0, x1, y1 in pixels of the answer
    outcome  "right", "wrong", "missed" (true, and not answered) or "false" (answered, and not true)
    numbers  what is said of it when it is clicked, by name
    """

    box: tuple[float, float, float, float]
    outcome: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """How one kind of answer is drawn, uint8 (h, w, 3), over the picture of its input (h, w, 3) or without (None).

    of_answer  (outputs of one row, picture)
    of_truth   (truth of one row, picture)
    of_error   (outputs, truth, picture): where the answer is off
    reading    what the colours of an error mean
    legend     (outputs, names of the classes) -> [(name, colour)]; empty where colours need none
    regions    (outputs, truth, names of the classes) -> places to click, those that matter most first; None: there
               are none
    enlarged   outputs -> how many pixels a side are drawn for one of the answer
    """

    of_answer: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    of_truth: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    of_error: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
    reading: str
    legend: Callable[[np.ndarray, Sequence[str]], list[tuple[str, str]]] = lambda outputs, names: []
    regions: Callable[[np.ndarray, np.ndarray, Sequence[str]], list[Region]] | None = None
    enlarged: Callable[[np.ndarray], int] = lambda outputs: 1


def called(count: int, names: Sequence[str]) -> Sequence[str]:
    """The names of so many labels, where the data have them."""
    return names if len(names) == count else [f"label {i}" for i in range(count)]


def grey(picture: np.ndarray | None, shape: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """(float (h, w, 3) the picture in grey, or mid-grey where there is none of that shape; whether there is)."""
    if picture is None or picture.shape[:2] != shape:
        return np.full((*shape, 3), 128.0), False
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2), True
