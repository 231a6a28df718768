"""Numbers as the report shows them: rounded for people, exact in the `value` of their `<data>` element.

A value that is not defined is a dash with its reason in words, because paper shows no tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from rtl_core.audit.fairness.credit import in_points
from rtl_core.tasks.task import Figure

MINUS = "\u2212"


def figure(value: float | int | None, shown: str, reason: str | None = None) -> Markup:
    """`shown` with the exact value beside it; of None a dash and, if there is one, the reason."""
    if value is None:
        why = Markup(' <span class="why">{}</span>').format(reason) if reason else Markup("")
        return Markup('<span class="none">–{}</span>').format(why)
    return Markup('<data value="{}">{}</data>').format(repr(value), shown.replace("-", MINUS))


def share(value: float | None, reason: str | None = None) -> Markup:
    return figure(value, "" if value is None else f"{100 * value:.1f} %", reason)


def count(value: int | None, reason: str | None = None) -> Markup:
    return figure(value, "" if value is None else f"{value:,}", reason)


def number(value: float | None, reason: str | None = None) -> Markup:
    """Three decimals: scores, overlaps and other figures that are no shares of rows."""
    return figure(value, "" if value is None else f"{value:.3f}", reason)


def interval(bounds: Sequence[float | None] | None, of: str = "share") -> Markup:
    """`low to high` in small type, of a share in percent or of a `number`."""
    return Markup('<span class="ci">{}</span>').format(inline_interval(bounds, of))


def inline_interval(bounds: Sequence[float | None] | None, of: str = "share") -> Markup:
    low, high = bounds or (None, None)
    if low is None or high is None:
        return Markup("no interval")
    scale, digits, unit = {"share": (100, 1, " %"), "points": (100, 1, ""), "number": (1, 3, "")}[of]
    while f"{low * scale:.{digits}f}" == f"{high * scale:.{digits}f}" and low < high:
        digits += 1  # rounding must not make an interval look like a point
    ends = figure(low, f"{low * scale:.{digits}f}"), figure(high, f"{high * scale:.{digits}f}{unit}")
    return Markup("{} to {}").format(*ends)


def interval_of(bounds: Sequence[float | None], metric: str, of: str = "share") -> Markup:
    """The interval of a fairness metric, or with `points` of a difference of one."""
    return interval(bounds, of if in_points(metric) else "number")


def metric(value: float | None, name: str, reason: str | None = None) -> Markup:
    """A fairness metric: a share of rows, or one of scores."""
    return share(value, reason) if in_points(name) else number(value, reason)


def gap(value: float | None, name: str) -> Markup:
    """A difference of a fairness metric, with its sign."""
    if value is None:
        return figure(None, "")
    shown = f"{100 * value:+.1f} points" if in_points(name) else f"{value:+.3f}"
    return figure(value, shown if any(digit in shown for digit in "123456789") else shown[1:])


def of_figure(value: float | None, which: Figure, reason: str | None = None) -> Markup:
    """A figure of a task: a share of rows, one of scores, or a number in the figure's own unit."""
    if which.unit == "share" or value is None:
        return metric(value, which.name, reason)
    return figure(value, f"{value:.3f} {which.unit}".rstrip())


def of_interval(bounds: Sequence[float | None] | None, which: Figure) -> Markup:
    """The interval of a task's figure."""
    return interval_of(bounds, which.name, "share" if which.unit == "share" else "number")


def breakable(name: str) -> Markup:
    """A group's name that may go on in the next line after a comma."""
    return Markup(",<wbr>").join(name.split(","))


def listed(items: Sequence[object], quoted: bool = False) -> Markup:
    """a, b and c."""
    items = [Markup("“{}”").format(item) if quoted else escape(item) for item in items]
    if len(items) < 2:
        return Markup("").join(items)
    return Markup(", ").join(items[:-1]) + " and " + items[-1]
