from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rtl_core.config import PartitionSettings
from rtl_core.data import clusters
from rtl_core.data.dataset import Dataset
from rtl_core.data.partitions import sizes, split
from rtl_core.errors import BadInput

SPLIT = np.array(["train", "train", "train", "val", "test"])


def blobs(noise: int = 0) -> Dataset:
    """Three round clusters of 300, 200 and 100 points far apart, and `noise` points far from all."""
    generator = np.random.default_rng(0)
    blob = np.repeat([0, 1, 2], [300, 200, 100])
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    points = centres[blob] + generator.standard_normal((600, 2))
    far = 200 + 100 * np.stack([np.arange(noise), np.arange(noise) % 7], axis=1)
    x = np.concatenate([points, far]).astype(np.float32)
    n = len(x)
    attributes = pd.DataFrame(
        {"site": np.append(np.array(["a", "b", "c"])[blob], ["a"] * noise), "age": np.arange(n) % 40}
    )
    return Dataset(
        spec="blobs",
        kind="table",
        x=x,
        y=np.arange(n) % 2,
        classes=("even", "odd"),
        attributes=attributes,
        split=SPLIT[np.arange(n) // 2 % 5],
        unit=np.arange(n),
        fingerprint="",
    )


def test_by_class_and_by_attribute_read_the_answer():
    data = blobs()
    by_class = split(data, PartitionSettings(by="class"), seed=0)
    assert by_class.names == data.classes and (by_class.assignment == data.y).all() and by_class.uses_label
    by_site = split(data, PartitionSettings(by="attribute"), seed=0)
    assert by_site.names == ("a", "b", "c") and by_site.column == "site" and by_site.uses_label
    assert (np.array(by_site.names)[by_site.assignment] == data.attributes["site"]).all()


def test_a_numeric_attribute_is_named_by_its_values_in_their_order():
    data = blobs()
    data.attributes["age"] = np.array([10.5, 9.0, 2.0])[np.arange(600) % 3]
    partition = split(data, PartitionSettings(column="age"), seed=0)
    assert partition.names == ("2", "9", "10.5")
    assert (partition.assignment == 2 - np.arange(600) % 3).all()


def test_sizes_count_every_part():
    table = sizes(data := blobs(), split(data, PartitionSettings(), seed=0))
    assert table.to_dict("list") == {
        "subset": ["a", "b", "c"],
        "train": [180, 120, 60],
        "val": [60, 40, 20],
        "test": [60, 40, 20],
    }


def test_quantiles_have_equally_many_train_rows_and_tell_their_edges():
    data = blobs()
    partition = split(data, PartitionSettings(by="quantiles", column="age", k=4), seed=0)
    assert partition.names == ("age < 10", "10 ≤ age < 20", "20 ≤ age < 30", "age ≥ 30")
    assert (partition.assignment == data.attributes["age"] // 10).all()


def test_quantiles_of_a_column_full_of_ties_say_so():
    data = blobs()
    data.attributes["age"] = np.where(np.arange(600) % 40 < 30, 0.0, 5.0)
    data.attributes.loc[7, "age"] = np.nan
    partition = split(data, PartitionSettings(by="quantiles", column="age", k=5), seed=0)
    assert partition.names == ("age < 5", "age ≥ 5")
    assert partition.assignment[7] == -1
    assert "2 ranges instead of 5" in partition.notes[0] and "1 rows without a value" in partition.notes[1]


@pytest.mark.parametrize("settings", [{"by": "kmeans", "k": 3}, {"by": "hdbscan"}])
@pytest.mark.parametrize("features", ["raw", "pca", "backbone"])
def test_clusters_far_apart_are_found_largest_first(settings, features):
    data = blobs()
    partition = split(data, PartitionSettings(features=features, **settings), 0, features=lambda rows: data.x[rows] * 2)
    assert partition.names == ("cluster 1", "cluster 2", "cluster 3") and not partition.uses_label
    assert (partition.assignment == np.repeat([0, 1, 2], [300, 200, 100])).all()
    assert partition.silhouette > 0.8


def test_clusters_are_fitted_on_train_rows_only():
    """Moving the other rows changes nothing for the train rows."""
    data = blobs()
    moved = blobs()
    moved.x[moved.split != "train"] = 1_000 + moved.x[moved.split != "train"]
    settings = PartitionSettings(by="kmeans", k=3)
    points = [clusters.space(each, settings, 0, None) for each in (data, moved)]
    train = data.rows("train")
    labels = [clusters.kmeans(each, train, settings, 0) for each in points]
    assert (labels[0][train] == labels[1][train]).all()


def test_noise_goes_to_the_nearest_cluster_or_is_left_out():
    data = blobs(noise=20)
    nearest = split(data, PartitionSettings(by="hdbscan", features="raw", noise="nearest"), seed=0)
    assert (nearest.assignment >= 0).all()
    dropped = split(data, PartitionSettings(by="hdbscan", features="raw", noise="drop"), seed=0)
    assert (dropped.assignment[600:] == -1).all()
    assert "left out" in dropped.notes[0]
    assert sizes(data, dropped)[["train", "val", "test"]].to_numpy().sum() == (dropped.assignment >= 0).sum()


def test_the_same_seed_gives_the_same_clusters(domains):
    settings = PartitionSettings(by="kmeans", k=3)
    thin = np.arange(0, len(domains), 20)
    few = Dataset(
        **{
            **vars(domains),
            **{name: getattr(domains, name)[thin] for name in ("x", "y", "split", "unit")},
            "attributes": domains.attributes.iloc[thin].reset_index(drop=True),
        }
    )
    first, again = (split(few, settings, seed=4) for _ in range(2))
    assert (first.assignment == again.assignment).all() and first.silhouette == again.silhouette


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"column": "sex"}, "'sex' is no attribute of blobs; there are: site, age"),
        ({"by": "quantiles", "column": "site"}, "'site' is no numeric attribute.*: age"),
        ({"min_size": 61}, r"subset 'c' has 60 training rows, fewer than partition\.min_size = 61"),
        ({"by": "kmeans", "features": "backbone"}, "need a trained network"),
        ({"by": "hdbscan", "min_size": 400}, "cannot find clusters of 400 rows"),
        ({"by": "hdbscan", "min_size": 250}, "HDBSCAN found 0 cluster"),
    ],
)
def test_refusals(settings, sentence):
    with pytest.raises(BadInput, match=sentence):
        split(blobs(), PartitionSettings(**settings), seed=0)


