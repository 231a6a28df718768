"""From a frame of mixed columns to a Dataset: labels, split, features and attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import check_apart
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import fingerprint
from rtl_core.data.plain_columns import (
    absurd_numbers,
    finite_numbers,
    is_date,
    is_number,
    is_ordered,
    numbers_the_rows,
    plain_frame,
)
from rtl_core.data.spellings import case_pairs, spelling_key, with_one_spelling
from rtl_core.data.split_column import given_split, seeming_splits, split_column
from rtl_core.data.splits import absent_classes, check_rows, complete_split, limited_rows
from rtl_core.errors import BadInput

MISSING = "missing"
OTHER = "other"
_ALPHABET = 10  # letters that are classes in capitals and small: then they are meant to be told apart
_MOSTLY = 0.9
MAX_CATEGORIES = 100  # of a column, one-hot; rarer ones share "other"
MAX_NUMERIC_CLASSES = 100
MAX_FEATURES = 10_000
MAX_FEATURE_BYTES = 2 * 2**30

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

    Every other column but `settings.drop` and a column `split` is a feature, and so are the groups unless
    dropped. `split_seed` fixes the split whatever the run's seed is. The notes of reading the file, in
    `frame.attrs["notes"]`, become the data set's.
    """
    as_read = tuple(frame.attrs.get("notes", ()))
    frame = plain_frame(frame)
    _check_columns(frame, settings)
    no_features = dict.fromkeys(
        (name for name in frame.columns if numbers_the_rows(frame[name])), "it numbers the rows"
    )
    no_features |= seeming_splits(frame)
    labelled, of_target = _labelled_rows(frame, settings.target)
    labels, of_labels = _class_labels(labelled[settings.target])
    y, classes = encode_target(labels)
    labelled, of_groups = _groups_spelled_once(labelled, settings.groups)
    given, of_split = given_split(labelled, settings)
    notes = (*notes, *of_target, *of_labels, *of_groups, *of_split, *as_read)
    split = complete_split(y, given, settings, seed if split_seed is None else split_seed)
    keep = limited_rows(y, split, settings.limit, seed)
    if len(keep) < len(labelled):
        y, split, labelled = y[keep], split[keep], labelled.iloc[keep].reset_index(drop=True)
    check_rows(y, split, classes)

    not_features = {settings.target, *settings.drop} | ({split_column(labelled)} if given is not None else set())
    offered = labelled.drop(columns=list(not_features))
    x, features, sources, left_out = encode_features(offered, split == "train", no_features)
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
        notes=notes + absent_classes(y, split, classes) + left_out,
    )


