"""A Parquet file's table as a frame of plain columns: numbers, texts, categories and dates."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from rtl_core.data.text_columns import missing_values, several
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa


def frame_of_arrow(table: pa.Table) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(the frame, sentences on how it was read); integers and yes/no with gaps become floats and objects.

    Raises BadInput for two columns of one name, and for bytes that are no UTF-8 text.
    """
    index = _index_columns(table)
    table = table.drop_columns(index)
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise BadInput(f"the table has {table.column_names.count(twice[0])} columns '{twice[0]}'; rename them")
    decimals = []
    for place, field in enumerate(table.schema):
        plain = _plain_type(field.type)
        if plain is not None:
            table = table.set_column(place, field.name, _cast(table.column(place), plain, field.name))
            decimals += [f"'{field.name}'"] if "decimal" in str(field.type) else []
    frame = table.to_pandas(ignore_metadata=True)
    left_out = several("the index of a pandas frame is no column and is left out: ", [f"'{name}'" for name in index])
    read = several("decimals read as floating-point numbers: ", decimals)
    return frame, (*left_out, *read, *missing_values(frame, {}))


def _index_columns(table: pa.Table) -> list[str]:
    """Columns that hold the index of the pandas frame that was written, which was never a column of it."""
    listed = (table.schema.pandas_metadata or {}).get("index_columns", ())
    return [name for name in listed if isinstance(name, str) and table.column_names.count(name) == 1]


def _plain_type(type_: pa.DataType) -> pa.DataType | None:
    """What values of a type are read as; None where pandas takes them as they are."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(type_):
        return _plain_type(type_.value_type)
    if is_.is_decimal(type_) or is_.is_null(type_):
        return pa.float64()
    if is_.is_float16(type_):
        return pa.float32()
    if is_.is_date(type_):
        return pa.timestamp("ms")
    if is_.is_time(type_):
        return pa.string()
    if is_.is_binary(type_) or is_.is_large_binary(type_) or is_.is_fixed_size_binary(type_):
        return pa.large_string()
    return None


def _called(plain: pa.DataType) -> str:
    return "text in UTF-8" if "string" in str(plain) else str(plain)


def _cast(column: pa.ChunkedArray, plain: pa.DataType, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_fixed_size_binary(column.type):
            column = column.cast(pa.large_binary())
        return column.cast(plain)
    except pa.ArrowInvalid:
        raise BadInput(
            f"column '{name}' holds values of the kind {column.type} that are no {_called(plain)}; write it as text or "
            "numbers"
        ) from None
