"""`images.csv` beside pictures: what each of them is, joined by the names of files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from rtl_core.data.class_folders import Names
from rtl_core.data.file_tree import FileTree
from rtl_core.data.limits import check_table
from rtl_core.errors import BadInput

TABLE = "images.csv"
MAX_TABLE_BYTES = 16 * 2**20
_FILE = ("file", "filename", "file_name", "image", "name", "id")


def images_table(tree: FileTree, pictures: Sequence[Names]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(a row for each picture, in their order, with the table's columns but that of the files; notes).

    Without a table no columns. A picture is tables by its name, with its ending or without. Columns of numbers are
    numbers. BadInput: a picture without a row, two rows for one picture, a table that cannot be read.
    """
    tables = [path for path in tree if path[-1].lower() == TABLE]
    if not tables:
        return pd.DataFrame(index=pd.RangeIndex(len(pictures))), ()
    if len(tables) > 1:
        raise BadInput(
            f"{tree.called(tables[0])} and {tree.called(tables[1])} both say what pictures are; keep one of them"
        )
    (path,) = tables
    called = tree.called(path)
    table = _read(tree.content(path, MAX_TABLE_BYTES), called)
    column = next((name for name in table.columns if name.strip().lower() in _FILE), table.columns[0])
    names = table[column].map(lambda text: PurePosixPath(text.strip()).name)
    stems = names.map(lambda name: PurePosixPath(name).stem)
    if stems.duplicated().any():
        raise BadInput(f"{called} has two rows for '{names[stems.duplicated()].iloc[0]}'; every picture has one")
    rows = table.drop(columns=column).set_index(pd.Index(stems))
    wanted = [PurePosixPath(picture[-1]).stem for picture in pictures]
    absent = [tree.called(picture) for picture, stem in zip(pictures, wanted, strict=True) if stem not in rows.index]
    if absent:
        raise BadInput(
            f"{called} has no row for {len(absent):,} pictures, such as '{absent[0]}'; give each picture a row"
        )
    more = len(rows) - len(set(wanted))
    notes = (f"rows of {called} for pictures that are not there: {more:,}",) if more else ()
    return rows.loc[wanted].reset_index(drop=True).apply(_numbers), notes


def _read(content: bytes, called: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
        header = text.partition("\n")[0]
        check_table(text.count("\n"), 1 + max(map(header.count, ",;\t")), len(content), called)
        table = pd.read_csv(
            io.StringIO(text), sep=max(",;\t", key=header.count), dtype=str, keep_default_na=False, index_col=False
        )
    except BadInput:
        raise
    except UnicodeDecodeError:
        raise BadInput(f"{called} is not in UTF-8; save it in that encoding") from None
    except (ValueError, pd.errors.ParserError):
        raise BadInput(f"{called} cannot be read as a table; wanted is a first line with names of columns") from None
    if not len(table.columns):
        raise BadInput(f"{called} has no columns; wanted are `file` and what pictures are")
    return table


def _numbers(column: pd.Series) -> pd.Series:
    """The column as numbers where all of its cells are, and none begins with a zero as a key does."""
    numbers = pd.to_numeric(column, errors="coerce")
    keys = column.str.match(r"0\d")
    return column if numbers.isna().any() or keys.any() else numbers
