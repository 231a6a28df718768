"""Clusters of inputs: the space they are looked for in, and two ways to find them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtl_core.config import PartitionSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.kinds import KINDS
from rtl_core.data.umap_places import umap_places
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator, seed_for

PCA_DIMENSIONS = 50
UMAP_DIMENSIONS = 5
# UMAP and HDBSCAN take minutes on tens of thousands of rows; beyond these numbers of train rows they
# are fitted on a sample.
UMAP_ROWS = 5_000
HDBSCAN_ROWS = 5_000
SILHOUETTE_ROWS = 2_000
MAX_BYTES = 4 * 2**30


def space(
    dataset: Dataset, settings: PartitionSettings, seed: int, features: Callable[[np.ndarray], np.ndarray] | None
) -> np.ndarray:
    """float32 (n, d): where all rows lie in the space that is clustered; PCA and UMAP are fitted on train rows."""
    train = dataset.rows("train")
    if settings.features == "backbone":
        if features is None:
            raise BadInput("clusters on backbone features need a trained network; use partition.features = pca or raw")
        points = np.asarray(features(np.arange(len(dataset))), dtype=np.float32)
    else:
        points = _raw(dataset)
    if settings.features == "pca":
        points = _principal_components(points, train, seed)
    return _umap(points, train, seed) if settings.umap else points


def kmeans(points: np.ndarray, train: np.ndarray, settings: PartitionSettings, seed: int) -> np.ndarray:
    """Cluster of every row, int64 (n,): k-means on the train rows, the nearest centre for the others."""
    from sklearn.cluster import KMeans

    if settings.k > len(train):
        raise BadInput(f"{len(train)} training rows cannot make {settings.k} clusters; choose a smaller partition.k")
    model = KMeans(settings.k, n_init=4, random_state=_seed32(seed, "kmeans")).fit(points[train])
    return model.predict(points).astype(np.int64)


def hdbscan(points: np.ndarray, train: np.ndarray, settings: PartitionSettings, seed: int) -> np.ndarray:
    """Cluster of every row, int64 (n,): HDBSCAN on the train rows; -1 marks noise that is to be dropped.

    Clusters may have any shape, so a row that was not fitted goes where its nearest fitted row went,
    noise included. Noise then goes to the nearest cluster centre, or stays -1, as `settings.noise` says.
    """
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    fitted = _sample(train, HDBSCAN_ROWS, seed, "hdbscan")
    if settings.min_size > len(fitted):
        raise BadInput(
            f"HDBSCAN cannot find clusters of {settings.min_size} rows in {len(fitted)} training rows; "
            "lower partition.min_size"
        )
    labels = HDBSCAN(min_cluster_size=settings.min_size, copy=True).fit_predict(points[fitted])
    if labels.max() < 1:
        raise BadInput(
            f"HDBSCAN found {labels.max() + 1} cluster(s), at least 2 are needed; lower partition.min_size, switch "
            "UMAP on, or use kmeans"
        )
    clusters_of_rows = KNeighborsClassifier(1).fit(points[fitted], labels).predict(points)
    clusters_of_rows[fitted] = labels
    noise = clusters_of_rows == -1
    if settings.noise == "nearest" and noise.any():
        centres = NearestCentroid().fit(points[fitted[labels >= 0]], labels[labels >= 0])
        clusters_of_rows[noise] = centres.predict(points[noise])
    return clusters_of_rows.astype(np.int64)


def by_size(cluster: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The same clusters numbered by their number of train rows, largest first; -1 stays."""
    counts = np.bincount(cluster[train][cluster[train] >= 0], minlength=cluster.max() + 1)
    number = np.empty(len(counts) + 1, dtype=np.int64)
    number[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    number[-1] = -1
    return number[cluster]


def silhouette(points: np.ndarray, cluster: np.ndarray, train: np.ndarray, seed: int) -> float | None:
    """Mean silhouette of at most 2,000 clustered train rows, in [-1, 1]; None where it is not defined."""
    from sklearn.metrics import silhouette_score

    rows = _sample(train[cluster[train] >= 0], SILHOUETTE_ROWS, seed, "silhouette")
    if not 2 <= len(np.unique(cluster[rows])) < len(rows):
        return None
    return float(silhouette_score(points[rows], cluster[rows]))


def _raw(dataset: Dataset) -> np.ndarray:
    """The inputs as vectors on one scale."""
    if len(dataset) * dataset.x[0].size * 4 > MAX_BYTES:
        raise BadInput("the inputs are too large to be clustered as they are; use partition.features = backbone")
    return KINDS[dataset.kind].vectors(dataset.x)


def _principal_components(points: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    dimensions = min(PCA_DIMENSIONS, points.shape[1], len(train))
    return PCA(dimensions, random_state=_seed32(seed, "pca")).fit(points[train]).transform(points)


def _umap(points: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
    fitted = _sample(train, UMAP_ROWS, seed, "umap")
    # min_dist 0 packs neighbours together: good for clusters, bad only for pictures of them.
    dimensions = min(UMAP_DIMENSIONS, points.shape[1])
    if len(fitted) < dimensions + 2:
        raise BadInput(
            f"UMAP to {dimensions} dimension(s) needs at least {dimensions + 2} training rows, not {len(fitted)}; "
            "switch partition.umap off"
        )
    settings = {"n_components": dimensions, "min_dist": 0.0, "random_state": _seed32(seed, "umap")}
    return umap_places(points[fitted], points, **settings).astype(np.float32)


def _sample(rows: np.ndarray, most: int, seed: int, name: str) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.sort(numpy_generator(seed, "data", "partition", name).choice(rows, most, replace=False))


def _seed32(seed: int, name: str) -> int:
    """scikit-learn and umap take 32-bit seeds."""
    return seed_for(seed, "data", "partition", name) % 2**32
