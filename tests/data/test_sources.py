"""Every source gives the same type, and refuses what is wrong in one sentence."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from rtl_core.config import DataSettings, PartitionSettings
from rtl_core.data import partitions
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

BUNDLED = ("fashion", "domains", "digits", "adult")


def get(spec: str, **settings):
    return load(DataSettings(spec=spec, **settings), 0)


@pytest.fixture(scope="module")
def bundled() -> dict:
    return {name: get(f"bundled:{name}") for name in BUNDLED}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_data_are_whole_and_the_same_each_time(bundled, name):
    data = bundled[name]
    n = len(data)
    assert len(data.x) == len(data.y) == len(data.split) == len(data.unit) == len(data.attributes) == n
    assert set(data.split) == {"train", "val", "test"}
    assert set(np.unique(data.y)) == set(range(len(data.classes)))
    assert get(f"bundled:{name}").fingerprint == data.fingerprint


def test_fashion_is_stratified(bundled):
    data = bundled["fashion"]
    for split, each in (("train", 1000), ("val", 100), ("test", 200)):
        assert (np.bincount(data.y[data.rows(split)]) == each).all()


def test_domains_are_five_views_of_the_same_pictures(bundled):
    data, fashion = bundled["domains"], bundled["fashion"]
    domain = data.attributes["domain"].to_numpy()
    assert sorted(set(domain)) == ["blurred", "inverted", "noisy", "original", "rotated"]
    for unit in (0, 777):
        views = {d: data.x[i, 0] for i, d in enumerate(domain) if data.unit[i] == unit}
        assert np.array_equal(views["inverted"], 255 - views["original"])
        assert np.array_equal(np.rot90(views["rotated"], -1), views["original"]) or np.array_equal(
            np.rot90(views["rotated"]), views["original"]
        )
    assert (np.bincount(data.unit) == 5).all()
    assert len({tuple(row) for row in zip(data.unit, data.split, strict=True)}) == len(fashion)


def test_adult_is_scaled_by_its_train_rows_alone(bundled):
    data = bundled["adult"]
    train = data.x[data.rows("train")]
    numeric = [i for i, name in enumerate(data.features) if name == "age"]
    assert numeric and np.allclose(train[:, numeric].mean(axis=0), 0, atol=1e-4)
    assert np.allclose(train[:, numeric].std(axis=0), 1, atol=1e-3)
    assert "fnlwgt" not in data.sources
    assert {"sex", "race"} <= set(data.attributes)
    assert np.isfinite(data.x).all()


def csv(tmp_path, frame: pd.DataFrame):
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return f"csv:{path}"


def people(n: int = 120) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    age = generator.integers(18, 80, n).astype(float)
    return pd.DataFrame(
        {"age": age, "town": generator.choice(["north", "south"], n), "ok": np.where(age > 45, "yes", "no")}
    )


def test_csv_with_missing_cells(tmp_path):
    frame = people()
    frame.loc[:9, "age"] = np.nan
    frame.loc[10:19, "town"] = None
    data = get(csv(tmp_path, frame), target="ok", groups=("town",))
    assert data.kind == "table" and data.classes == ("no", "yes")
    assert np.isfinite(data.x).all()
    assert data.attributes["town"].notna().all()


def test_csv_without_its_target_lists_the_columns(tmp_path):
    with pytest.raises(BadInput, match="town"):
        get(csv(tmp_path, people()), target="income")


def test_pictures_in_npz(tmp_path):
    path = tmp_path / "pictures.npz"
    generator = np.random.default_rng(0)
    np.savez(path, x=generator.integers(0, 255, (80, 12, 12), dtype=np.uint8), y=np.arange(80) % 2)
    data = get(f"npz:{path}")
    assert data.kind == "image" and data.input_shape[0] == 1 and len(data.classes) == 2


def test_a_pickle_inside_npz_is_not_opened(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, x=np.array([{"a": 1}] * 20, dtype=object), y=np.arange(20) % 2)
    with pytest.raises(BadInput):
        get(f"npz:{path}")


def test_a_huge_promise_in_an_npz_header_is_refused_before_reading(tmp_path):
    path = tmp_path / "huge.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(BadInput):
        get(f"npz:{path}")


@pytest.mark.parametrize("spec", ["npz:missing.npz", "csv:missing.csv", "folder:missing", "bundled:cars", "what"])
def test_what_is_not_there_is_said(spec):
    with pytest.raises(BadInput):
        get(spec)


def test_partition_by_class_attribute_and_clusters(bundled):
    digits, domains = bundled["digits"], bundled["domains"]
    by_class = partitions.split(digits, PartitionSettings(by="class"), 0)
    assert by_class.names == digits.classes and np.array_equal(by_class.assignment, digits.y) and by_class.uses_label
    by_domain = partitions.split(domains, PartitionSettings(by="attribute", column="domain"), 0)
    assert by_domain.k == 5
    clusters = partitions.split(digits, PartitionSettings(by="kmeans", k=3), 0)
    assert clusters.k == 3 and not clusters.uses_label and -1 <= clusters.silhouette <= 1
    again = partitions.split(digits, PartitionSettings(by="kmeans", k=3), 0)
    assert np.array_equal(clusters.assignment, again.assignment)


def test_quantiles_of_a_column(bundled):
    quarters = partitions.split(bundled["adult"], PartitionSettings(by="quantiles", column="age", k=4), 0)
    assert quarters.k == 4
    sizes = partitions.sizes(bundled["adult"], quarters)["train"]
    assert sizes.min() > 0.6 * sizes.max()


def test_a_tiny_subset_is_refused_by_name(bundled):
    settings = PartitionSettings(by="class", min_size=5000)
    with pytest.raises(BadInput, match="min_size"):
        partitions.split(bundled["digits"], settings, 0)


def test_backbone_features_must_be_handed_in(bundled):
    with pytest.raises(BadInput):
        partitions.split(bundled["digits"], PartitionSettings(by="kmeans", features="backbone"), 0)
