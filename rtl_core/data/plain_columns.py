"""Columns of any pandas type as plain ones, and what can be told of them before a row is dropped."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd

from rtl_core.data.text_columns import are_dates, different_texts, is_text
from rtl_core.errors import BadInput

TOO_LARGE = 3.4e38  # float32 ends a little above; 1.797e308 and the like stand for a missing value
_FEW_ROWS = 20  # from so many on, numbers that nearly count the rows are taken to do so
_INDEX_NAMES = {"id", "index", "no", "nr", "number", "row", "row_id", "row_number", "rowid", "rownum", "unnamed: 0"}


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with nullable and Arrow columns as numpy's, and decimals as floats. BadInput for a name there twice."""
    names = pd.Index(frame.columns.astype(str))
    if names.has_duplicates:
        raise BadInput(f"the table has two columns '{names[names.duplicated()][0]}'; rename one")
    changed = {name: plain for name, column in frame.items() if (plain := _plain(column)) is not column}
    return frame.assign(**changed) if changed else frame


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers; a yes or no is none."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def is_ordered(column: pd.Series) -> bool:
    """Whether it is a categorical column whose categories have an order."""
    return isinstance(column.dtype, pd.CategoricalDtype) and bool(column.dtype.ordered)


def finite_numbers(column: pd.Series) -> np.ndarray:
    """float64 (n,): missing, infinite and absurdly large values are NaN."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.abs(values) < TOO_LARGE, values, np.nan)


def absurd_numbers(column: pd.Series) -> int:
    """How many values are infinite, or so large that they stand for something missing."""
    return int((np.abs(column.to_numpy(dtype=np.float64, na_value=np.nan)) >= TOO_LARGE).sum())


def is_date(column: pd.Series) -> bool:
    """Whether a column holds dates or durations, also written as text, or as numbers such as 20240131."""
    if is_number(column):
        return _numbers_are_dates(column)
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.PeriodDtype | pd.DatetimeTZDtype):
        return True
    if not is_text(column):
        return False
    few = column.iloc[:: max(1, len(column) // 20)].dropna()
    if len(few) and isinstance(few.iloc[0], datetime.date):
        return True
    return are_dates(different_texts(few)) and are_dates(different_texts(column))


def _numbers_are_dates(column: pd.Series) -> bool:
    values = pd.Series(finite_numbers(column)).dropna().unique()
    if len(values) < 2 or ((values < 1900_01_01) | (values > 2100_12_31) | (values % 1 != 0)).any():
        return False
    texts = pd.Series(values.astype(np.int64)).astype(str)
    return bool(pd.to_datetime(texts, format="%Y%m%d", errors="coerce").notna().all())


def numbers_the_rows(column: pd.Series) -> bool:
    """Whether whole numbers count the rows: also backwards, in steps, with rows taken out, or starting anew at times.

    It is asked of the table as it is: once rows are dropped, such a number looks like a quantity.
    """
    if not is_number(column) or len(column) < 3:
        return False
    values = column.to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    steps = np.diff(values)
    if (steps == 1).all() or (len(values) >= _FEW_ROWS and (steps == steps[0]).all() and steps[0] != 0):
        return True
    if len(values) < _FEW_ROWS:
        return False
    dense = values.max() - values.min() < 2 * len(values)
    in_order = (steps > 0).all() or (str(column.name).strip().lower() in _INDEX_NAMES and column.is_unique)
    return bool((dense and in_order) or (steps == 1).mean() > 0.9)


def _plain(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, np.dtype) and column.dtype != object:
        return column
    if column.dtype == object:
        known = column.dropna()
        return column.astype(np.float64) if len(known) and isinstance(known.iloc[0], decimal.Decimal) else column
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(object) if column.hasnans else column.astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(_numpy_numbers(column), index=column.index, name=column.name)
    if isinstance(column.dtype, pd.ArrowDtype):
        return _of_arrow(column)
    return column


def _numpy_numbers(column: pd.Series) -> np.ndarray:
    if column.hasnans or column.dtype.kind == "f":
        return column.to_numpy(np.float64, na_value=np.nan)
    return column.to_numpy(column.dtype.numpy_dtype)


def _of_arrow(column: pd.Series) -> pd.Series:
    import pyarrow as pa

    type_ = column.dtype.pyarrow_dtype
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return pd.to_datetime(column.astype(object))
    if pa.types.is_decimal(type_):
        return column.astype(object).map(float, na_action="ignore").astype(np.float64)
    texts = pa.types.is_string(type_) or pa.types.is_large_string(type_)
    return column.astype("str" if texts else object)
