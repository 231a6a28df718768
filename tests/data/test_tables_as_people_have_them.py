"""Tables as people have them: every row and class that is there is learned from, or a sentence says why not."""

import datetime
import decimal
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rtl_core.config import DataSettings
from rtl_core.data.sources import load
from rtl_core.data.tabular import table_dataset
from rtl_core.errors import BadInput

pytestmark = pytest.mark.usefixtures("measured_here")

N = 60


@pytest.fixture
def table() -> pd.DataFrame:
    """60 rows of two features, a group and a label."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": draw.normal(size=N).round(3),
            "z": draw.normal(size=N).round(3),
            "sex": ["Female", "Male"] * (N // 2),
            "y": ["<=50K", ">50K", "<=50K"] * (N // 3),
        }
    )


@pytest.fixture
def loaded(tmp_path):
    def write_and_load(frame, suffix="csv", **settings):
        path = tmp_path / f"table.{suffix}"
        if suffix == "parquet":
            pq.write_table(frame, path) if isinstance(frame, pa.Table) else frame.to_parquet(path)
        else:
            path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False), "utf-8")
        return load(DataSettings(spec=f"csv:{path}", **{"target": "y", **settings}), seed=0)

    return write_and_load


def counts(dataset) -> dict[str, int]:
    return dict(zip(dataset.classes, np.bincount(dataset.y).tolist(), strict=True))


def notes_of(dataset) -> str:
    return "; ".join(dataset.notes)


# Labels and groups


def test_adult_as_it_is_published(loaded, table):
    dots = table["y"].where(table.index < 40, table["y"] + ".")
    text = table.assign(y=dots, z="?").to_csv(index=False).replace(",", ", ")
    dataset = loaded(text)
    assert counts(dataset) == table["y"].value_counts().to_dict()
    assert "'<=50K.' (13 rows) counts as '<=50K'" in notes_of(dataset)


@pytest.mark.parametrize(
    ("first", "second"),
    [("yes", "yes "), ("yes", "Yes"), ("good day", "good  day"), ("Inc", "Inc."), ("no", "\u00a0no")],
)
def test_labels_that_are_one_but_for_their_spelling_are_one_class(loaded, table, first, second):
    frame = table.assign(y=[first, first, second, "other"] * (N // 4))
    for suffix in ("csv", "parquet"):
        dataset = loaded(frame, suffix)
        assert counts(dataset) == {first: 45, "other": 15}
        assert f"counts as '{first}'" in notes_of(dataset) or second.strip() == first


def test_letters_that_differ_in_capitals_are_refused_as_classes(loaded, table):
    with pytest.raises(BadInput, match="classes 'A' and 'a' differ in capitals only"):
        loaded(table.assign(y=["a", "A", "b"] * (N // 3)))


def test_an_alphabet_in_capitals_and_small_letters_is_kept(loaded, table):
    letters = list("abcdefghijklABCDEFGHIJKL")
    frame = pd.concat([table] * 4, ignore_index=True).assign(y=letters * 10)
    assert counts(loaded(frame)) == dict.fromkeys(sorted(letters), 10)


def test_groups_have_one_spelling_and_stay_features(loaded, table):
    city = "São Paulo"
    forms = [city, city + " ", city.upper(), unicodedata.normalize("NFD", city), "Rome", "Rome"]
    dataset = loaded(table.assign(sex=forms * (N // 6)), "parquet", groups=("sex",))
    assert dataset.attributes["sex"].value_counts().to_dict() == {city: 40, "Rome": 20}
    assert {name for name in dataset.features if name.startswith("sex=")} == {f"sex={city}", "sex=Rome"}


# Words, zeros, splits, row numbers


def test_three_classes_of_which_one_is_called_none(loaded, table):
    words = ["None", "None", "Insomnia", "None", "Sleep Apnea"] * (N // 5)
    assert counts(loaded(table.assign(y=words))) == {"None": 36, "Insomnia": 12, "Sleep Apnea": 12}


def test_postal_codes_are_groups_of_their_own(loaded, table):
    dataset = loaded(table.assign(zip=["90210", "01234", "1234"] * (N // 3)), groups=("zip",))
    assert dataset.attributes["zip"].value_counts().to_dict() == {"90210": 20, "01234": 20, "1234": 20}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("split", ("train", "dev", "test")),
        ("Split", ("Training", "Validation", "Testing")),
        (" SPLIT", ("TRAIN", "valid", "holdout")),
        ("split", ("training set", "tune", "hold-out")),
        ("split", ("training_set", "val", "seg_test")),
    ],
)
def test_a_split_in_other_words_is_honoured(loaded, table, name, words):
    frame = table.assign(**{name: [words[0]] * 36 + [words[1]] * 12 + [words[2]] * 12})
    dataset = loaded(frame, "parquet")
    assert dataset.split.tolist() == ["train"] * 36 + ["val"] * 12 + ["test"] * 12
    assert set(dataset.sources) == {"x", "z", "sex"}


NUMBERS = {
    "from 0": np.arange(200),
    "from 1": np.arange(1, 201),
    "backwards": np.arange(200)[::-1],
    "in tens": np.arange(200) * 10,
    "anew": np.tile(np.arange(50), 4),
    "rows taken out": np.arange(300)[np.sort(np.random.default_rng(1).permutation(300)[:200])],
}


@pytest.mark.parametrize("which", NUMBERS)
@pytest.mark.parametrize("gap", [False, True])
def test_row_numbers_are_left_out_whatever_rows_are(loaded, table, which, gap):
    frame = pd.concat([table] * 4, ignore_index=True)[:200].assign(row=NUMBERS[which])
    if gap:
        frame.loc[[3, 50, 51], "y"] = None
    dataset = loaded(frame, limit=100)
    assert set(dataset.sources) == {"x", "z", "sex"} and (dataset.split == "train").sum() == 100
    assert "column 'row' is not a feature: it numbers the rows" in notes_of(dataset)


@pytest.mark.parametrize("values", [np.arange(60) % 7, np.random.default_rng(0).integers(0, 10**6, 60), [5, 3] * 30])
def test_whole_numbers_that_count_nothing_stay(loaded, table, values):
    assert "v" in loaded(table.assign(v=values)).sources


# Kinds of columns


def test_decimal_commas_and_dates(loaded, table):
    wage = table["x"].map(lambda x: f"{x:.3f}".replace(".", ","))
    frame = table.assign(x=wage, day=[f"{1 + row % 28:02}.03.2024" for row in range(N)])
    dataset = loaded(frame.to_csv(index=False, sep=";"))
    assert dataset.fingerprint == loaded(table).fingerprint
    assert "column 'day' is not a feature: dates are not used" in notes_of(dataset)


@pytest.mark.parametrize(
    "days",
    [
        ["2024-01-05", "2023-12-31"],
        ["5.1.2024", "31.12.2023"],
        ["01/05/2024 10:30", "12/31/2023 23:59"],
        ["2024-01-05T10:30:00Z", None],
        ["5 Jan 2024", "31 December 2023"],
        ["2024년 1월 5일", "2023년 12월 31일"],
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_dates_written_as_text_are_left_out(loaded, table, days, suffix):
    dataset = loaded(table.assign(day=days * (N // 2)), suffix)
    assert "day" not in dataset.sources and "'day' is not a feature: dates are not used" in notes_of(dataset)


def test_kinds_of_parquet(loaded, table):
    table = pa.Table.from_pandas(table)
    extra = {
        "price": pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None] * 20),
        "day": pa.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)] * 30),
        "raw": pa.array([b"one", b"two", b"two"] * 20),
        "half": pa.array(np.tile(np.array([1.5, 2.5], np.float16), 30)),
        "long": pa.array([2, None, 3] * 20, pa.int64()),
        "flag": pa.array([True, None, False] * 20),
        "none": pa.nulls(60),
    }
    for name, column in extra.items():
        table = table.append_column(name, column)
    dataset = loaded(table, "parquet")
    assert {"price", "raw", "half", "long", "flag"} <= set(dataset.sources) and "day" not in dataset.sources
    assert {"flag=True", "flag=False", "flag=missing", "raw=one", "raw=two"} <= set(dataset.features)
    assert np.isfinite(dataset.x).all()
    price, train = pd.Series([1.5, 2.25, np.nan] * 20), dataset.split == "train"
    price = price.fillna(price[train].median())
    expected = (price - price[train].mean()) / price[train].std(ddof=0)
    assert dataset.x[:, dataset.features.index("price")] == pytest.approx(expected, abs=1e-6)
    assert "decimals read as floating-point numbers: 'price'" in notes_of(dataset)
    assert "'price' 20" in notes_of(dataset) and "'none' is not a feature: its train rows have no value" in notes_of(
        dataset
    )


@pytest.mark.parametrize("first", [None, 4])
@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]", "Int8"])
def test_nullable_numbers(table, first, dtype):
    values = pd.array([first, 2, 3, 2] * (N // 4), dtype=dtype)
    dataset = table_dataset(table.assign(k=values), DataSettings(spec="csv:t", target="y"), 0)
    plain = table.assign(k=np.array([np.nan if first is None else first, 2, 3, 2] * (N // 4)))
    assert dataset.fingerprint == table_dataset(plain, DataSettings(spec="csv:t", target="y"), 0).fingerprint


def test_nullable_yes_and_no_and_texts(table):
    frame = table.assign(b=pd.array([True, None, False] * 20, "boolean"), t=pd.array(["u", pd.NA, "v"] * 20, "string"))
    dataset = table_dataset(frame, DataSettings(spec="csv:t", target="y", groups=("b", "t")), 0)
    assert {"b=True", "b=False", "b=missing", "t=u", "t=v", "t=missing"} <= set(dataset.features)
    assert dataset.attributes["t"].value_counts().to_dict() == {"u": 20, "v": 20, "missing": 20}


def test_the_index_of_a_frame_is_said_to_be_left_out(loaded, table):
    frame = table.set_index(pd.Index([f"p{row % 7}" for row in range(N)], name="person"))
    assert "left out: 'person'" in notes_of(loaded(frame, "parquet"))
    assert "left out" not in notes_of(loaded(table, "parquet"))


def test_two_columns_of_one_name_are_refused(loaded, table):
    twice = pa.Table.from_arrays([pa.array([1, 2]), pa.array([1, 2]), pa.array(["a", "b"])], ["x", "x", "y"])
    with pytest.raises(BadInput, match="2 columns 'x'"):
        loaded(twice, "parquet")
    frame = table.rename(columns={"z": "x"})
    with pytest.raises(BadInput, match="two columns 'x'"):
        table_dataset(frame, DataSettings(spec="csv:t", target="y"), 0)


# Numbers that are none


@pytest.mark.parametrize("sentinel", [1.7976931348623157e308, -1.7e308, np.inf, -np.inf, 3.4028234663852886e38])
def test_absurd_numbers_count_as_missing(loaded, table, sentinel):
    frame = table.assign(x=table["x"].where(table.index % 6 > 0, sentinel))
    dataset = loaded(frame, "parquet", groups=("x",))
    assert dataset.fingerprint != loaded(table, "parquet").fingerprint
    indicator = dataset.x[:, dataset.features.index("x is missing")]
    assert indicator.sum() == 10 and np.isfinite(dataset.x).all()
    assert np.isnan(dataset.attributes["x"]).sum() == 10
    assert "column 'x': 10 infinite or absurdly large values count as missing" in notes_of(dataset)


@pytest.mark.parametrize("scale", [1e-200, 1e-300, 1e30, 1e37])
def test_numbers_of_any_size_are_standardised(loaded, table, scale):
    dataset = loaded(table.assign(x=np.arange(N) % 5 * scale), "parquet")
    x = dataset.x[dataset.split == "train", dataset.features.index("x")].astype(float)
    assert x.mean() == pytest.approx(0, abs=1e-5) and x.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        ([None] * N, "target column 'y' has no value in any row"),
        ([" "] * N, "target column 'y' has no value in any row"),
        ([1.0] * N, "1 class"),
        (np.arange(N) * 1.1, "different values in 60 rows; this tool classifies"),
        ([np.inf, -np.inf] * (N // 2), "has no value in any row"),
        (["a"] * (N - 1) + ["b"], "class 'b' has 1 row"),
    ],
)
def test_targets_that_are_none(loaded, table, y, sentence):
    with pytest.raises(BadInput, match=sentence):
        loaded(table.assign(y=y), "parquet")


def test_rows_with_an_infinite_or_blank_label_are_left_out(loaded, table):
    numbers = loaded(table.assign(y=[0.0, 1.0, np.inf] * (N // 3)), "parquet")
    texts = loaded(table.assign(y=["no", "yes", " "] * (N // 3)), "parquet")
    assert counts(numbers) == {"0": 20, "1": 20} and counts(texts) == {"no": 20, "yes": 20}
    assert numbers.notes[0] == texts.notes[0] == "20 rows without a value in 'y' left out"


@pytest.mark.parametrize("rows", [4, 8])
def test_few_rows(loaded, table, rows):
    frame = table[:rows].assign(y=["a", "b"] * (rows // 2))
    if rows == 8:
        dataset = loaded(frame)
        assert counts(dataset) == {"a": 4, "b": 4} and np.isfinite(dataset.x).all()
    else:
        with pytest.raises(BadInput, match="none of them is left to train on"):
            loaded(frame)


def test_one_row_a_class_and_a_class_that_only_test_has(loaded, table):
    with pytest.raises(BadInput, match="4 different values in 4 rows"):
        loaded(table[:4].assign(y=list("abcd")))
    split = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    with pytest.raises(BadInput, match=r"class 'new' has 10 row.*none of them is left to train on"):
        loaded(table.assign(y=["a", "b"] * 25 + ["new"] * 10, split=split))
