import numpy as np
import pandas as pd
import pytest

from rtl_core.config import DataSettings
from rtl_core.data import tables
from rtl_core.data.sources import load
from rtl_core.errors import BadInput


@pytest.fixture
def load_frame(tmp_path):
    def write_and_load(frame, *, suffix="csv", **settings):
        path = tmp_path / f"table.{suffix}"
        frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
        return load(DataSettings(spec=f"csv:{path}", **{"target": "label", **settings}), seed=0)

    return write_and_load


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_mixed_columns(load_frame, people, suffix):
    dataset = load_frame(people, suffix=suffix, groups=("city",))
    assert dataset.classes == ("no", "yes") and dataset.y.sum() == 20
    assert dataset.features == (
        "height", "city=Lima", "city=Oslo", "city=Rome", "member=False", "member=True",
    )  # fmt: skip
    assert dataset.sources == ("height", "city", "city", "city", "member", "member")
    assert (dataset.attributes["city"] == people["city"]).all()
    assert (dataset.x[:, 3] == (people["city"] == "Rome")).all()


def test_the_same_table_has_the_same_fingerprint_in_either_format(load_frame, people):
    csv, parquet = (load_frame(people, suffix=suffix) for suffix in ("csv", "parquet"))
    assert csv.fingerprint == parquet.fingerprint
    changed = people.assign(height=people["height"].where(people.index != 5, 0))
    assert load_frame(changed).fingerprint != csv.fingerprint


def test_labels_that_are_one_once_composed_are_refused(load_frame, people):
    people["label"] = ["\u00e4", "a\u0308", "b"] * 20
    with pytest.raises(BadInput, match="two classes have the same name"):
        load_frame(people)


def test_a_split_column_is_respected(load_frame, people):
    people["split"] = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    dataset = load_frame(people)
    assert [len(dataset.rows(split)) for split in ("train", "val", "test")] == [40, 10, 10]
    assert "split" not in dataset.sources


@pytest.mark.parametrize("words", [("left", "right"), ("train", "extra"), ("val", "test"), (0, 1), ("train", None)])
def test_a_split_column_of_other_values_is_refused_and_never_a_feature(load_frame, people, words):
    people["split"] = [words[0]] * 40 + [words[1]] * 20
    with pytest.raises(BadInput, match="the column 'split' holds"):
        load_frame(people)
    assert "split" not in load_frame(people, drop=("split",)).sources


def test_missing_numbers_become_the_train_median_with_an_indicator(load_frame, people):
    people["split"] = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    people["height"] = [1.0, 2.0, 6.0, np.nan] * 15
    people.loc[59, "height"] = np.inf
    dataset = load_frame(people)
    height, indicator = (dataset.x[:, dataset.features.index(name)] for name in ("height", "height is missing"))
    # Train: 30 numbers 1, 2, 6 and 10 gaps filled with their median 2: mean 2.75, variance 3.6875.
    known = people["height"].replace(np.inf, np.nan)
    assert height == pytest.approx((known.fillna(2) - 2.75) / 3.6875**0.5, abs=1e-6)
    assert (indicator == known.isna()).all()


def test_categories_that_train_never_saw_are_all_zeros(load_frame, people):
    people["split"] = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    people.loc[59, "city"] = "Cairo"
    people.loc[0, "city"] = None
    dataset = load_frame(people, groups=("city",))
    of_city = [column for column, source in enumerate(dataset.sources) if source == "city"]
    assert dataset.x[59, of_city].tolist() == [0, 0, 0, 0]
    assert dataset.x[0, dataset.features.index("city=missing")] == 1
    assert dataset.attributes["city"][[0, 59]].tolist() == ["missing", "Cairo"]


def test_rare_categories_share_one_feature(load_frame):
    shop = [f"s{number}" for number in range(150)] * 2 + ["s0"] * 300
    dataset = load_frame(pd.DataFrame({"shop": shop, "label": ["a", "b"] * 300}))
    assert len(dataset.features) == 101 and "shop=other" in dataset.features
    assert (dataset.x.sum(axis=1) == 1).all()


