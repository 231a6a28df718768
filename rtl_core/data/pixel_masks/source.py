"""Pictures with a mask each as a Dataset: what every pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.dataset import IGNORED, Dataset
from rtl_core.data.file_tree import FileTree, file_tree
from rtl_core.data.fingerprint import fingerprint
from rtl_core.data.folders import PictureFile, entries, pixels
from rtl_core.data.pictures import LARGEST_SIDE, SMALLEST_SIDE, channel_statistics, check_memory
from rtl_core.data.pixel_masks.blocks import block_of_each, split_by_blocks
from rtl_core.data.pixel_masks.images_table import TABLE, images_table
from rtl_core.data.pixel_masks.label_table import LabelTable
from rtl_core.data.pixel_masks.layouts import Layout, Pair, has_masks, layout_of
from rtl_core.data.pixel_masks.mask_files import read_mask, upright_size
from rtl_core.data.repeated_pictures import repeated_notes
from rtl_core.data.splits import SPLITS, complete_split, limited_rows, split_of_word
from rtl_core.errors import BadInput

SIDE = 128  # pixels, of pictures of different sizes
MOST_VALUES = 64  # in masks that nothing explains: a photograph has more
FOREGROUND = 255  # beside 0 alone, in masks that nothing explains
_SPLIT, _UNIT, _SEQUENCE = "split", "unit", "sequence"  # columns of images.csv with a meaning


@dataclass(frozen=True)
class _Rows:
    """What is known of pictures before they are read, a row each."""

    pairs: tuple[Pair, ...]
    attributes: pd.DataFrame
    split: np.ndarray
    unit: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> _Rows:
        attributes = self.attributes.iloc[rows].reset_index(drop=True)
        return _Rows(tuple(self.pairs[row] for row in rows), attributes, self.split[rows], self.unit[rows])


def is_mask_folder(path: Path) -> bool:
    """Whether a folder holds pictures with masks, rather than class folders."""
    return path.is_dir() and has_masks(entry.path for entry in entries(path) if entry.problem is None)


def load_masks(path: Path, settings: DataSettings, seed: int, licence: str = "") -> Dataset:
    """A folder or zip of pictures and masks in one of the layouts of docs/segmentation.md.

    Pictures of one size keep their shape, up to 256 pixels on the longer side; others, and all where `image_size` is
    set, are scaled and cut to the square in their centre. Masks go the same way, each pixel by the nearest one.
    """
    with file_tree(path) as tree:
        layout = layout_of(tree)
        rows, notes = _rows(tree, layout.pairs, settings, seed)
        shape = _shape(_sizes(tree, rows.pairs), settings.image_size)
        check_memory(len(rows.pairs), 4, *shape)
        y, classes, how_labelled = _labels(tree, layout, rows.pairs, shape)
        labelled = np.flatnonzero((y != IGNORED).any(axis=(1, 2)))
        if not len(labelled):
            raise BadInput(f"{path}: no pixel of any mask has a class, all are ignored; give masks that label some")
        if len(labelled) < len(y):
            notes += (f"{len(y) - len(labelled):,} skipped: pictures whose masks label no pixel",)
        rows, y = rows[labelled], y[labelled]
        files = [PictureFile(tree.called(pair.image), partial(tree.opened, pair.image)) for pair in rows.pairs]
        x, how_read = pixels(files, rows.split, shape)
    _check(path, rows.split, y, classes)
    mean, std = channel_statistics(x[rows.split == "train"])
    names = [file.called for file in files]
    notes = (
        *layout.notes,
        *notes,
        *how_labelled,
        *how_read,
        *_repeated(x, rows, names),
        *_absent(y, rows.split, classes),
    )
    return Dataset(
        spec=settings.spec,
        kind="image",
        x=x,
        y=y,
        classes=classes,
        attributes=rows.attributes,
        split=rows.split,
        unit=rows.unit,
        fingerprint=fingerprint(x, y, rows.split, classes, rows.attributes),
        mean=mean,
        std=std,
        target="pixel",
        licence=licence,
        notes=notes,
    )


def _rows(tree: FileTree, pairs: Sequence[Pair], settings: DataSettings, seed: int) -> tuple[_Rows, tuple[str, ...]]:
    """The pictures with attributes, splits and units; those that a split by blocks or the limit drops are gone."""
    table, notes = images_table(tree, [pair.image for pair in pairs])
    own = pd.DataFrame([dict(pair.attributes) for pair in pairs], index=table.index)
    attributes = pd.concat([own.drop(columns=table.columns, errors="ignore"), table], axis=1)
    split, attributes = _given_split(tree, pairs, attributes)
    unit = np.arange(len(pairs))
    if _UNIT in attributes:
        unit = pd.factorize(attributes.pop(_UNIT))[0]
    sequence = attributes[_SEQUENCE].astype(str).to_numpy() if _SEQUENCE in attributes else None
    if settings.split == "blocks":
        if sequence is None:
            raise BadInput(
                f"data.split blocks: nothing says what film each picture is of; give {TABLE} a column `{_SEQUENCE}`, "
                "or take data.split=given"
            )
        in_order = np.argsort([pair.image[-1] for pair in pairs], kind="stable")
        split = np.empty(len(pairs), "<U5")
        split[in_order], unit[in_order] = split_by_blocks(sequence[in_order], settings, seed)
        notes += (f"{int((split == '').sum()):,} skipped: frames where blocks of two splits meet",)
    else:
        if sequence is not None and len(np.unique(unit)) == len(unit):
            unit = block_of_each(sequence)
        split = _completed(split, unit, attributes, settings, seed)
    rows = _Rows(tuple(pairs), attributes, split, unit)
    rows = rows[np.flatnonzero(split != "")]
    return rows[limited_rows(_strata(rows.attributes), rows.split, settings.limit, seed)], notes


def _given_split(
    tree: FileTree, pairs: Sequence[Pair], attributes: pd.DataFrame
) -> tuple[np.ndarray | None, pd.DataFrame]:
    """(split (n,) that folders or the table say, None where none does; the attributes without it)."""
    by_folder = [pair.split for pair in pairs]
    if _SPLIT not in attributes:
        if not any(by_folder):
            return None, attributes
        if None in by_folder:
            picture = pairs[by_folder.index(None)].image
            raise BadInput(f"'{tree.called(picture)}' stands in no folder of a split, and others do; move it into one")
        return np.array(by_folder), attributes
    if any(by_folder):
        raise BadInput(f"folders say splits, and so does the column `{_SPLIT}` of {TABLE}; keep one of them")
    words = attributes[_SPLIT].astype(str)
    split = words.map(split_of_word)
    if split.isna().any():
        raise BadInput(f"{TABLE} says the split '{words[split.isna()].iloc[0]}'; it is train, val or test")
    return split.to_numpy(), attributes.drop(columns=_SPLIT)


def _strata(attributes: pd.DataFrame) -> np.ndarray:
    """int64 (n,): the value of the first attribute that has a few; one for all where none has."""
    few = [column for column in attributes if 1 < attributes[column].nunique() <= 50]
    return pd.factorize(attributes[few[0]])[0] if few else np.zeros(len(attributes), np.int64)


def _completed(
    given: np.ndarray | None, unit: np.ndarray, attributes: pd.DataFrame, settings: DataSettings, seed: int
) -> np.ndarray:
    """Splits that are not given, cut from the train rows: whole units, in proportion to the first attribute.

    With two units or fewer in train nothing can be cut, and what is absent is said later.
    """
    _, first, of_row = np.unique(unit, return_index=True, return_inverse=True)
    if given is not None:
        for value in np.unique(unit):
            if len(set(given[unit == value])) > 1:
                return complete_split(_strata(attributes), given, settings, seed)
        given = given[first]
        if (given == "train").sum() < 3:
            return given[of_row]
    elif len(first) < 3:
        return np.full(len(unit), "train")
    return complete_split(_strata(attributes)[first], given, settings, seed)[of_row]


def _sizes(tree: FileTree, pairs: Sequence[Pair]) -> set[tuple[int, int]]:
    """The sizes of the pictures, from headers alone. BadInput where a mask has another one than its picture."""
    sizes = set()
    for pair in pairs:
        size, of_mask = (upright_size(tree.opened(path), tree.called(path)) for path in (pair.image, pair.mask))
        if size != of_mask:
            (height, width), (mask_height, mask_width) = size, of_mask
            raise BadInput(
                f"'{tree.called(pair.image)}' is {width} x {height} pixels and its mask '{tree.called(pair.mask)}' "
                f"{mask_width} x {mask_height}; a mask says what each pixel is, so both have one size"
            )
        sizes.add(size)
    return sizes


def _shape(sizes: set[tuple[int, int]], side: int | None) -> tuple[int, int]:
    """(height, width) that all pictures are brought to."""
    if side is not None:
        return side, side
    if len(sizes) > 1:
        return SIDE, SIDE
    ((height, width),) = sizes
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    shape = round(height * scale), round(width * scale)
    if min(shape) < SMALLEST_SIDE:
        raise BadInput(
            f"the pictures are {width} x {height} pixels, too narrow to be learned from; set data.image_size to cut "
            "them to squares"
        )
    return shape


def _labels(
    tree: FileTree, layout: Layout, pairs: Sequence[Pair], shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """(uint8 (n, *shape), names of the classes, notes)."""
    if layout.table is None and not layout.per_mask:
        return _unexplained(tree, pairs, shape)
    y = np.empty((len(pairs), *shape), np.uint8)
    for row, pair in enumerate(pairs):
        table = layout.per_mask.get(pair.mask, layout.table)
        called = tree.called(pair.mask)
        values = read_mask(tree.opened(pair.mask), shape, called, table.in_colours)
        y[row] = _by_table(values, table, called)
    return y, table.classes, ()


def _by_table(values: np.ndarray, table: LabelTable, called: str) -> np.ndarray:
    """uint8 (h, w): the class of each pixel. BadInput for a value that the table does not have."""
    if table.in_colours:
        packed = values.astype(np.int64) @ np.array([1, 256, 65536])
        known = {r + 256 * g + 65536 * b: index for (r, g, b), index in table.of.items()}
    else:
        packed, known = values.astype(np.int64), dict(table.of)
    present, at = np.unique(packed, return_inverse=True)
    strange = [value for value in present.tolist() if value not in known]
    if strange:
        value = (strange[0] % 256, strange[0] // 256 % 256, strange[0] // 65536) if table.in_colours else strange[0]
        what = "colour" if table.in_colours else "value"
        raise BadInput(
            f"{called} has pixels of the {what} {value}, which is no class by {table.source}"
            + (f"; {len(strange):,} {what}s are not" if len(strange) > 1 else "")
            + ": add it there, or call it ignore"
        )
    return np.array([known[value] for value in present.tolist()], np.uint8)[at].reshape(packed.shape)


def _unexplained(
    tree: FileTree, pairs: Sequence[Pair], shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Masks of indices that nothing explains: every value that occurs is a class but 255, which does not count, unless
    0 and 255 are all there are."""
    values = np.stack([read_mask(tree.opened(pair.mask), shape, tree.called(pair.mask), False) for pair in pairs])
    present = np.unique(values).tolist()
    if present == [0, FOREGROUND]:
        note = "masks hold 0 and 255 alone: read as background and foreground"
        return (values == FOREGROUND).astype(np.uint8), ("background", "foreground"), (note,)
    known = [value for value in present if value != IGNORED]
    if len(known) > MOST_VALUES:
        row = int(np.argmax([len(np.unique(mask)) for mask in values]))
        raise BadInput(
            f"the masks hold {len(known)} values, '{tree.called(pairs[row].mask)}' {len(np.unique(values[row]))} of "
            "them, as photographs do; save the index of each pixel's class, or put a classes.csv beside the folders"
        )
    index = np.full(256, IGNORED, np.uint8)
    index[known] = np.arange(len(known))
    return index[values], tuple(f"label {value}" for value in known), ()


