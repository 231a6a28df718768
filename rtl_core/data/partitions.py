"""Ways to split a data set into the subsets that get a ticket each."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd

from rtl_core.config import PartitionSettings
from rtl_core.data import clusters
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.data.splits import SPLITS
from rtl_core.errors import BadInput

MAX_SUBSETS = 200

Features = Callable[[np.ndarray], np.ndarray]  # row indices (m,) -> features (m, f)


def split(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None = None) -> Partition:
    """The partition that the settings ask for, fitted on the train rows and applied to all rows.

    `features` gives a trained backbone's features of some rows; only clusters on "backbone" need it.
    Raises BadInput where a subset is too small or empty, or there are too few or too many of them.
    """
    partition = _WAYS[settings.by](dataset, settings, seed, features)
    _check(dataset, partition, settings)
    return partition


def sizes(dataset: Dataset, partition: Partition) -> pd.DataFrame:
    """One row per subset: its name and its number of train, val and test rows."""
    counts = {split: np.bincount(_assigned(partition, dataset.rows(split)), minlength=partition.k) for split in SPLITS}
    return pd.DataFrame({"subset": partition.names, **counts})


def _by_class(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None) -> Partition:
    if dataset.labels is None:
        raise BadInput(f"'{dataset.spec}' has no class for each row to partition by; take an attribute or clusters")
    return Partition("class", dataset.target, dataset.classes, dataset.y.copy(), uses_label=True)


def _by_attribute(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None) -> Partition:
    column = _column(dataset, settings.column)
    codes, values = pd.factorize(column, sort=True, use_na_sentinel=False)
    if len(values) > MAX_SUBSETS:
        raise BadInput(
            f"attribute '{column.name}' has {len(values)} values, more than the {MAX_SUBSETS} subsets allowed; "
            "partition by its quantiles or by another attribute"
        )
    names = tuple("missing" if pd.isna(value) else _number_or_text(value) for value in values)
    return Partition("attribute", str(column.name), names, codes.astype(np.int64), uses_label=True)


def _by_quantiles(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None) -> Partition:
    """Ranges with equally many train rows; a value on an edge belongs to the range above it."""
    column = _column(dataset, settings.column, numeric=True)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    train = values[dataset.rows("train")]
    train = train[np.isfinite(train)]
    if len(train) == 0:
        raise BadInput(f"attribute '{column.name}' has no numbers in its train rows; choose another one")
    inner = np.unique(np.quantile(train, np.arange(1, settings.k) / settings.k, method="higher"))
    edges = inner[inner > train.min()]
    assignment = np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1)
    notes = []
    if len(edges) + 1 < settings.k:
        notes.append(f"many rows share a value of '{column.name}': {len(edges) + 1} ranges instead of {settings.k}")
    if (assignment == -1).any():
        notes.append(f"{int((assignment == -1).sum())} rows without a value in '{column.name}' left out")
    names = _range_names(str(column.name), edges)
    return Partition("quantiles", str(column.name), names, assignment, uses_label=True, notes=tuple(notes))


def _by_clusters(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None) -> Partition:
    space = clusters.space(dataset, settings, seed, features)
    train = dataset.rows("train")
    find = {"kmeans": clusters.kmeans, "hdbscan": clusters.hdbscan}[settings.by]
    cluster = clusters.by_size(find(space, train, settings, seed), train)
    count = int(cluster.max()) + 1
    left_out = int((cluster == -1).sum())
    return Partition(
        settings.by,
        None,
        tuple(f"cluster {number}" for number in range(1, count + 1)),
        cluster,
        uses_label=False,
        silhouette=clusters.silhouette(space, cluster, train, seed),
        notes=(f"{left_out} rows that belong to no cluster left out",) if left_out else (),
    )


def _whole(dataset: Dataset, settings: PartitionSettings, seed: int, features: Features | None) -> Partition:
    return Partition("none", None, ("all",), np.zeros(len(dataset.y), np.int64), uses_label=False)


_WAYS: dict[str, Callable[[Dataset, PartitionSettings, int, Features | None], Partition]] = {
    "class": _by_class,
    "attribute": _by_attribute,
    "quantiles": _by_quantiles,
    "kmeans": _by_clusters,
    "hdbscan": _by_clusters,
    "none": _whole,
}


def _column(dataset: Dataset, name: str | None, numeric: bool = False) -> pd.Series:
    """The attribute `name`, or the first (numeric) one where no name is given."""
    attributes = dataset.attributes
    usable = list(attributes.select_dtypes("number").columns if numeric else attributes.columns)
    kind = "numeric attribute" if numeric else "attribute"
    if not usable:
        raise BadInput(f"{dataset.spec} has no {kind} to partition by; partition by class or clusters instead")
    if name is None:
        return attributes[usable[0]]
    if name not in usable:
        raise BadInput(f"'{name}' is no {kind} of {dataset.spec}; there are: {', '.join(map(str, usable))}")
    return attributes[name]


def _number_or_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _range_names(column: str, edges: np.ndarray) -> tuple[str, ...]:
    if len(edges) == 0:
        return (column,)
    between = [f"{low:g} ≤ {column} < {high:g}" for low, high in itertools.pairwise(edges)]
    return (f"{column} < {edges[0]:g}", *between, f"{column} ≥ {edges[-1]:g}")


def _assigned(partition: Partition, rows: np.ndarray) -> np.ndarray:
    subsets = partition.assignment[rows]
    return subsets[subsets >= 0]


def _check(dataset: Dataset, partition: Partition, settings: PartitionSettings) -> None:
    advice = _ADVICE[settings.by]
    if settings.by != "none" and not 2 <= partition.k <= MAX_SUBSETS:
        raise BadInput(f"the partition has {partition.k} subset(s), wanted are 2 to {MAX_SUBSETS}; {advice}")
    table = sizes(dataset, partition)
    for subset, train, val, test in table.sort_values("train", kind="stable").itertuples(index=False):
        if train < settings.min_size:
            raise BadInput(
                f"subset '{subset}' has {train} training rows, fewer than partition.min_size = {settings.min_size}; "
                f"lower that, give more data, or {advice}"
            )
        for split, count in (("val", val), ("test", test)):
            if count == 0:
                raise BadInput(
                    f"subset '{subset}' has {train} training rows but no {split} rows; give more data, or {advice}"
                )


_ADVICE = {
    "class": "take the class out",
    "attribute": "partition by another attribute or by clusters",
    "quantiles": "choose another column or a smaller partition.k",
    "kmeans": "choose a smaller partition.k",
    "none": "take other data",
    "hdbscan": "change partition.min_size or use kmeans, which finds as many clusters as it is told to",
}
