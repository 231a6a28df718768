"""Charts that stand in files of their own: curves with bands, intervals beside zero. SVG on a background of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

from markupsafe import Markup

from rtl_core.audit.report.svg import INK, LINE, MUTED, OWN, Font, mark, round_axis, stroke, text_at

PALETTE = (OWN, "#B5532A", "#3F7F4C", "#8A5AA8", "#9A7D00", "#2A7F8E", "#C2447A", "#5B6673")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 920, 470, 70, 260, 40, 56  # of a chart with curves, in pixels
LABEL_STEP = 15  # pixels between two labels
NAMES, ROW = 220, 26  # pixels: the names' column of the chart of differences, and a row of it

Panel = tuple[Markup, float]  # what is drawn, and its height


@dataclass(frozen=True)
class Curve:
    """A labelled line through (x, y, low, high); low and high are None where there is no interval."""

    label: str
    points: tuple[tuple[float, float, float | None, float | None], ...]


@dataclass(frozen=True)
class Axis:
    """A logarithmic x axis: its title with the unit, its two ends (in the order they are drawn), its marks."""

    title: str
    first: float
    last: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        share = log(value / self.first) / log(self.last / self.first)
        return LEFT + (WIDTH - LEFT - RIGHT) * share


def file(title: str, panels: Sequence[Panel], width: float = WIDTH) -> str:
    """A whole SVG file: the panels one below the other, on white."""
    marks, y = [], 0.0
    for drawn, height in panels:
        marks.append(Markup('<g transform="translate(0 {:.0f})">{}</g>').format(y, drawn))
        y += height
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}" '
            'font-family="sans-serif" role="img" aria-label="{2}"><rect width="100%" height="100%" fill="#fff"/>'
            "{3}</svg>\n"
        ).format(width, y, title, Markup("").join(marks))
    )


def curves(title: str, lines: Sequence[Curve], x: Axis, y_title: str) -> Panel:
    """Lines with the bands of their intervals, each named at its right end; the first stands out."""
    ends = [v for one in lines for _, *values in one.points for v in values if v is not None]
    low, high, step = round_axis(min(ends), max(ends))
    base = HEIGHT - BOTTOM

    def place(value: float) -> float:
        return base - (base - TOP) * (value - low) / (high - low)

    marks = [text_at(LEFT, 20, title, Font(15, INK, "start", "600"))]
    for tick in range(round((high - low) / step) + 1):
        value = low + tick * step
        marks += [
            stroke((LEFT, place(value)), (WIDTH - RIGHT, place(value)), LINE),
            text_at(LEFT - 8, place(value) + 4, f"{value:.3g}", Font(12, MUTED, "end")),
        ]
    for value, shown in x.ticks:
        marks += [
            stroke((x.place(value), TOP), (x.place(value), base), LINE),
            text_at(x.place(value), base + 18, shown, Font(12, MUTED, "middle")),
        ]
    marks.append(text_at((LEFT + WIDTH - RIGHT) / 2, base + 42, x.title, Font(13, INK, "middle")))
    middle = (TOP + base) / 2
    marks.append(text_at(18, middle, y_title, Font(13, INK, "middle"), f"rotate(-90 18 {middle})"))
    last = [max(one.points, key=lambda point: x.place(point[0])) for one in lines]
    labels = _apart([place(point[1]) for point in last], TOP, base)
    for i in reversed(range(len(lines))):
        marks += _curve(lines[i], i, x, place)
        end, colour = last[i], PALETTE[i % len(PALETTE)]
        marks += [
            stroke((x.place(end[0]) + 5, place(end[1])), (WIDTH - RIGHT + 22, labels[i]), colour, 0.6),
            text_at(WIDTH - RIGHT + 26, labels[i] + 4, lines[i].label, Font(12, colour, "start", _weight(i))),
        ]
    return Markup("").join(marks), HEIGHT


def differences(title: str, columns: Sequence[tuple[str, Sequence[Curve]]], x_title: str) -> Panel:
    """One column per condition, one row per label: the y of each curve's one point, with its interval, beside zero."""
    labels = list(dict.fromkeys(one.label for _, rows in columns for one in rows))
    values = [v for _, rows in columns for one in rows for v in one.points[0][1:] if v is not None]
    low, high = min(0.0, *values), max(0.0, *values)
    low, high = (low, high) if low < high else (-0.01, 0.01)  # no difference anywhere
    each, base = (WIDTH - NAMES - 20) / len(columns), 52 + ROW * len(labels)
    marks = [text_at(20, 20, title, Font(15, INK, "start", "600"))]
    marks += [text_at(NAMES - 10, 66 + ROW * i, label, Font(12, INK, "end")) for i, label in enumerate(labels)]
    for column, (heading, rows) in enumerate(columns):
        left = NAMES + column * each

        def place(value: float, left: float = left) -> float:
            return left + 24 + (each - 48) * (value - low) / (high - low)

        marks += [
            text_at(left + each / 2, 44, heading, Font(12, INK, "middle")),
            stroke((place(0), 52), (place(0), base), MUTED),
        ]
        marks += [
            text_at(place(value), base + 16, f"{value:+.2f}" if value else "0", Font(11, MUTED, "middle"))
            for value in (_round(low), 0.0, _round(high))
            if value == 0 or abs(place(value) - place(0)) > 28
        ]
        for one in rows:
            y, (_, value, least, most) = 62 + ROW * labels.index(one.label), one.points[0]
            known = least is not None and most is not None
            colour = OWN if known and (least > 0 or most < 0) else MUTED
            if known:
                marks.append(stroke((place(least), y), (place(most), y), colour, 2))
            marks.append(mark(place(value), y, colour, square=False, hollow=colour == MUTED))
    marks.append(text_at((NAMES + WIDTH) / 2, base + 40, x_title, Font(13, INK, "middle")))
    return Markup("").join(marks), base + 56


def _curve(one: Curve, i: int, x: Axis, place: Callable[[float], float]) -> list[Markup]:
    """Band, line and points; the palette's second round is dashed."""
    colour, points = PALETTE[i % len(PALETTE)], sorted(one.points)
    banded = [(x.place(at), place(low), place(high)) for at, _, low, high in points if low is not None]
    outline = [(at, low) for at, low, _ in banded] + [(at, high) for at, _, high in reversed(banded)]
    line = Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{}"{}/>').format(
        _path([(x.place(at), place(value)) for at, value, *_ in points]),
        colour,
        3 if i == 0 else 1.5,
        Markup(' stroke-dasharray="5 3"') if i >= len(PALETTE) else "",
    )
    band = Markup('<polygon points="{}" fill="{}" fill-opacity="0.12"/>').format(_path(outline), colour)
    return [band, line, *(mark(x.place(at), place(value), colour, square=i == 0) for at, value, *_ in points)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _apart(wanted: Sequence[float], top: float, base: float) -> list[float]:
    """Places of labels as near as they can be to where they are wanted, `LABEL_STEP` apart, in the same order."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    least = top
    for i in order:
        placed[i] = max(placed[i], least)
        least = placed[i] + LABEL_STEP
    most = base
    for i in reversed(order):
        placed[i] = min(placed[i], most)
        most = placed[i] - LABEL_STEP
    return placed


def _round(value: float) -> float:
    """Towards zero, to hundredths: a mark on the axis lies within it."""
    return int(value * 100) / 100


def _weight(i: int) -> str:
    return "600" if i == 0 else "400"
