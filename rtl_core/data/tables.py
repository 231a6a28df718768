"""Tables from files (CSV, Parquet) and from OpenML."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.frames import table_dataset
from rtl_core.errors import BadInput

MAX_FILE_BYTES = 500 * 2**20
MAX_CELLS = 100_000_000


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
    """The frame of a .csv, .tsv or .parquet file; its size is checked before it is read."""
    if not path.is_file():
        raise BadInput(f"csv: wants a CSV or Parquet file; {path} is not a file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_FILE_BYTES // 2**20} MB; use a part of its rows")
    frame = _read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    if frame.empty:
        raise BadInput(f"{path.name} has a header but no rows")
    return frame.rename(columns=str)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline(1_000_000)
        separator = max(",;\t", key=header.count)
        return pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", na_values=["?"], skipinitialspace=True, low_memory=False
        )
    except UnicodeDecodeError:
        raise BadInput(f"{path.name} is not UTF-8 text; save it as CSV in UTF-8") from None
    except pd.errors.EmptyDataError:
        raise BadInput(f"{path.name} is empty; a header and rows are needed") from None
    except (pd.errors.ParserError, ValueError) as error:
        raise BadInput(f"{path.name} is not a readable CSV file: {str(error).splitlines()[0]}") from None


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows * file.metadata.num_columns > MAX_CELLS:
            raise BadInput(f"{path.name} has more than {MAX_CELLS:,} cells; use a part of its rows")
        nested = [field.name for field in file.schema_arrow if pa.types.is_nested(field.type)]
        if nested:
            raise BadInput(f"{path.name}: column '{nested[0]}' holds lists or records; only plain values work")
        return file.read().to_pandas()
    except (pa.ArrowInvalid, OSError):
        raise BadInput(f"{path.name} is not an intact Parquet file; write it again") from None
