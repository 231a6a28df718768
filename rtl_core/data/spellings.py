"""Texts that differ in nothing but how they are spelled: blanks around, capitals, a dot at the end, Unicode's form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd


def tidy(text: str) -> str:
    """Unicode's composed form (NFC) without blanks around, and several blanks as one."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def spelling_key(text: str) -> str:
    """The same without a dot at the end."""
    return tidy(text).rstrip(".").rstrip() or tidy(text)


def spelled_once(counts: Mapping[str, int], fold_case: bool = True) -> dict[str, str]:
    """Text -> its spelling, for texts that have another one: a tidy one, the commonest of these.

    counts     how often each text occurs
    fold_case  whether capitals make no difference
    """
    kinds: dict[str, list[str]] = {}
    for text in counts:
        key = spelling_key(text).casefold() if fold_case else spelling_key(text)
        kinds.setdefault(key, []).append(text)
    changed = {}
    for texts in kinds.values():
        best = max(texts, key=lambda text: (text == tidy(text), counts[text], text))
        changed |= {text: best for text in texts if text != best}
    return changed


def case_pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of texts that differ in capitals only."""
    known: dict[str, str] = {}
    pairs = []
    for text in sorted(texts):
        other = known.setdefault(spelling_key(text).casefold(), text)
        pairs += [(other, text)] if other != text else []
    return pairs


def with_one_spelling(column: pd.Series, fold_case: bool = True) -> tuple[pd.Series, tuple[str, ...]]:
    """(the column of texts with one spelling of each, a sentence on what was changed or none)."""
    codes, values = pd.factorize(column)
    texts = [str(value) for value in values]
    counts = dict(zip(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist(), strict=True))
    changed = spelled_once(counts, fold_case)
    if not changed:
        return column, ()
    known = column.notna()
    texts_of_rows = column.astype(object).where(~known, column.astype(str))
    pairs = [f"'{text}' ({counts[text]:,} rows) counts as '{best}'" for text, best in sorted(changed.items())]
    note = f"column '{column.name}': {', '.join(pairs[:5])}{f' and {len(pairs) - 5} more' if len(pairs) > 5 else ''}"
    return texts_of_rows.replace(changed), (note,)
