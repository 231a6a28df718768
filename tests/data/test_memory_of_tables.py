"""Small tables and arrays that would fill the memory are refused, in one sentence, before they do."""

from __future__ import annotations

import struct
import zipfile
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.peak import LOAD, load_of, measured, refused

pytestmark = pytest.mark.long

TABLE = "from rtl_core.data.tables import read_table"


@pytest.fixture
def small_csv(tmp_path):
    path = tmp_path / "small.csv"
    path.write_text("a,b\n" + "1,x\n2,y\n" * 20)
    return path


@pytest.fixture
def small_parquet(tmp_path):
    path = tmp_path / "small.parquet"
    pd.DataFrame({"a": [1, 2] * 20, "b": ["x", "y"] * 20}).to_parquet(path)
    return path


@pytest.fixture
def small_npz(tmp_path):
    path = tmp_path / "small.npz"
    np.savez(path, x=np.zeros((40, 8, 8), np.uint8), y=np.arange(40) % 2)
    return path


def repeated(value, rows: int) -> pa.Array:
    """A column that takes little room in a Parquet file."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def parquet(path, columns: dict[str, pa.Array], **settings):
    pq.write_table(pa.table(columns), path, compression="zstd", **settings)
    assert path.stat().st_size < 4_000_000
    return path


@pytest.mark.parametrize("categories", [True, False])
@pytest.mark.parametrize(
    ("rows", "length", "columns"), [(3_000_000, 500, 1), (300_000, 10_000, 1), (3_000, 1_000_000, 2), (50_000, 99, 99)]
)
def test_repeated_texts(tmp_path, small_parquet, rows, length, columns, categories):
    column = repeated("x" * length, rows)
    path = parquet(tmp_path / "large.parquet", {f"c{i}": column for i in range(columns)}, store_schema=categories)
    refused(measured(TABLE, "read_table(path)", small_parquet, path), "in memory")


@pytest.mark.parametrize("value", [1.5, True, b"x" * 400, Decimal("1.5"), date(2020, 1, 1)], ids=type)
def test_repeated_values_of_other_kinds(tmp_path, small_parquet, value):
    path = parquet(
        tmp_path / "large.parquet", {f"c{i}": repeated(value, 1_000_000) for i in range(40)}, store_schema=False
    )
    refused(measured(TABLE, "read_table(path)", small_parquet, path), "in memory")


def test_many_cells(tmp_path, small_parquet):
    path = parquet(tmp_path / "large.parquet", {f"c{i}": repeated(1, 2_000_000) for i in range(60)}, store_schema=False)
    refused(measured(TABLE, "read_table(path)", small_parquet, path), "120,000,000 cells")


def test_many_columns(tmp_path, small_parquet):
    path = parquet(tmp_path / "large.parquet", {f"c{i}": pa.array([1]) for i in range(10_001)})
    refused(measured(TABLE, "read_table(path)", small_parquet, path), "10,001 columns")


def varint(value: int) -> bytes:
    """As Parquet's metadata write a number."""
    value, out = 2 * value, bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def test_sizes_in_the_metadata_are_not_believed(tmp_path, small_parquet):
    path = tmp_path / "large.parquet"
    pq.write_table(
        pa.table({"a": ["x" * 400_000_000]}), path, compression="zstd", use_dictionary=False, write_statistics=False
    )
    stated = pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    content, small = path.read_bytes(), 140_000_000
    assert content.count(varint(stated)) >= 1 and len(varint(stated)) == len(varint(small))
    path.write_bytes(content.replace(varint(stated), varint(small)))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == small
    refused(measured(TABLE, "read_table(path)", small_parquet, path), "in memory")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n" + ",".join("c" * 12_000) + "\n", "12,000 columns"),
        ("a" + "," * 3_000_000, "does not end its header"),
        (",".join("c" * 9_000) + "\n" + "1\n" * 1_000_000, "cells"),
        (",".join("c" * 9_000) + "\r" + "1\r" * 10_000, "in memory"),
        ('a,"' + "b" * 200_000 + '"' + "," * 20_000 + "\n1", "20,002 columns"),
    ],
    ids=["short header", "endless header", "short rows", "old ends of lines", "long text"],
)
def test_csv(tmp_path, small_csv, content, words):
    path = tmp_path / "large.csv"
    path.write_text(content, newline="")
    refused(measured(TABLE, "read_table(path)", small_csv, path), words)


def test_a_csv_file_is_not_unpacked(tmp_path, small_csv):
    path = tmp_path / "large.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a,b\n" + "1,x\n" * 20_000_000)
    refused(measured(TABLE, "read_table(path)", small_csv, path), "large.csv.zip")


def test_features_of_many_categories(tmp_path, small_csv):
    """Few bytes in the file, a hundred features a column."""
    rows = 100_000
    texts = pa.DictionaryArray.from_arrays(np.arange(rows) % 100, [f"t{i}" for i in range(100)])
    columns = {f"c{i}": texts for i in range(60)} | {"b": pa.array(["x", "y"] * (rows // 2))}
    path = parquet(tmp_path / "large.parquet", columns, store_schema=False)
    refused(measured(LOAD, load_of("csv", "target='b'"), small_csv, path), "6,000 features need 2.2 GiB")


def archive_of(path, arrays: dict[str, tuple[np.dtype, tuple[int, ...]]]):
    """An npz archive of zeros, written without having them in memory."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (dtype, shape) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(
                    file,
                    {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape},
                )
                left = int(np.prod(shape)) * np.dtype(dtype).itemsize
                while left:
                    file.write(bytes(min(left, 2**24)))
                    left -= min(left, 2**24)
    return path


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": (np.uint8, (6_000, 256, 256)), "y": (np.int64, (6_000,))}, "in memory"),
        ({"x": (np.uint8, (4, 8, 8)), "y": ("U10000", (8_000,))}, "in memory"),
        ({"x": (np.uint8, (1_000_000, 101)), "y": (np.int64, (1_000_000,))}, "101,000,000 cells"),
        ({"x": (np.uint8, (1_000_000, 50)), "y": (np.int64, (1_000_000,))}, "in memory"),
        ({"x": (np.uint8, (4, 8, 8)), "y": (np.int64, (4,)), "classes": ("U1", (2_000_000,))}, "2,000,000 classes"),
    ],
    ids=["pictures", "labels", "cells", "a table of bytes", "classes"],
)
def test_npz(tmp_path, small_npz, arrays, words):
    path = archive_of(tmp_path / "large.npz", arrays)
    assert path.stat().st_size < 2_000_000
    refused(measured(LOAD, load_of("npz"), small_npz, path), words)


def test_an_archive_of_many_entries(tmp_path, small_npz):
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(300):
            archive.writestr(zipfile.ZipInfo(f"{number}" + "x" * 60_000), b"")
    refused(measured(LOAD, load_of("npz"), small_npz, path), "directory of")


def test_an_archive_packed_to_ask_for_memory(tmp_path, small_npz):
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", bytes(10_000))
    content = bytearray(path.read_bytes())
    head = content.index(b"\x09\x04\x05\x00")  # the LZMA properties: 5 bytes, the last four the size of its dictionary
    content[head + 5 : head + 9] = struct.pack("<I", 2**32 - 1)
    path.write_bytes(content)
    refused(measured(LOAD, load_of("npz"), small_npz, path), "packed in an unusual way")
