"""How the tickets stand against their controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rtl_core.tasks.task import Figure


@dataclass(frozen=True)
class Against:
    """Controls that RTL is above, level with and below; above is better. Level: the intervals overlap, so neither is
    ahead."""

    above: list[str]
    level: list[str]
    below: list[str]

    @property
    def n(self) -> int:
        return len(self.above) + len(self.level) + len(self.below)


def compare_with_controls(
    rows: Iterable[tuple[str, float, float | None, float | None]], own: str, figure: Figure
) -> Against:
    """Rows are (label, value of the figure, low, high) of the methods, `own` the label of RTL; an end may be None or
    NaN."""
    verdicts, by_label = Against([], [], []), {label: numbers for label, *numbers in rows}
    if own in by_label:
        value, low, high = by_label.pop(own)
        for label, (other, least, most) in by_label.items():
            apart = None not in (low, high, least, most) and (least > high or low > most)  # NaN is not apart
            (
                verdicts.level if not apart else verdicts.above if figure.sign * (value - other) > 0 else verdicts.below
            ).append(label)
    return verdicts
