"""How the figures of a task are named and written: a share in per cent, anything else in its own unit."""

from __future__ import annotations

from collections.abc import Sequence

from app import terms
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import Figure


def figure(metric: str) -> Figure:
    """The figure of that name, of whatever task."""
    known = {figure.name: figure for task in TASKS.values() for figure in task.figures}
    return known[metric]


def title_of(metric: str) -> str:
    return figure(metric).title


def _is_share(metric: str) -> bool:
    return figure(metric).unit == "share"


def scale(metric: str) -> int:
    """By what a value is multiplied where it is drawn."""
    return 100 if _is_share(metric) else 1


def unit(metric: str) -> str:
    """Of a drawn value."""
    return "%" if _is_share(metric) else figure(metric).unit


def value(metric: str, number: float | None) -> str:
    if _is_share(metric) or number is None or number != number:
        return terms.percent(number)
    return f"{number:.2f} {unit(metric)}"


def interval(metric: str, low_high: Sequence[float | None] | None) -> str:
    if _is_share(metric) or not low_high or None in low_high:
        return terms.interval(low_high)
    return f"{low_high[0]:.2f} to {low_high[1]:.2f} {unit(metric)}"


def difference(metric: str, number: float) -> str:
    """Signed; of shares in percentage points."""
    return terms.points(number) if _is_share(metric) else f"{number:+.2f} {unit(metric)}".replace("-", "−")
