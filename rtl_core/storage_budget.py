"""A storage budget as people write it: `8000` weights, or `40KB` of weights and masks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rtl_core.errors import BadInput

_WRITTEN = re.compile(r"\s*(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>kb)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Budget:
    """The most that a ticket set may store: so many weights, or so many kilobytes (of 1,000 bytes) with its masks. One
    of the two is given."""

    weights: int | None
    kilobytes: float | None

    def holds(self, weights: int, kilobytes: float) -> bool:
        return weights <= self.weights if self.weights is not None else kilobytes <= self.kilobytes

    def __str__(self) -> str:
        return f"{self.weights:,} weights" if self.weights is not None else f"{self.kilobytes:g} KB"


def budget(text: str) -> Budget:
    """BadInput where the text is neither a whole number of weights nor a number of kilobytes above 0."""
    match = _WRITTEN.fullmatch(text)
    if match is None or float(match["amount"]) == 0 or (not match["unit"] and "." in match["amount"]):
        raise BadInput("a storage budget is a number of weights or of kilobytes, as 8000 or 40KB")
    return Budget(None, float(match["amount"])) if match["unit"] else Budget(int(match["amount"]), None)