def test_a_subset_without_test_rows_is_named():
    data = blobs()
    data.split[(data.attributes["site"] == "b") & (data.split == "test")] = "train"
    with pytest.raises(BadInput, match="subset 'b' has 160 training rows but no test rows"):
        split(data, PartitionSettings(), seed=0)


def test_too_many_values_are_refused():
    data = blobs()
    data.attributes["site"] = np.arange(600)
    with pytest.raises(BadInput, match="600 values, more than the 200"):
        split(data, PartitionSettings(), seed=0)


def test_data_without_attributes_says_what_else_to_partition_by(fashion):
    with pytest.raises(BadInput, match=r"bundled:fashion has no attribute.*by class or clusters"):
        split(fashion, PartitionSettings(), seed=0)


@pytest.mark.parametrize("rows", [2, 3])
def test_umap_of_few_rows_is_refused(rows):
    dataset = blobs()
    few = np.where(np.isin(np.arange(len(dataset)), dataset.rows("train")[:rows]), "train", "test")
    with pytest.raises(BadInput, match=rf"needs at least \d+ training rows, not {rows}; switch partition.umap off"):
        split(replace(dataset, split=few), PartitionSettings(by="kmeans", k=2, umap=True, min_size=2), seed=0)


@pytest.mark.slow
def test_umap_before_clustering():
    data = blobs()
    partition = split(data, PartitionSettings(by="kmeans", k=3, umap=True), seed=0)
    assert (partition.assignment == np.repeat([0, 1, 2], [300, 200, 100])).all()
