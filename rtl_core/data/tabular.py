"""From a frame of mixed columns to a Dataset: labels, split, features and attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import fingerprint
from rtl_core.data.splits import SPLITS, check_rows, complete_split, limited_rows
from rtl_core.errors import BadInput

MISSING = "missing"
OTHER = "other"
MAX_CATEGORIES = 100  # of a column, one-hot; rarer ones share "other"
MAX_NUMERIC_CLASSES = 100
MAX_FEATURES = 10_000
MAX_FEATURE_BYTES = 2 * 2**30
SPLIT_COLUMN = "split"

Fill = Callable[[np.ndarray], None]  # writes the features of a column, float32 (features, n)


def table_dataset(
    frame: pd.DataFrame,
    settings: DataSettings,
    seed: int,
    *,
    split_seed: int | None = None,
    licence: str = "",
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The rows of a frame with `settings.target` as the label and `settings.groups` as attributes.

    Every other column but `settings.drop` and a column `split` of train/val/test is a feature, and so
    are the groups unless dropped. `split_seed` fixes the split whatever the run's seed is.
    """
    _check_columns(frame, settings)
    known = frame[settings.target].notna()
    if not known.all():
        notes += (f"{int((~known).sum())} rows without a value in '{settings.target}' left out",)
        frame = frame[known]
    labelled = frame.reset_index(drop=True)
    y, classes = encode_target(labelled[settings.target])
    given = _given_split(labelled)
    split = complete_split(y, given, settings, seed if split_seed is None else split_seed)
    keep = limited_rows(y, split, settings.limit, seed)
    if len(keep) < len(labelled):
        y, split, labelled = y[keep], split[keep], labelled.iloc[keep].reset_index(drop=True)
    check_rows(y, split, classes)

    not_features = {settings.target, *settings.drop} | ({SPLIT_COLUMN} if given is not None else set())
    x, features, sources, left_out = encode_features(labelled.drop(columns=list(not_features)), split == "train")
    attributes = pd.DataFrame({name: attribute(labelled[name]) for name in settings.groups}, index=labelled.index)
    return Dataset(
        spec=settings.spec,
        kind="table",
        x=x,
        y=y,
        classes=classes,
        attributes=attributes,
        split=split,
        unit=np.arange(len(y)),
        fingerprint=fingerprint(x, y, split, classes, attributes),
        features=features,
        sources=sources,
        target=str(settings.target),
        licence=licence,
        notes=notes + left_out,
    )


