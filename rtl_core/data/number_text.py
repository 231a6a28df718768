"""Numbers as people write them: decimal commas, thousands separators, per cent and currency signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Mark = Literal[".", ","]  # between the whole number and its decimals

_BLANK = " \u00a0\u2009\u202f"
_DIGIT = re.compile(r"\d")
_SIGNS = (
    r"[$€£¥₩₹₽₺₫₱₴₪₦%‰]|US\$|[ACR]\$|USD|EUR|GBP|CHF|JPY|KRW|CNY|INR|BRL|AUD|CAD|PLN|SEK|NOK|DKK|CZK|TRY|RUB|MXN|ZAR"
    r"|kr\.?|Rs\.?|zł|Kč|Ft|원|元|円"
)
_UNIT = f"(?:{_SIGNS})?"
_BETWEEN = f"[{_BLANK}]*"
_WHOLE = r"(?:[1-9]\d{{0,2}}(?:{0}\d{{3}})+|[1-9]\d{{0,2}}(?:[{1}'’]\d{{3}})+|0|[1-9]\d*)"


def _pattern(mark: str, thousands: str) -> str:
    whole = _WHOLE.format(thousands, _BLANK)
    number = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?"
    signed = rf"[+−-]?{_BETWEEN}{_UNIT}{_BETWEEN}[+−-]?{number}{_BETWEEN}{_UNIT}"
    return rf"{signed}|\({_UNIT}{_BETWEEN}{number}{_BETWEEN}{_UNIT}\)"


_PATTERNS = {".": _pattern(r"\.", ","), ",": _pattern(",", r"\.")}


@dataclass(frozen=True)
class WrittenNumbers:
    """A column's different texts as numbers.

    fits     which marks read all of them; one or both
    unit     the sign that all carry, or ""
    """

    texts: pd.Series
    fits: tuple[Mark, ...]
    unit: str

    @property
    def certain(self) -> Mark | None:
        """The mark of the decimals, where the texts leave no doubt; None where there is doubt, or no mark at all."""
        return self.fits[0] if len(self.fits) == 1 else None

    @property
    def doubtful(self) -> bool:
        """Whether the two marks read different numbers, as of 1,234."""
        return len(self.fits) > 1 and bool(self.texts.str.contains("[.,]").any())

    def values(self, mark: Mark) -> np.ndarray:
        """float64, one per text."""
        plain = self.texts.str.replace(rf"{_SIGNS}|[{_BLANK}'’)]", "", regex=True)
        plain = plain.str.replace("[−(]", "-", regex=True)  # (5) is an accountant's -5
        plain = plain.str.replace("," if mark == "." else ".", "", regex=False).str.replace(",", ".", regex=False)
        return plain.astype(np.float64).to_numpy()


def written_numbers(texts: pd.Series) -> WrittenNumbers | None:
    """What different texts are as numbers; None where some are none, or they carry different signs."""
    if not all(_DIGIT.search(text) for text in texts.head(20)):
        return None
    texts = texts.str.strip(_BLANK)
    fits = tuple(mark for mark, pattern in _PATTERNS.items() if texts.str.fullmatch(pattern).all())
    units = _units(texts).unique() if fits else ()
    return WrittenNumbers(texts, fits, units[0]) if len(units) == 1 else None


def share_of_numbers(texts: pd.Series) -> tuple[float, list[str]]:
    """(how many of the texts are numbers in either writing, 0 to 1; the first few that are none)."""
    texts = texts.str.strip(_BLANK)
    fits = texts.str.fullmatch("|".join(_PATTERNS.values()))
    return float(fits.mean()), texts[~fits].head(3).tolist()


def _units(texts: pd.Series) -> pd.Series:
    return texts.str.replace(r"\d[eE][+-]?\d", "", regex=True).str.replace(rf"[\d.,{_BLANK}'’+−()-]", "", regex=True)