def test_columns_without_information_are_left_out_and_noted(load_frame, people):
    people["name"] = [f"person {row}" for row in range(60)]
    people["row"] = range(1, 61)
    people["planet"] = "Earth"
    dataset = load_frame(people)
    assert not {"name", "row", "planet"} & set(dataset.sources)
    assert dataset.notes == (
        "column 'name' is not a feature: almost every row has a value of its own",
        "column 'row' is not a feature: it numbers the rows",
        "column 'planet' is not a feature: its train rows have one value",
    )


def test_rows_without_a_label_are_left_out_and_noted(load_frame, people):
    people.loc[:3, "label"] = None
    dataset = load_frame(people)
    assert len(dataset) == 56 and "4 rows without a value" in dataset.notes[0]


def test_whole_numbers_are_classes_in_their_order(load_frame, people):
    assert load_frame(people.assign(label=[10, 9, 2] * 20)).classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        ({}, {"target": None}, "set data.target to one of: height, city, member, label"),
        ({}, {"target": "wage"}, "no target column 'wage'; the table has: height, city"),
        ({}, {"groups": ("sex",)}, "no group column 'sex'"),
        ({}, {"groups": ("label",)}, "cannot be a group"),
        ({}, {"drop": ("height", "city", "member")}, "no column left"),
        ({"label": np.arange(60) * 1.5}, {}, "60 different values in 60 rows; this tool classifies"),
        ({"label": "same"}, {}, "1 class"),
    ],
)
def test_refusals(load_frame, people, change, settings, sentence):
    with pytest.raises(BadInput, match=sentence):
        load_frame(people.assign(**change), **settings)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", "a,label\nМосква,1\n".encode("cp1251"), "not UTF-8"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,label\n", "no rows"),
        ("t.csv", b'a,label\n"1,2\n', "opened and not closed"),
        ("t.parquet", b"PAR1 nothing", "not an intact Parquet"),
    ],
)
def test_damaged_files(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        load(DataSettings(spec=f"csv:{tmp_path / name}", target="label"), seed=0)


def test_other_separators_and_a_byte_order_mark(tmp_path, people):
    people.to_csv(tmp_path / "t.csv", sep=";", index=False, encoding="utf-8-sig")
    assert load(DataSettings(spec=f"csv:{tmp_path / 't.csv'}", target="label"), seed=0).features[0] == "height"


def test_a_file_too_large_is_not_read(tmp_path, people, monkeypatch):
    monkeypatch.setattr(tables, "MAX_FILE_BYTES", 100)
    people.to_csv(tmp_path / "t.csv")
    with pytest.raises(BadInput, match="larger than"):
        load(DataSettings(spec=f"csv:{tmp_path / 't.csv'}", target="label"), seed=0)


def test_lists_in_parquet_are_refused(tmp_path):
    pd.DataFrame({"a": [[1], [2]], "label": [0, 1]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="'a' holds lists"):
        load(DataSettings(spec=f"csv:{tmp_path / 't.parquet'}", target="label"), seed=0)


def test_openml_without_a_network_is_one_sentence(monkeypatch):
    def unreachable(**_):
        raise OSError("no route to host")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", unreachable)
    with pytest.raises(BadInput, match="OpenML could not be reached for 'credit-g'"):
        load(DataSettings(spec="openml:credit-g"), seed=0)


@pytest.mark.parametrize("spec", ["", "bundled", "bundled:", "sql:x", "folder:"])
def test_an_unknown_spec_lists_what_there_is(spec):
    with pytest.raises(BadInput, match=r"bundled:fashion, bundled:domains.*folder:PATH.*openml:NAME"):
        load(DataSettings(spec=spec), seed=0)


def test_an_unknown_bundled_set_lists_those_there_are():
    with pytest.raises(BadInput, match="'mnist'; there are: fashion, domains, emoji, digits, adult"):
        load(DataSettings(spec="bundled:mnist"), seed=0)
