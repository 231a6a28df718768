"""Which rows are for training, for choosing settings (val) and for final figures (test)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import check_apart
from rtl_core.data.split_words import split_of
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator

SPLITS = ("train", "val", "test")
_OF_COLUMNS = {"fit": "train", "tune": "val", "tuning": "val", "holdout": "test"}  # no folder is called so


def split_of_word(word: str) -> str | None:
    """train, val or test, for what a cell says: the words of folders (`split_words.split_of`) and a few more."""
    letters = "".join(filter(str.isalpha, word.lower()))
    return split_of(word.strip()) or _OF_COLUMNS.get(letters)


def stratified_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random order of the rows in which every beginning holds the labels in proportion.

    Row r of the c rows of its label stands at place r / c, so a beginning of m rows holds m * share
    rows of a label to within one, and a beginning at least as long as the number of labels has them all.
    """
    order = generator.permutation(len(labels))
    shuffled = pd.Series(labels[order])
    by_label = shuffled.groupby(shuffled)
    place = by_label.cumcount().to_numpy() / by_label.transform("size").to_numpy()
    return order[np.argsort(place, kind="stable")]


def complete_split(y: np.ndarray, given: np.ndarray | None, settings: DataSettings, seed: int) -> np.ndarray:
    """The split of all rows, shape (n,): parts that the data brings stay, missing ones are cut from its train rows.

    Test is cut first (`test_share` of the train rows), then val (`val_share` of what is left), both
    stratified by class with at least one row of every class.
    """
    split = np.full(len(y), "train", dtype="<U5") if given is None else np.asarray(given, dtype="<U5").copy()
    for split_name, share in (("test", settings.test_share), ("val", settings.val_share)):
        if (split == split_name).any():
            continue
        rows = np.flatnonzero(split == "train")
        count = max(len(np.unique(y[rows])), round(share * len(rows)))
        order = stratified_order(y[rows], numpy_generator(seed, "data", split_name))
        split[rows[order[:count]]] = split_name
    return split


def limited_rows(y: np.ndarray, split: np.ndarray, limit: int | None, seed: int) -> np.ndarray:
    """The rows to keep, ascending: at most `limit` train rows in proportion to the classes, all of val and test."""
    train = np.flatnonzero(split == "train")
    if limit is None or len(train) <= limit:
        return np.arange(len(y))
    order = stratified_order(y[train], numpy_generator(seed, "data", "limit"))
    return np.sort(np.concatenate([train[order[:limit]], np.flatnonzero(split != "train")]))


def check_rows(y: np.ndarray, split: np.ndarray, classes: tuple[str, ...]) -> None:
    """Refuses data that nothing can be learned or measured on, naming the class or the part."""
    check_apart(classes)
    if len(classes) < 2:
        raise BadInput(f"the data has {len(classes)} class(es) ({', '.join(classes) or 'none'}); at least 2 are needed")
    in_train = np.bincount(y[split == "train"], minlength=len(classes))
    if not in_train.all():
        scarce = int(np.argmin(in_train))
        raise BadInput(
            f"class '{classes[scarce]}' has {int((y == scarce).sum())} row(s) and none of them is left to train on; "
            "give it at least 3 (one each for train, val and test) or take it out"
        )
    for split_name in SPLITS:
        if not (split == split_name).any():
            raise BadInput(f"the data has no {split_name} rows; give it more rows or another split")


def absent_classes(y: np.ndarray, split: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence for each of val and test that has rows, but none of some class."""
    notes = []
    for name in ("val", "test"):
        counts = np.bincount(y[split == name], minlength=len(classes))
        absent = [f"'{classes[c]}'" for c in np.flatnonzero(counts == 0)] if counts.any() else []
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            notes.append(f"{name} has nothing of class {', '.join(absent[:5])}{more}: its figures are without it")
    return tuple(notes)
