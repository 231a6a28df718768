"""Tables from files (CSV, Parquet) and from OpenML."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.arrow_table import frame_of_arrow
from rtl_core.data.csv_table import csv_table
from rtl_core.data.dataset import Dataset
from rtl_core.data.file_kinds import other_kind
from rtl_core.data.limits import check_table, check_unpacked, most_unpacked
from rtl_core.data.tabular import table_dataset
from rtl_core.errors import BadInput

MAX_FILE_BYTES = 500 * 2**20
MAX_TABLE_BYTES = 2 * 2**30  # in memory


def load_table(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """A CSV or Parquet file with a header; see `table_dataset` for what becomes of its columns."""
    return table_dataset(read_table(path), settings, seed)


def load_openml(name: str, settings: DataSettings, seed: int) -> Dataset:
    """A table from openml.org by its name, `name@version` or number; it is kept in scikit-learn's data folder."""
    from sklearn.datasets import fetch_openml

    title, _, version = name.partition("@")
    if version and not version.isdigit():
        raise BadInput(f"openml: wants a name, name@version (a number) or a number, not '{name}'")
    chosen = {"data_id": int(name)} if name.isdigit() else {"name": title, "version": int(version or 0) or "active"}
    try:
        bunch = fetch_openml(**chosen, as_frame=True, parser="auto", n_retries=0)
    except OSError:
        raise BadInput(
            f"OpenML could not be reached for '{name}'; without a network use csv:PATH or a bundled data set"
        ) from None
    except ValueError as error:
        raise BadInput(f"OpenML has no table '{name}' that can be read: {str(error).splitlines()[0]}") from None
    target = settings.target or next(iter(bunch.target_names or ()), None)
    chosen_target = settings.model_copy(update={"target": target})
    return table_dataset(bunch.frame, chosen_target, seed, licence=bunch.details.get("licence", ""))


def read_table(path: Path) -> pd.DataFrame:
    """The frame of a CSV or Parquet file, told by its content; its size is checked before it is read.

    `frame.attrs["notes"]` holds sentences on what was read otherwise than it is written.
    """
    if not path.is_file():
        raise BadInput(f"csv: wants a CSV or Parquet file; {path} is not a file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_FILE_BYTES // 2**20} MB; use a part of its rows")
    with path.open("rb") as file:
        head = file.read(64)
    is_parquet = head.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq")
    frame, notes = _read_parquet(path) if is_parquet else _read_csv(path, head)
    if frame.empty:
        raise BadInput(f"{path.name} has a header but no rows")
    frame = frame.rename(columns=str)
    frame.attrs["notes"] = notes
    return frame


def _read_csv(path: Path, head: bytes) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if other := other_kind(head):
        raise BadInput(f"{path.name} is {other}; a table is wanted, as CSV or Parquet")
    try:
        return csv_table(path)
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text, nor readable in another encoding; save it in UTF-8") from None
    except pd.errors.EmptyDataError:
        raise BadInput(f"{path.name} is empty; a header and rows are needed") from None
    except (pd.errors.ParserError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        if "EOF inside string" in str(error):
            row = str(error).rpartition(" ")[2]
            raise BadInput(
                f"{path.name}: a quotation mark is opened and not closed, in row {row} at the latest; close it, or "
                "write two of them where one is meant"
            ) from None
        raise BadInput(f"{path.name} is not a readable CSV file: {str(error).splitlines()[0]}") from None


def _read_parquet(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_parquet(path)
    try:
        table = pq.ParquetFile(path).read()
        table.validate(full=True)  # texts that are no UTF-8 would be met much later
        return frame_of_arrow(table)
    except BadInput:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, AttributeError):  # also notes of pandas inside
        raise _damaged(path) from None


def _check_parquet(path: Path) -> None:
    """Another process reads it first, with bounded memory; see `measure_parquet`."""
    size = path.stat().st_size
    most = most_unpacked(size, MAX_TABLE_BYTES)
    program = Path(__file__).with_name("measure_parquet.py")
    command = [sys.executable, "-P", str(program), str(path.resolve()), str(most)]
    try:
        measured = json.loads(subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).stdout)
    except ValueError:  # it crashed
        raise _damaged(path) from None
    if measured.get("problem") == "damaged":
        raise _damaged(path)
    if measured.get("problem") == "memory":
        raise BadInput(
            f"{path.name} needs more bytes in memory than the {most:,} allowed for a file of {size:,} bytes; "
            "use a part of it"
        )
    check_table(measured["rows"], measured["columns"], size, path.name)
    if measured["nested"]:
        raise BadInput(f"{path.name}: column '{measured['nested'][0]}' holds lists or records; only plain values work")
    check_unpacked(measured["bytes"], size, f"{path.name} needs", MAX_TABLE_BYTES)


def _damaged(path: Path) -> BadInput:
    return BadInput(f"{path.name} is not an intact Parquet file; write it again")
