"""Tables: scores of original columns instead of one-hot features, and what a column does to a ticket's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from rtl_core.audit.attribution.explain import outputs_of, private_copy
from rtl_core.audit.attribution.regions import Regions, columns
from rtl_core.data.dataset import Dataset
from rtl_core.data.kinds import KINDS
from rtl_core.errors import BadInput
from rtl_core.statistics.intervals import bootstrap_ratios

GRID = 15  # values of a number, at equally spaced quantiles of the train rows
PDP_ROWS = 500  # rows that a partial dependence is averaged over


@dataclass(frozen=True)
class PartialDependence:
    """The mean output when everybody had the same value in one column, (values,) each.

    values   a category's name, or a number as the data set holds it
    numeric  whether the values are numbers
    scale    "original", or "standardised" where the data set has not kept the column as it was
    output   mean over the rows; low, high: 95 % intervals that resample units
    n        rows
    """

    column: str
    values: tuple[str | float, ...]
    numeric: bool
    scale: str
    output: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int


def table_columns(dataset: Dataset) -> Regions:
    """The columns that the features came from; BadInput for inputs without columns."""
    named = dataset.sources or dataset.features
    if not named:
        noun = KINDS[dataset.kind].noun[1]
        raise BadInput(f"columns are those of a table, and these data are {noun}; use regions of the inputs")
    return columns(named)


def feature_scores(dataset: Dataset, maps: np.ndarray) -> pd.DataFrame:
    """One row a map (n, features), one column an original column: the sum over what it was encoded as."""
    regions = table_columns(dataset)
    return pd.DataFrame(regions.sums(maps), columns=list(regions.names))


def partial_dependence(
    module: nn.Module, dataset: Dataset, rows: np.ndarray, column: str, output: int = 0, seed: int = 0
) -> PartialDependence:
    """Friedman's (2001) partial dependence of one output on one original column, over some rows as they are.

    Categories are put in one after the other with all their one-hot features. At most `PDP_ROWS` rows, evenly
    spaced, are used. It mixes values that may never occur together; intervals are over the rows, not the training.
    """
    regions = table_columns(dataset)
    if column not in regions.names:
        raise BadInput(f"there is no column '{column}'; there are: {', '.join(regions.names)}")
    rows = rows[np.linspace(0, len(rows) - 1, min(PDP_ROWS, len(rows))).astype(int)]
    if len(rows) == 0:
        raise BadInput("partial dependence is a mean over rows, and no row was chosen; choose at least one")
    own = np.flatnonzero(regions.of == regions.names.index(column))
    numeric = not dataset.features[own[0]].startswith(f"{column}=")
    values, blocks, scale = _numbers(dataset, column, own) if numeric else _categories(dataset, column, own)
    module, by_value = private_copy(module), []
    for block in blocks:
        x = dataset.x[rows].copy()
        x[:, own] = block
        by_value.append(outputs_of(module, torch.from_numpy(x))[:, output])
    outputs = np.stack(by_value)
    low, high = bootstrap_ratios(outputs, dataset.unit[rows], seed=seed, names=("partial dependence", column))
    return PartialDependence(column, values, numeric, scale, outputs.mean(axis=1), low, high, len(rows))


def _numbers(dataset: Dataset, column: str, own: np.ndarray) -> tuple[tuple[float, ...], list[np.ndarray], str]:
    """Values that train rows have at equally spaced quantiles, and the features that encode them (not missing)."""
    train = dataset.rows("train")
    ordered = train[np.argsort(dataset.x[train, own[0]], kind="stable")]
    places = ordered[np.linspace(0, len(ordered) - 1, GRID).astype(int)]
    places = places[np.unique(dataset.x[places, own[0]], return_index=True)[1]]
    blocks = [np.r_[dataset.x[place, own[0]], np.zeros(len(own) - 1)] for place in places]
    kept = dataset.attributes.get(column)
    if kept is not None and pd.api.types.is_numeric_dtype(kept.dtype):
        return tuple(float(value) for value in kept.iloc[places]), blocks, "original"
    return tuple(float(block[0]) for block in blocks), blocks, "standardised"


def _categories(dataset: Dataset, column: str, own: np.ndarray) -> tuple[tuple[str, ...], list[np.ndarray], str]:
    names = tuple(dataset.features[i].removeprefix(f"{column}=") for i in own)
    return names, list(np.eye(len(own))), "original"