def encode_target(column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """int64 codes (n,) and class names, in the order of the values; refuses what is a quantity rather than a class."""
    values, codes = np.unique(column.to_numpy() if is_number(column) else column.astype(str), return_inverse=True)
    if len(values) > len(column) / 2 or (is_number(column) and len(values) > MAX_NUMERIC_CLASSES):
        raise BadInput(
            f"target '{column.name}' has {len(values)} different values in {len(column)} rows; this tool classifies: "
            "choose a column of few classes, or cut this one into ranges first"
        )
    whole = is_number(column) and (values == np.floor(values)).all()
    return codes.astype(np.int64), tuple(str(int(value)) if whole else str(value) for value in values)


def encode_features(
    frame: pd.DataFrame, train: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """float32 (n, features), the features' names, the column that each comes from, and notes on columns left out.

    Everything is fitted on the `train` rows (bool (n,)). Numbers are standardised; missing or infinite
    ones become the train median, with a 0/1 feature that says so. Anything else is one-hot over the
    categories seen in train, "missing" being one of them; a category that train never saw is "other"
    if there is such a feature, and all zeros otherwise.
    """
    names: list[str] = []
    sources: list[str] = []
    fills: list[tuple[int, Fill]] = []
    notes: list[str] = []
    for name, column in frame.items():
        reason = _no_feature(column, train)
        if reason:
            notes.append(f"column '{name}' is not a feature: {reason}")
            continue
        of_column, fill = _numeric(column, train) if is_number(column) else _one_hot(column, train)
        names += of_column
        sources += [str(name)] * len(of_column)
        fills.append((len(of_column), fill))
        if len(names) > MAX_FEATURES:
            raise BadInput(f"the table makes more than {MAX_FEATURES:,} features; name columns to drop in data.drop")
    if not names:
        raise BadInput("the table has no column left to learn from: " + ("; ".join(notes) or "all are dropped"))
    needed = len(frame) * len(names) * np.dtype(np.float32).itemsize
    if needed > MAX_FEATURE_BYTES:
        raise BadInput(
            f"{len(frame):,} rows of {len(names):,} features need {needed / 2**30:.1f} GiB, more than "
            f"{MAX_FEATURE_BYTES / 2**30:.0f}; set data.limit, or name columns to drop in data.drop"
        )
    encoded = np.empty((len(names), len(frame)), np.float32)
    first = 0
    for width, fill in fills:
        fill(encoded[first : first + width])
        first += width
    return encoded.T, tuple(names), tuple(sources), tuple(notes)


def attribute(column: pd.Series) -> pd.Series:
    """A group column as it is kept beside the rows: numbers as they are, anything else as text with "missing"."""
    if is_number(column) or (isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.ordered):
        return column
    return _texts(column)


def _numeric(column: pd.Series, train: np.ndarray) -> tuple[list[str], Fill]:
    missing = ~np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
    names = [str(column.name)] + ([f"{column.name} is missing"] if missing[train].any() else [])

    def fill(out: np.ndarray) -> None:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(missing, np.median(values[train & ~missing]), values)
        # fsum is exact, so the same table gives the same features, and fingerprint, on every machine.
        mean = math.fsum(values[train]) / train.sum()
        std = math.sqrt(math.fsum((values[train] - mean) ** 2) / train.sum())
        out[0] = (values - mean) / std
        out[1:] = missing

    return names, fill


def _one_hot(column: pd.Series, train: np.ndarray) -> tuple[list[str], Fill]:
    texts = _texts(column)
    counts = texts[train].value_counts()
    categories = sorted(counts.index)
    if len(categories) > MAX_CATEGORIES:
        ranked = sorted(categories, key=lambda category: (-counts[category], category))
        categories = sorted(ranked[:MAX_CATEGORIES])
        categories += [OTHER] if OTHER not in categories else []
        texts = texts.where(texts.isin(categories), OTHER)
    codes = pd.Categorical(texts, categories=categories).codes  # one byte a row; -1: train never saw it

    def fill(out: np.ndarray) -> None:
        for code, feature in enumerate(out):
            feature[:] = codes == code

    return [f"{column.name}={category}" for category in categories], fill


def _no_feature(column: pd.Series, train: np.ndarray) -> str | None:
    """Why a column cannot be a feature; None if it can."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return "dates are not used"
    if is_number(column):
        finite = column[train].to_numpy(dtype=np.float64, na_value=np.nan)
        finite = finite[np.isfinite(finite)]
        if len(finite) == 0 or finite.min() == finite.max():
            return "its train rows have one value"
        if len(column) > 2 and np.array_equal(column, np.arange(len(column)) + column.iloc[0]):
            return "it numbers the rows"
        return None
    distinct = _texts(column)[train].nunique()
    if distinct == 1:
        return "its train rows have one value"
    return "almost every row has a value of its own" if distinct > max(train.sum() / 2, 20) else None


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers; a yes or no is none."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _texts(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def _given_split(frame: pd.DataFrame) -> np.ndarray | None:
    """The column `split`, if it holds nothing but train, val (or valid, validation) and test."""
    if SPLIT_COLUMN not in frame:
        return None
    splits = frame[SPLIT_COLUMN].astype(str).str.strip().str.lower().replace({"valid": "val", "validation": "val"})
    return splits.to_numpy(dtype="<U5") if "train" in set(splits) and set(splits) <= set(SPLITS) else None


def _check_columns(frame: pd.DataFrame, settings: DataSettings) -> None:
    if settings.target is None:
        raise BadInput(f"which column is to be predicted? set data.target to one of: {_listed(frame.columns)}")
    if settings.target in settings.groups:
        raise BadInput(f"'{settings.target}' is the target and cannot be a group column as well")
    for role, names in (("target", [settings.target]), ("group", settings.groups), ("dropped", settings.drop)):
        for name in names:
            if name not in frame:
                raise BadInput(f"there is no {role} column '{name}'; the table has: {_listed(frame.columns)}")


def _listed(columns: Sequence[str], most: int = 30) -> str:
    names = [str(name) for name in columns]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
