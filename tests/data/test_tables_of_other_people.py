"""Tables whose rows, numbers or splits would be lost without a word: headers in the middle, dashes, units, files that
are no tables."""

import gzip

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rtl_core.config import DataSettings
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

pytestmark = pytest.mark.usefixtures("measured_here")

N = 60


@pytest.fixture
def people() -> pd.DataFrame:
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {"age": draw.integers(18, 80, N), "x": draw.integers(0, 99, N), "y": ["low", "high"] * (N // 2)}
    )


@pytest.fixture
def read(tmp_path):
    """Content or frame, and settings -> the data set."""

    def read(table: bytes | str | pd.DataFrame, target: str = "y", name: str = "table.csv", **settings):
        content = table.to_csv(index=False) if isinstance(table, pd.DataFrame) else table
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return load(DataSettings(spec=f"csv:{tmp_path / name}", target=target, **settings), seed=0)

    return read


def standardised(dataset, values) -> np.ndarray:
    train = np.asarray(values, float)[dataset.split == "train"]
    return (np.asarray(values, float) - train.mean()) / train.std()


def of(dataset, feature: str) -> np.ndarray:
    return dataset.x[:, dataset.features.index(feature)]


def test_a_header_among_the_rows_is_refused(read, people):
    first, second = people.iloc[:20].to_csv(index=False), people.iloc[20:].to_csv(index=False)
    with pytest.raises(BadInput) as refusal:
        read(first + second + second)
    assert str(refusal.value) == (
        "2 rows repeat the header of table.csv (row 21 first), as if files had been put one behind another; take these "
        "lines out"
    )


def test_a_row_with_the_name_of_its_column_is_a_row(read, people):
    words = people.assign(word=["word", "other"] * (N // 2))[["word", "age", "y"]]
    assert len(read(words)) == N


@pytest.mark.parametrize("gap", ["-", ".", "n.a.", "#DIV/0!", " -- "])
def test_marks_among_numbers_are_missing_values(read, people, gap):
    holes = [gap if i % 6 == 0 else f"{value}" for i, value in enumerate(people.x)]
    dataset = read(people.assign(x=holes))
    assert of(dataset, "x is missing").tolist() == [float(i % 6 == 0) for i in range(N)]
    known = [i for i in range(N) if i % 6]
    median = np.median([people.x[i] for i in known if dataset.split[i] == "train"])
    assert np.allclose(of(dataset, "x"), standardised(dataset, people.x.where(np.arange(N) % 6 > 0, median)), atol=1e-5)
    assert f"taken as missing among numbers: 'x' ('{gap.strip()}' 10)" in dataset.notes


def test_marks_among_words_are_words(read, people):
    dataset = read(people.assign(x=["-", "a", "b"] * (N // 3)))
    assert {"x=-", "x=a", "x=b"} <= set(dataset.features)


@pytest.mark.parametrize(
    "written", ["R$ {:,.2f}", "Rs. {:,.2f}", "{:,.2f} ₽", "{:,.2f} Kč", "BRL {:,.2f}", "{:,.2f} kr."]
)
def test_signs_of_other_currencies(read, people, written):
    amounts = people.x * 100.25 + 1
    dataset = read(people.assign(x=[written.format(amount) for amount in amounts]))
    assert np.allclose(of(dataset, "x"), standardised(dataset, amounts), atol=1e-5)


def test_numbers_with_units_are_left_out_with_advice(read, people):
    dataset = read(people.assign(x=[f"{i} kg" for i in range(N)]))
    advice = "almost every row has a value of its own; if these are numbers, write them without units"
    assert f"column 'x' is not a feature: {advice}" in dataset.notes


@pytest.mark.parametrize(
    "form", ["%A, %d %B %Y", "%Y年%m月%d日", "%d%b%Y", "%a %b %d %H:%M:%S UTC %Y", "%Y%m%dT%H%M%S", "%Y%m%d"]
)
def test_dates_in_more_writings(read, people, form):
    days = pd.Timestamp("2021-01-05") + pd.to_timedelta(people.x, "D")
    dataset = read(people.assign(x=days.dt.strftime(form)))
    assert dataset.features == ("age",) and "column 'x' is not a feature: dates are not used" in dataset.notes


def test_whole_numbers_that_are_no_dates_stay_numbers(read, people):
    dataset = read(people.assign(x=20210000 + people.x))  # some have month 00
    assert np.allclose(of(dataset, "x"), standardised(dataset, people.x), atol=1e-5)


@pytest.mark.parametrize("words", [("Training", "PublicTest", "PrivateTest"), ("train", "test"), ("TRAIN", "val")])
def test_a_column_that_seems_to_say_the_split_is_no_feature(read, people, words):
    dataset = read(people.assign(Usage=(words * N)[:N]))
    assert dataset.features == ("age", "x")
    assert any(
        note.startswith("column 'Usage' is not a feature: it seems to say the split (") for note in dataset.notes
    )


@pytest.mark.parametrize("words", [("control", "test"), ("train", "bus"), ("bullet train", "test drive", "car")])
def test_a_column_of_other_words_is_a_feature(read, people, words):
    dataset = read(people.assign(kind=(words * N)[:N]))
    assert {f"kind={word}" for word in words} <= set(dataset.features)


def test_line_ends_that_were_converted_twice_are_no_breaks_inside_values(read, people):
    dataset = read(people.to_csv(index=False).replace("\n", "\r\r\n"))
    assert len(dataset) == N and not any("line breaks" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"PK\x03\x04" + bytes(99), "a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), "an Excel workbook of the old kind"),
        (b'\xef\xbb\xbf[{"a": 1}]', "a JSON file"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "packed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS and not the file itself"),
    ],
)
def test_files_that_are_no_tables_are_called_what_they_are(read, content, what):
    with pytest.raises(BadInput, match=f"table.csv is {what}.*; a table is wanted, as CSV or Parquet"):
        read(content)


def test_a_parquet_file_is_known_by_its_content(read, people, tmp_path):
    people.to_parquet(tmp_path / "people.parquet")
    dataset = read((tmp_path / "people.parquet").read_bytes())
    assert len(dataset) == N and pq.ParquetFile(tmp_path / "table.csv").metadata.num_rows == N


def test_lines_above_the_header_are_named_as_a_cause(read, people):
    with pytest.raises(BadInput, match="if lines stand above the header, take them out"):
        read("# made in 2024\n" + people.to_csv(index=False))


def test_a_name_that_nearly_fits_is_shown(read, people):
    with pytest.raises(BadInput, match=r"there is no target column 'Y' \(but 'y'\)"):
        read(people, target="Y")


def test_thousands_with_points_between_semicolons(read, people):
    """999 beside 1.234: no fractions are written so."""
    people["x"] = people.x * 37 + 7
    written = people.assign(x=[f"{value:,}".replace(",", ".") for value in people.x])
    dataset = read(written.to_csv(index=False, sep=";"))
    assert np.allclose(of(dataset, "x"), standardised(dataset, people.x), atol=1e-5)
    assert any(note.startswith("texts read as numbers: 'x' (") for note in dataset.notes)


def test_fractions_with_points_between_semicolons(read, people):
    fractions = people.x / 8 + 1
    dataset = read(people.assign(x=[f"{value:g}" for value in fractions]).to_csv(index=False, sep=";"))
    assert np.allclose(of(dataset, "x"), standardised(dataset, fractions), atol=1e-5)


def test_long_keys_with_gaps_are_not_rounded_into_one_another(read, people):
    keys = ["9007199254740993", "9007199254740992", ""] * (N // 3)
    dataset = read(people.assign(key=keys), groups=("key",))
    expected = {"9007199254740993": N // 3, "9007199254740992": N // 3, "missing": N // 3}
    assert dataset.attributes["key"].value_counts().to_dict() == expected
    assert "kept as text, because the numbers have too many digits: 'key'" in dataset.notes


def test_an_open_quotation_mark_is_called_so(read, people):
    with pytest.raises(BadInput, match="a quotation mark is opened and not closed, in row 1 at the latest"):
        read(people.to_csv(index=False).replace("low", '"low', 1))
