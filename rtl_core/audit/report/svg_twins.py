"""The report's chart of twins: where pairs of tickets lie between chance and what luck alone leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from rtl_core.audit.report.svg import INK, LINE, MUTED, OWN, Font, canvas, mark, stroke, text_at

_LEFT, _WIDTH, _RIGHT, _LINE, _TOP = 180, 460, 60, 26, 22
_LAYERS = 30  # at most: the JSON document has the others
_SHORTEST = 22  # letters of a layer's name that there is room for


def positions(similarity: Mapping[str, Any]) -> Markup:
    """One line per layer under one for all of them: a dot and its interval from 0 (chance) to 1 (twins)."""
    twins = similarity["twins"]
    rows = [("all layers", twins["position"], *twins["ci"]["position"])]
    rows += [(row["name"], row["position"], *row["ci"]["position"]) for row in similarity["layers"][:_LAYERS]]
    ends = [end for _, *numbers in rows for end in numbers if end is not None]
    least, most = min(0.0, *ends, 0.0), max(1.0, *ends, 1.0)
    bottom = _TOP + _LINE * len(rows)

    def place(value: float) -> float:
        return _LEFT + _WIDTH * (value - least) / (most - least)

    marks = []
    for value, label in ((0.0, "chance"), (1.0, "twins")):
        marks.append(stroke((place(value), _TOP - 6), (place(value), bottom), LINE, 2))
        marks.append(text_at(place(value), _TOP - 10, label, Font(12, MUTED, "middle")))
    for i, (name, value, low, high) in enumerate(rows):
        y, colour = _TOP + _LINE * i + 13, OWN if i == 0 else MUTED
        shown = name if len(name) <= _SHORTEST else f"…{name[1 - _SHORTEST :]}"
        marks.append(text_at(_LEFT - 12, y + 4, shown, Font(13, INK, "end", "600" if i == 0 else "400")))
        if low is not None and high is not None:
            marks.append(stroke((place(low), y), (place(high), y), colour, 2))
        if value is not None:
            marks.append(mark(place(value), y, colour, square=i == 0))
        label = "–" if value is None else f"{value:.2f}"
        marks.append(text_at(_LEFT + _WIDTH + 12, y + 4, label, Font(13, INK, "start")))
    return canvas(_LEFT + _WIDTH + _RIGHT, bottom + 6, "Where tickets lie between chance and twins", marks)
