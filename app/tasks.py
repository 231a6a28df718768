"""How a task is shown: its figures named and written in their own units, and its answers drawn.

An answer that is no class is drawn by an entry of `ANSWERS`, which a task names in `Task.drawn_as`: here is where
another task plugs in. Boxes will lie over the picture, the truth's in outline, an error where none overlaps; a waveform
will be a line over time, its truth another, and their difference below. Neither is here before there are data for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from app import colours, terms
from rtl_core.data.dataset import IGNORED
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure

_OPACITY = 0.62  # of labels over their picture
_WRONG = colours.TICKETS[6]  # red


Metric = str | Figure  # a figure, or the name of one


def figure(metric: Metric) -> Figure:
    """The figure of that name, of whatever task."""
    if isinstance(metric, Figure):
        return metric
    known = {figure.name: figure for task in TASKS.values() for figure in task.figures}
    return known[metric]


def title_of(metric: Metric) -> str:
    return figure(metric).title


def _is_share(metric: Metric) -> bool:
    return figure(metric).unit == "share"


def scale(metric: Metric) -> int:
    """By what a value is multiplied where it is drawn."""
    return 100 if _is_share(metric) else 1


def unit(metric: Metric) -> str:
    """Of a drawn value."""
    return "%" if _is_share(metric) else figure(metric).unit


def value(metric: Metric, number: float | None) -> str:
    if _is_share(metric) or number is None or number != number:
        return terms.percent(number)
    return _in_unit(f"{number:{_form(metric)}}", metric)


def interval(metric: Metric, low_high: Sequence[float | None] | None) -> str:
    if _is_share(metric) or not low_high or None in low_high:
        return terms.interval(low_high)
    return _in_unit(f"{low_high[0]:{_form(metric)}} to {low_high[1]:{_form(metric)}}", metric)


def _form(metric: Metric) -> str:
    return ".2f" if unit(metric) else ".3g"


def _in_unit(number: str, metric: Metric) -> str:
    return f"{number} {unit(metric)}".rstrip()


def difference(metric: Metric, number: float) -> str:
    """Signed; of shares in percentage points."""
    return (
        terms.points(number) if _is_share(metric) else _in_unit(f"{number:+{_form(metric)}}".replace("-", "−"), metric)
    )


def axis(metric: Metric) -> str:
    """The name of an axis of drawn values."""
    return f"{title_of(metric)}, {unit(metric)}" if unit(metric) else title_of(metric)


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
    """

    of_answer: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    of_truth: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    of_error: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
    reading: str
    legend: Callable[[np.ndarray, Sequence[str]], list[tuple[str, str]]] = lambda outputs, names: []
    regions: Callable[[np.ndarray, np.ndarray, Sequence[str]], list[Region]] | None = None


def _labels(labels: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    """A label map int (h, w) in the labels' colours; the picture alone where nobody has labelled it."""
    labelled = labels != IGNORED
    most = int(labels[labelled].max(initial=0))
    palette = np.array([colours.rgb(colour) for colour in colours.of_labels(most + 1)])
    return _over(picture, palette[np.where(labelled, labels, 0)], labelled)


def _wrong(outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """bool (h, w): labelled pixels that are answered otherwise."""
    return (outputs.argmax(axis=0) != truth) & (truth != IGNORED)


def _wrong_labels(outputs: np.ndarray, truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    wrong = _wrong(outputs, truth)
    return _over(picture, np.broadcast_to(colours.rgb(_WRONG), (*wrong.shape, 3)), wrong)


def _over(picture: np.ndarray | None, colour: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Colours (h, w, 3) over a picture in grey, of any size, where bool (h, w) says; over mid-grey without one."""
    if picture is None or picture.shape[:2] != where.shape:
        grey, opacity = np.full((*where.shape, 3), 128.0), 1.0
    else:
        grey, opacity = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2), _OPACITY
    dense = opacity * where[..., None]
    return np.rint((1 - dense) * grey + dense * colour).astype(np.uint8)


def _names_of_labels(outputs: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(_called(len(outputs), names), colours.of_labels(len(outputs)), strict=True))


def _called(labels: int, names: Sequence[str]) -> Sequence[str]:
    return names if len(names) == labels else [f"label {i}" for i in range(labels)]


def _wrong_regions(outputs: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> list[Region]:
    """Touching pixels with the same true label and the same wrong answer, the largest first."""
    p, answer = softmax(outputs.astype(float), axis=0), outputs.argmax(axis=0)
    called, wrong, found = _called(len(outputs), names), _wrong(outputs, truth), []
    for true, answered in np.unique(np.stack([truth[wrong], answer[wrong]]), axis=1).T:
        pieces, _ = ndimage.label(wrong & (truth == true) & (answer == answered))
        for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
            inside = pieces == number
            numbers = {
                "true": called[true],
                "answered": called[answered],
                "pixels": int(inside.sum()),
                "share of the picture": float(inside.mean()),
                "probability of the answer": float(p[answered][inside].mean()),
                "probability of the truth": float(p[true][inside].mean()),
            }
            found.append(Region((columns.start, rows.start, columns.stop, rows.stop), "wrong", numbers))
    return sorted(found, key=lambda region: -region.numbers["pixels"])


def _picture(values: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    """Grey or coloured (c, h, w) in [0, 1]; the picture of the input stands beside it anyway."""
    grey = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    return np.broadcast_to(grey, (*grey.shape[:2], 3))


def _difference(outputs: np.ndarray, truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    return _picture(np.abs(outputs - truth).mean(axis=0, keepdims=True), picture)


ANSWERS: dict[str, Answer] = {
    "label map": Answer(
        of_answer=lambda outputs, picture: _labels(outputs.argmax(axis=0), picture),
        of_truth=_labels,
        of_error=_wrong_labels,
        reading="red: pixels with another label than the true one",
        legend=_names_of_labels,
        regions=_wrong_regions,
    ),
    "picture": Answer(
        of_answer=_picture,
        of_truth=_picture,
        of_error=_difference,
        reading="lighter: further from the truth; white is the whole range",
    ),
}
