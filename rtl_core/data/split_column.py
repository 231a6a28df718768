"""A table's column that says which rows are for training, for choosing settings and for final figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.split_words import splits_in
from rtl_core.data.splits import split_of_word
from rtl_core.errors import BadInput

SPLIT_COLUMN = "split"  # in any case
_MOST_WORDS = 6  # of a column that may say the split


def split_column(frame: pd.DataFrame) -> str | None:
    """The name of the column that is called split; None where there is none."""
    return next((name for name in frame.columns if str(name).strip().lower() == SPLIT_COLUMN), None)


def given_split(frame: pd.DataFrame, settings: DataSettings) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """(the split of all rows, (n,) strings, or None where the table has none; a sentence on words that were mapped).

    BadInput where a column `split` holds other words, or no train rows, unless it is the target or in `data.drop`.
    """
    name = split_column(frame)
    if name is None or name == settings.target:
        return None, ()
    words = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    splits = {word: split_of_word(word) for word in words.unique()}
    unknown = sorted(word for word, split in splits.items() if split is None)
    if unknown or "train" not in splits.values():
        if name in settings.drop:
            return None, ()
        raise BadInput(
            f"the column '{name}' holds {_listed(splits)}; to be the split, each row says train, val or test, and some "
            "say train (training, dev, valid, testing, holdout and the like are known too): write it so, rename the "
            "column, or leave it out with data.drop"
        )
    other = [f"'{word}' counts as {split}" for word, split in sorted(splits.items()) if word != split]
    notes = (f"column '{name}': {', '.join(other)}",) if other else ()
    return words.map(splits).to_numpy(dtype="<U5"), notes


def seeming_splits(frame: pd.DataFrame) -> dict[str, str]:
    """Column of another name whose values all say a split, train among them -> why it is no feature."""
    reasons = {}
    for name in frame.columns.difference([split_column(frame)], sort=False):
        column = frame[name]
        if column.dtype.kind in "biufmM" or column.nunique() > _MOST_WORDS:
            continue
        words = {str(word): splits_in(str(word)) for word in column.dropna().unique()}
        if all(words.values()) and len(set().union(*words.values())) > 1 and "train" in set().union(*words.values()):
            reasons[name] = (
                f"it seems to say the split ({_listed(dict.fromkeys(words))}); call it 'split' and write train, val or "
                "test, and it is used"
            )
    return reasons


def _listed(words: dict[str, str | None], most: int = 10) -> str:
    shown = ", ".join(f"'{word}'" for word in sorted(words)[:most])
    return shown + (f" and {len(words) - most} more" if len(words) > most else "")
