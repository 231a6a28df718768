"""Groups of rows: columns of a table as a few named categories, and their intersections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from rtl_core.data.plain_columns import is_number, is_ordered
from rtl_core.data.spellings import with_one_spelling
from rtl_core.errors import BadInput

MISSING = "missing"
MAX_GROUPS = 200  # of a column, and of an intersection
FEW_VALUES = 10  # a number column with at most so many values is not binned
QUANTILES = 4


@dataclass(frozen=True)
class Grouping:
    """One way to divide the rows.

    columns   the columns it comes from, in the order asked
    names     one per group: `race=Asian`, or `race=Asian,sex=Female` for an intersection
    missing   bool (groups,): whether some column has no value there
    code      (n,) which group each row belongs to
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    missing: np.ndarray
    code: np.ndarray


def tidy_groups(
    frame: pd.DataFrame, bins: Mapping[str, int | Sequence[float]] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(the columns as categories of text, notes on how numbers were cut and on texts with several spellings).

    Missing values are the category "missing". A number column with more than `FEW_VALUES` values is
    cut at its quartiles; `bins` gives cut points for a column, or the number of quantile ranges. A
    cut point belongs to the range above it. Raises BadInput for more than `MAX_GROUPS` values.
    """
    bins = bins or {}
    for name in bins:
        if name not in frame or not is_number(frame[name]):
            raise BadInput(f"Only number columns among the groups can be cut into ranges, and '{name}' is none.")
    columns, notes = {}, []
    for name, column in frame.items():
        if is_number(column) and (name in bins or column.nunique() > FEW_VALUES):
            columns[name], cuts = _ranges(column, bins.get(name, QUANTILES))
            how = "as given" if name in bins and not isinstance(bins[name], int) else "at quantiles"
            notes.append(f"{name} is cut at {', '.join(map(_plain, cuts))} ({how})")
        else:
            if not (is_number(column) or is_ordered(column)):
                column, spelled = with_one_spelling(_without_blank_texts(column))
                notes += spelled
            columns[name] = _categories(column)
        _check_number(columns[name].categories, f"column '{name}'")
    return pd.DataFrame(columns, index=frame.index), tuple(notes)


def _without_blank_texts(column: pd.Series) -> pd.Series:
    blank = [value for value in column.unique() if isinstance(value, str) and not value.strip()]
    return column.mask(column.isin(blank)) if blank else column


def groupings(frame: pd.DataFrame, columns: Sequence[str]) -> list[Grouping]:
    """Each column by itself and, where there are several, the intersection of all; of `tidy_groups`' frame.

    A category without rows stays a group of its column, without rows; an intersection has only groups with rows.
    """
    if not columns:
        raise BadInput(f"Name at least one group column of: {', '.join(frame.columns)}.")
    for name in columns:
        if name not in frame:
            raise BadInput(f"There is no group column '{name}'; the predictions have: {', '.join(frame.columns)}.")
    if len(set(columns)) < len(columns):
        raise BadInput("A group column is named twice; name each once.")
    single = [_grouping(frame, name) for name in columns]
    return [*single, _intersection(single)] if len(single) > 1 else single


def _grouping(frame: pd.DataFrame, name: str) -> Grouping:
    categories = frame[name].cat.categories
    names = tuple(f"{name}={category}" for category in categories)
    return Grouping((name,), names, np.asarray(categories == MISSING), frame[name].cat.codes.to_numpy(np.int64))


def _intersection(single: Sequence[Grouping]) -> Grouping:
    sizes = [len(grouping.names) for grouping in single]
    # Renumbering after each column keeps the codes small however many columns there are.
    present, code = np.unique(single[0].code, return_inverse=True)
    codes = present[:, None]
    for grouping, size in zip(single[1:], sizes[1:], strict=True):
        present, code = np.unique(code * size + grouping.code, return_inverse=True)
        codes = np.column_stack([codes[present // size], present % size])
    names = tuple(",".join(grouping.names[i] for grouping, i in zip(single, row, strict=True)) for row in codes)
    columns = tuple(grouping.columns[0] for grouping in single)
    _check_number(names, f"the intersection of {' and '.join(columns)}")
    missing = np.any([grouping.missing[codes[:, j]] for j, grouping in enumerate(single)], axis=0)
    return Grouping(columns, names, missing, code)


def _ranges(column: pd.Series, bins: int | Sequence[float]) -> tuple[pd.Categorical, np.ndarray]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    if isinstance(bins, int):
        if bins < 2 or not known.any():
            raise BadInput(f"Column '{column.name}' can be cut into two ranges or more, of at least one value.")
        # Cut points that occur in the data can be read and repeated; interpolated ones have long decimals.
        cuts = np.unique(np.quantile(values[known], np.arange(1, bins) / bins, method="closest_observation"))
        # The smallest value is no cut point; where it fills all ranges but the last, the next value is.
        distinct = np.unique(values[known])
        cuts = cuts[cuts > distinct[0]] if cuts[-1] > distinct[0] else distinct[1:2]
    else:
        cuts = np.asarray(bins, np.float64)
    if len(cuts) == 0 or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
        raise BadInput(f"The cut points of column '{column.name}' must be one or more rising numbers.")
    texts = [_plain(cut) for cut in cuts]
    between = [f"{low} to <{high}" for low, high in pairwise(texts)]
    labels = [f"<{texts[0]}", *between, f">={texts[-1]}"]
    codes = np.where(known, np.digitize(values, cuts), len(labels))
    return _with_missing(codes, labels), cuts


def _categories(column: pd.Series) -> pd.Categorical:
    """Ordered categories keep their order, other values are sorted; the text "missing" is a missing value."""
    if column.dtype == object:
        column = column.where(column.isna(), column.astype(str))  # values of mixed types cannot be sorted
    elif pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")  # "1", not "1.0", because some are missing
    values = column.mask(column == MISSING).astype("category").cat
    labels = [str(value) for value in values.categories]
    kept = [label for label in labels if label != MISSING]
    _check_number(kept, f"column '{column.name}'")
    place = np.array([kept.index(label) if label in kept else len(kept) for label in labels] + [len(kept)])
    return _with_missing(place[values.codes], kept)  # the code of a missing value is -1, the last place


def _with_missing(codes: np.ndarray, labels: list[str]) -> pd.Categorical:
    """Codes len(labels) are missing values; the category is there only if such rows are."""
    some = bool((codes == len(labels)).any())
    return pd.Categorical.from_codes(codes, [*labels, MISSING] if some else labels)


def _check_number(names: Sequence[str], what: str) -> None:
    if len(names) > MAX_GROUPS:
        raise BadInput(f"{what} makes {len(names):,} groups; at most {MAX_GROUPS} can be compared, so join some first")


def _plain(value: float) -> str:
    return np.format_float_positional(value, trim="-")
