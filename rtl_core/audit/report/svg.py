"""Charts of the report as inline SVG: no script, sharp on paper, every mark with its numbers in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, log10

from markupsafe import Markup

from rtl_core.audit.fairness.credit import in_points
from rtl_core.audit.report.number_format import MINUS
from rtl_core.tasks.task import Figure

INK, MUTED, LINE, OWN = "#1D2733", "#5B6673", "#D5DAE0", "#3B6FB6"
ABOVE, NEUTRAL, BELOW = "#17586F", "#EEEFEA", "#6F3B82"  # overlap above, at and below chance
GAP_WIDTH, GAP_HEIGHT = 220, 26
FULL = 0.5  # the excess from which on the colour is full
NUMBERED = 12  # the most tickets whose matrix has room for numbers

Point = tuple[float, float]  # x and y in pixels, from the top left


@dataclass(frozen=True)
class Font:
    """How a text is set: its height in pixels, and which of its ends (start, middle, end) stands at its place."""

    size: float
    colour: str
    anchor: str
    weight: str = "400"


def overlap_matrix(names: Sequence[str], excess: Sequence[Sequence[float | None]]) -> Markup:
    """K x K squares, coloured by the excess overlap: 0 is chance, 1 identical; None is a dash."""
    k = len(names)
    side = 44 if k <= NUMBERED else max(6, 528 // k)
    labelled = k <= 40
    left = 8 + (7 * min(18, max(map(len, names))) if labelled else 0)
    marks = []
    for i, j in product(range(k), range(k)):
        value, x, y = excess[i][j], left + j * side, i * side
        if i == j or (i < j and k > NUMBERED):  # half of a large matrix says everything and halves the file
            continue
        fill = "none" if value is None else _diverging(value)
        marks.append(
            Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(x, y, side - 1, side - 1, fill)
        )
        if k <= NUMBERED:
            dark = value is not None and abs(value) > 0.6 * FULL
            shown = "–" if value is None else f"{value:+.2f}".replace("-", MINUS)
            marks.append(text_at(x + side / 2, y + side / 2 + 4, shown, Font(11, "#fff" if dark else INK, "middle")))
    if labelled:
        step = min(12, side)
        for i, name in enumerate(names):
            marks.append(text_at(left - 6, i * side + side / 2 + 4, _short(name), Font(step, INK, "end")))
            x, y = left + i * side + side / 2, k * side + 12
            turn = f"rotate(-40 {x} {y})"
            marks.append(text_at(x, y, _short(name), Font(step, INK, "end"), turn))
    width, height = left + k * side + 8, k * side + (90 if labelled else 8)
    return canvas(width, height, "Overlap of each pair of tickets above chance", marks)


def whiskers(rows: Sequence[tuple[str, float, float | None, float | None]], own: str, figure: Figure) -> Markup:
    """One line per (label, value of the figure, low, high): a dot and its interval on one axis; `own` stands out."""
    left, right, line = 256, 70, 26
    ends = [end for _, value, low, high in rows for end in (value, low, high) if end is not None]
    low_end, high_end, step = round_axis(min(ends), max(ends))
    width = 720
    base = line * len(rows) + 8

    def place(value: float) -> float:
        return left + (width - left - right) * (value - low_end) / (high_end - low_end)

    marks = []
    for tick in range(round((high_end - low_end) / step) + 1):
        value = low_end + tick * step
        marks += [
            stroke((place(value), 0), (place(value), base), LINE),
            _tick(place(value), base, _in_unit(value, figure, ".4g")),
        ]
    for i, (label, value, low, high) in enumerate(rows):
        y, colour = line * i + 17, OWN if label == own else MUTED
        marks.append(text_at(left - 12, y + 4, label, Font(13, INK, "end", "600" if label == own else "400")))
        if low is not None and high is not None:
            marks.append(stroke((place(low), y), (place(high), y), colour, 2))
        marks.append(mark(place(value), y, colour, square=label == own))
        reached = _in_unit(value, figure, ".1f" if figure.unit == "share" else ".3g")
        marks.append(text_at(width - right + 12, y + 4, reached, Font(13, INK, "start")))
    return canvas(width, base + 24, "Methods with their intervals", marks)


def _in_unit(value: float, figure: Figure, digits: str) -> str:
    scale, unit = (100, "%") if figure.unit == "share" else (1, figure.unit)
    return f"{scale * value:{digits}} {unit}".rstrip().replace("-", MINUS)


def gap_axis(reach: float, metric: str) -> Markup:
    """The axis over a column of `gap_line`s that reaches from -reach to reach; shares are in points."""
    scale, unit = (100, " points") if in_points(metric) else (1, "")
    ends = ((1, -reach, "start"), (GAP_WIDTH / 2, 0.0, "middle"), (GAP_WIDTH - 1, reach, "end"))
    marks = [
        text_at(x, 11, f"{scale * value:+.3g}{unit}".replace("-", MINUS) if value else "0", Font(11, MUTED, anchor))
        for x, value, anchor in ends
    ]
    return canvas(GAP_WIDTH, 14, "Axis of the gaps", marks)


def gap_line(
    value: float | None, low: float | None, high: float | None, reach: float, small: bool, rare: bool
) -> Markup:
    """One gap and its interval around zero; hollow where a group is small, blue where it is `rare` by chance."""

    def place(at: float) -> float:
        return GAP_WIDTH / 2 * (1 + max(-1.0, min(1.0, at / reach)) * 0.98)

    middle = GAP_HEIGHT / 2
    marks = [stroke((GAP_WIDTH / 2, 0), (GAP_WIDTH / 2, GAP_HEIGHT), MUTED)]
    if value is None:
        marks.append(text_at(GAP_WIDTH / 2 + 8, middle + 4, "not compared", Font(11, MUTED, "start")))
        return canvas(GAP_WIDTH, GAP_HEIGHT, "No gap", marks)
    colour = OWN if rare else MUTED
    if low is not None and high is not None:
        marks.append(stroke((place(low), middle), (place(high), middle), colour, 2, dashed=small))
    marks.append(mark(place(value), middle, colour, square=False, hollow=small))
    return canvas(GAP_WIDTH, GAP_HEIGHT, "Gap with its interval", marks)


def reach_of(gaps: Sequence[dict]) -> float:
    """The half-width of an axis that holds all gaps and intervals; at least a hundredth."""
    ends = [abs(gap[key]) for gap in gaps for key in ("gap", "low", "high") if gap[key] is not None]
    widest = max([0.01, *ends])
    unit = 10 ** floor(log10(widest))
    return ceil(widest / unit * 2 - 1e-9) / 2 * unit


def round_axis(low: float, high: float) -> tuple[float, float, float]:
    """(first, last, step) of round numbers around low and high."""
    span = max(high - low, 0.01)
    tens = 10.0 ** floor(log10(span / 7))
    step = max(0.005, next(s * tens for s in (1, 2, 5, 10) if span / (s * tens) <= 7))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    if first == last:  # one value, on a line of the axis: it needs a second line
        first, last = (first - 1, last) if last > 0 else (first, last + 1)
    return first * step, last * step, step


def _diverging(value: float) -> str:
    end, amount = (ABOVE if value > 0 else BELOW), min(1.0, abs(value) / FULL)
    mixed = [round(int(NEUTRAL[i : i + 2], 16) * (1 - amount) + int(end[i : i + 2], 16) * amount) for i in (1, 3, 5)]
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def canvas(width: float, height: float, label: str, marks: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>').format(
        f"{width:g}", f"{height:g}", f"{width:g}", f"{height:g}", label, Markup("").join(marks)
    )


def stroke(start: Point, end: Point, colour: str, width: float = 1, dashed: bool = False) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{}"{}/>').format(
        *start, *end, colour, width, Markup(' stroke-dasharray="3 2"') if dashed else ""
    )


def mark(x: float, y: float, colour: str, square: bool, hollow: bool = False) -> Markup:
    fill = "#fff" if hollow else colour
    if square:
        return Markup('<rect x="{:.1f}" y="{:.1f}" width="10" height="10" fill="{}"/>').format(x - 5, y - 5, fill)
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.5" fill="{}" stroke="{}" stroke-width="1.5"/>').format(
        x, y, fill, colour
    )


def _tick(x: float, y: float, text: str) -> Markup:
    return text_at(x, y + 16, text, Font(12, MUTED, "middle"))


def text_at(x: float, y: float, text: str, font: Font, turn: str = "") -> Markup:
    """turn: an SVG transform."""
    turned = Markup(' transform="{}"').format(turn) if turn else ""
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" fill="{}" text-anchor="{}" font-size="{:g}" font-weight="{}"{}>{}</text>'
    ).format(x, y, font.colour, font.anchor, font.size, font.weight, turned, text)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