def encode_target(column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """int64 codes (n,) and class names, in the order of the values; refuses what is a quantity rather than a class."""
    codes, values = pd.factorize(column.to_numpy() if is_number(column) else column.astype(str), sort=True)
    if len(values) > len(column) / 2 or (is_number(column) and len(values) > MAX_NUMERIC_CLASSES):
        raise BadInput(
            f"target '{column.name}' has {len(values)} different values in {len(column)} rows; this tool classifies: "
            "choose a column of few classes, or cut this one into ranges first"
        )
    whole = is_number(column) and (values == np.floor(values)).all()
    return codes.astype(np.int64), tuple(str(int(value)) if whole else str(value) for value in values)


def _labelled_rows(frame: pd.DataFrame, target: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with a value in the target column, numbered anew; a sentence on the others."""
    column = frame[target]
    if is_number(column):
        known = np.isfinite(finite_numbers(column))
    else:
        known = (column.notna() & ~column.isin(_blank_texts(column))).to_numpy()
    if not known.any():
        raise BadInput(f"the target column '{target}' has no value in any row")
    gone = int((~known).sum())
    notes = (f"{gone} {'row' if gone == 1 else 'rows'} without a value in '{target}' left out",) if gone else ()
    return frame[known].reset_index(drop=True), notes


def _blank_texts(column: pd.Series) -> list[str]:
    return [text for text in column.unique() if isinstance(text, str) and not text.strip()]


def _class_labels(column: pd.Series) -> tuple[pd.Series, tuple[str, ...]]:
    """The labels with one spelling of each; BadInput where single letters, or forms of Unicode, tell two apart."""
    if is_number(column):
        return column, ()
    values = [str(value) for value in column.unique()]
    if len(values) > len(column) / 2:
        return column, ()  # no classes: said by `encode_target`
    check_apart(values)
    letters = [pair for pair in case_pairs(values) if len(spelling_key(pair[0])) == 1]
    if len(letters) >= _ALPHABET:
        return column, (f"capitals and small letters of '{column.name}' are classes of their own",)
    if letters:
        raise BadInput(
            f"target '{column.name}': the classes '{letters[0][0]}' and '{letters[0][1]}' differ in capitals only; "
            "write them alike, or give them names that differ"
        )
    return with_one_spelling(column.astype(str))


def _groups_spelled_once(frame: pd.DataFrame, groups: Sequence[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    changed, notes = {}, ()
    for name in groups:
        if not (is_number(frame[name]) or is_ordered(frame[name])):
            column, more = with_one_spelling(frame[name])
            changed |= {name: column} if more else {}
            notes += more
    return (frame.assign(**changed) if changed else frame), notes


def encode_features(
    frame: pd.DataFrame, train: np.ndarray, no_features: Mapping[str, str] | None = None
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """float32 (n, features), the features' names, the column that each comes from, and notes on columns left out.

    Everything is fitted on the `train` rows (bool (n,)). Numbers are standardised; missing or infinite
    ones become the train median, with a 0/1 feature that says so. Anything else is one-hot over the
    categories seen in train, "missing" being one of them; a category that train never saw is "other"
    if there is such a feature, and all zeros otherwise. `no_features`: column -> why it is none.
    """
    names: list[str] = []
    sources: list[str] = []
    fills: list[tuple[int, Fill]] = []
    notes: list[str] = []
    for name, column in frame.items():
        reason = (no_features or {}).get(name) or _no_feature(column, train)
        if reason:
            notes.append(f"column '{name}' is not a feature: {reason}")
            continue
        if is_number(column) and (absurd := absurd_numbers(column)):
            notes.append(f"column '{name}': {absurd:,} infinite or absurdly large values count as missing")
        of_column, fill = _numeric(column, train) if is_number(column) else _one_hot(column, train)
        names += of_column
        sources += [str(name)] * len(of_column)
        fills.append((len(of_column), fill))
        if len(names) > MAX_FEATURES:
            raise BadInput(f"the table makes more than {MAX_FEATURES:,} features; name columns to drop in data.drop")
    if not names:
        more = f" and {len(notes) - 3} more" if len(notes) > 3 else ""
        raise BadInput(f"the table has no column left to learn from: {'; '.join(notes[:3]) or 'all are dropped'}{more}")
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
    if is_number(column):
        return column.where(np.isfinite(finite_numbers(column))) if absurd_numbers(column) else column
    return column if is_ordered(column) else _texts(column)


def _numeric(column: pd.Series, train: np.ndarray) -> tuple[list[str], Fill]:
    missing = np.isnan(finite_numbers(column))
    names = [str(column.name)] + ([f"{column.name} is missing"] if missing[train].any() else [])

    def fill(out: np.ndarray) -> None:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.where(missing, np.median(values[train & ~missing]), values)
        # fsum is exact, so the same table gives the same features, and fingerprint, on every machine.
        mean = math.fsum(values[train]) / train.sum()
        off = values - mean
        std = math.sqrt(math.fsum(off[train] ** 2) / train.sum())
        if std == 0:  # differences so small that their squares are none
            off /= np.abs(off).max()
            std = math.sqrt(math.fsum(off[train] ** 2) / train.sum())
        out[0] = off / std
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
    if is_date(column):
        return "dates are not used"
    if is_number(column):
        numbers = finite_numbers(column)[train]
        numbers = numbers[~np.isnan(numbers)]
        if len(numbers) == 0:
            return "its train rows have no value"
        return "its train rows have one value" if numbers.min() == numbers.max() else None
    distinct = _texts(column)[train].nunique()
    if distinct == 1:
        return "its train rows have one value"
    if distinct <= max(train.sum() / 2, 20):
        return None
    with_units = _texts(column)[train].str.match(r"[^\w\s]*\d").mean() > _MOSTLY
    advice = "; if these are numbers, write them without units" if with_units else ""
    return f"almost every row has a value of its own{advice}"


def _texts(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def _check_columns(frame: pd.DataFrame, settings: DataSettings) -> None:
    if settings.target is None:
        raise BadInput(f"which column is to be predicted? set data.target to one of: {_listed(frame.columns)}")
    if settings.target in settings.groups:
        raise BadInput(f"'{settings.target}' is the target and cannot be a group column as well")
    for role, names in (("target", [settings.target]), ("group", settings.groups), ("dropped", settings.drop)):
        for name in names:
            if name not in frame:
                near = [other for other in frame.columns if other.strip().lower() == name.strip().lower()]
                but = f" (but '{near[0]}')" if near else ""
                raise BadInput(f"there is no {role} column '{name}'{but}; the table has: {_listed(frame.columns)}")


def _listed(columns: Sequence[str], most: int = 30) -> str:
    names = [str(name) for name in columns]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
