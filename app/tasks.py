"""How a task is shown: its figures named and written in their own units, and its answers drawn.

An answer that is no class is drawn by an entry of `ANSWERS`, which a task names in `Task.drawn_as`: here is where
another task plugs in. A waveform would be a line over time, its truth another, and their difference below; it is not
here before there are data for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app import terms
from app.answers.boxes import BOXES
from app.answers.drawing import Answer
from app.answers.label_maps import LABEL_MAP
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure

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


def _picture(values: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    """Grey or coloured (c, h, w) in [0, 1]; the picture of the input stands beside it anyway."""
    grey = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    return np.broadcast_to(grey, (*grey.shape[:2], 3))


def _difference(outputs: np.ndarray, truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    return _picture(np.abs(outputs - truth).mean(axis=0, keepdims=True), picture)


ANSWERS: dict[str, Answer] = {
    "label map": LABEL_MAP,
    "boxes": BOXES,
    "picture": Answer(
        of_answer=_picture,
        of_truth=_picture,
        of_error=_difference,
        reading="lighter: further from the truth; white is the whole range",
    ),
}