def _check(path: Path, split: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> None:
    """Refuses data that nothing can be learned or measured on."""
    if len(classes) < 2:
        raise BadInput(f"{path}: the masks know {len(classes)} class ({', '.join(classes)}); at least 2 are needed")
    for name in SPLITS:
        if not (split == name).any():
            raise BadInput(f"{path} has no {name} pictures with masks; give it more pictures, or another split")
    if len(np.setdiff1d(np.unique(y[split == "train"]), [IGNORED])) < 2:
        raise BadInput(f"{path}: the train masks show one class only; at least 2 are needed to tell them apart")


def _absent(y: np.ndarray, split: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence for each split in which no pixel is of some class."""
    notes = []
    for name in SPLITS:
        counts = np.bincount(y[split == name].ravel(), minlength=IGNORED + 1)[: len(classes)]
        absent = [f"'{classes[c]}'" for c in np.flatnonzero(counts == 0)]
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            notes.append(f"{name} has no pixel of class {', '.join(absent[:5])}{more}: its figures are without it")
    return tuple(notes)


def _repeated(x: np.ndarray, rows: _Rows, names: Sequence[str]) -> tuple[str, ...]:
    """Sentences on equal pictures in two splits, and on units that are in two."""
    notes = repeated_notes(x, np.zeros(len(x), np.int64), rows.split, names)
    pairs = pd.DataFrame({"unit": rows.unit, "split": rows.split}).groupby("unit")["split"].nunique()
    torn = int((pairs > 1).sum())
    return (*notes, f"units whose pictures stand in several splits: {torn:,}") if torn else notes
