"""What the texts of a table's column stand for: words, missing values, numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rtl_core.data.number_text import Mark, WrittenNumbers, share_of_numbers, written_numbers

NO_WORDS = {"", "?", "#N/A", "#N/A N/A", "#NA", "<NA>", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
MAYBE_WORDS = {"None", "NA", "N/A", "n/a", "null", "NULL", "NaN", "nan"}  # a category of its own where it is frequent
MISSING_TEXTS = NO_WORDS | MAYBE_WORDS  # pandas' own list, and the question mark
# Marks that stand for a missing value in columns of numbers; in others they are values as any.
NUMBER_GAPS = {"-", "--", "---", "–", "—", ".", "..", "...", "n.a.", "n.a", "N.A.", "na", "n/a.", "#VALUE!", "#DIV/0!"}
NUMBER_GAPS |= {"#REF!", "#NUM!", "#NAME?", "#NULL!", "#ERROR!"}
FREQUENT = 0.05  # share of the rows from which such a word is a category
SHOWN = 10  # columns that a sentence names
_LOOKED_AT = 200  # values of a column by which it is told whether all of them are worth a look

_DIGIT = re.compile(r"\d")
_TIME = r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?"
_MONTH = r"(?:[A-Za-z]{3,9}\.?)"
_DAY = r"(?:[A-Z][a-z]{2,8},? )?"
_DATE = re.compile(
    rf"{_DAY}(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}\.?|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{2}}|\d{{4}})"
    rf"|\d{{1,2}}\.?[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}|\d{{4}}년 ?\d{{1,2}}월 ?\d{{1,2}}일"
    rf"|\d{{4}}年\d{{1,2}}月\d{{1,2}}日|\d{{1,2}}{_MONTH}\d{{4}}|{_MONTH} \d{{1,2}}(?= \d{{1,2}}:)){_TIME}"
    r"(?: (?:[A-Z]{3,4} )?\d{4})?|\d{8}T\d{4,6}Z?"
)


@dataclass(frozen=True)
class Words:
    """A column of texts in which missing values and words are apart.

    column    the texts, missing ones as such
    missing   text -> rows in which it is a missing value
    kept      text -> rows in which it is a word, though it often means a missing value
    """

    column: pd.Series
    missing: dict[str, int]
    kept: dict[str, int]


def is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column.dtype) or column.dtype == object


def text_names(frame: pd.DataFrame) -> list[str]:
    """Its columns of texts, and of objects of any kind."""
    return [name for name, dtype in frame.dtypes.items() if dtype.kind == "O" or pd.api.types.is_string_dtype(dtype)]


def classified_words(column: pd.Series) -> Words:
    """Which of a column's texts are missing values; those of `NO_WORDS` are so already.

    None, NA, null and NaN are words where they are at least one row of twenty and the other texts are no numbers and
    no dates.
    """
    doubtful = column.isin(MAYBE_WORDS)
    if not doubtful.any():
        return Words(column, {}, {})
    counts = column[doubtful].value_counts().to_dict()
    known = different_texts(column[~doubtful])
    wordless = len(known) == 0 or written_numbers(known) is not None or are_dates(known)
    frequent = max(2, FREQUENT * len(column))
    kept = {} if wordless else {text: count for text, count in counts.items() if count >= frequent}
    missing = {text: count for text, count in counts.items() if text not in kept}
    return Words(column.mask(column.isin(missing)) if missing else column, missing, kept)


def are_dates(texts: pd.Series) -> bool:
    """Whether all the texts are dates, with a time of day or without; looks at a few first."""
    if len(texts) == 0 or not all(_DATE.fullmatch(text) for text in texts.iloc[:20]):
        return False
    return all(_DATE.fullmatch(text) for text in texts)


def different_texts(column: pd.Series) -> pd.Series:
    """Its texts, each once, without blanks around."""
    return pd.Series(pd.unique(column.dropna()), dtype="str").str.strip()


def looks_like(column: pd.Series, least: float = 0.5) -> bool:
    """Whether of some of its texts, evenly spread, more than `least` are numbers in some writing."""
    few = [text for text in column.iloc[:: max(1, len(column) // _LOOKED_AT)].tolist() if isinstance(text, str)]
    with_digits = sum(_DIGIT.search(text) is not None for text in few)
    return with_digits > least * len(few) and share_of_numbers(pd.Series(few, dtype="str"))[0] > least


def as_numbers(column: pd.Series, written: WrittenNumbers, mark: Mark) -> pd.Series:
    """float64 column of the numbers that its texts write; `written` is of `pd.unique` of its known values."""
    codes, _ = pd.factorize(column)
    return pd.Series(np.append(written.values(mark), np.nan)[codes], index=column.index, name=column.name)


def decimal_mark(certain: Sequence[Mark | None], has_points: bool, delimiter: str) -> Mark:
    """The mark of a file's decimals, for columns that leave it open, as of 1,234.

    As in the columns that leave no doubt; otherwise a point where numbers have one, and a comma where the columns are
    divided by semicolons.
    """
    marks = set(certain) - {None}
    if len(marks) == 1:
        return marks.pop()
    return "," if delimiter == ";" and not has_points else "."


def leading_zeros(raw: pd.Series) -> int:
    """How many rows hold a whole number that begins with a zero, as a postal code may."""
    return int(raw.str.fullmatch(r"\s*0\d+\s*").sum())


def missing_values(frame: pd.DataFrame, written: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The sentence on how many values the columns miss; `written`: column -> what stands there -> how often."""
    gaps = []
    for name, number in zip(frame.columns, frame.isna().to_numpy().sum(axis=0).tolist(), strict=True):
        texts = ", ".join(f"'{text}' {count:,}" for text, count in written.get(name, {}).items())
        gaps += [f"'{name}' {number:,}" + (f" ({texts})" if texts else "")] if number else []
    return several("missing values: ", gaps)


def several(beginning: str, pieces: Sequence[str]) -> list[str]:
    """One sentence on several columns, or none."""
    more = f" and {len(pieces) - SHOWN} more" if len(pieces) > SHOWN else ""
    return [beginning + ", ".join(pieces[:SHOWN]) + more] if pieces else []
