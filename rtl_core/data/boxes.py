"""Pictures with boxes: what readers of box files have in common, from files of any size to one Dataset.

A Dataset of boxes has `y` float32 (n, most, 5): class, x0, y0, x1, y1 in pixels of the stored picture, x to the right
and y down from the upper left corner; places without a box have class -1 and zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import check_apart, class_name
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import fingerprint
from rtl_core.data.folders import PictureFile, pixels
from rtl_core.data.pictures import Pictures, channel_statistics
from rtl_core.data.pixel_masks.mask_files import upright_size
from rtl_core.data.repeated_pictures import repeated_notes
from rtl_core.data.splits import SPLITS, complete_split, limited_rows
from rtl_core.errors import BadInput

DEFAULT_SIDE = 128  # pixels that pictures are stretched to, unless a setting says otherwise
MAX_PICTURES = 200_000
MAX_CLASSES = 1_000
MAX_BOXES = 1_000  # of a picture
MAX_PLACES = 50_000_000  # of boxes in all, empty ones with them
LEAST_IN_STRATUM = 10  # pictures
CROWDING = ("few", "some", "many")
GROUPED = ("crowding", "rarest")  # attributes by which a picture belongs to what other pictures make of it


@dataclass(frozen=True)
class Boxed:
    """A picture's file and the boxes on it, as a reader has understood them.

    boxes   float (m, 5): class (index), x0, y0, x1, y1; in pixels of the upright picture, or in shares of its sides
    split   "train", "val" or "test"; None where the data do not say
    size    (width, height) that the boxes' file says the picture has; None: boxes are in shares
    called  the picture's name in sentences
    """

    file: Path
    boxes: np.ndarray
    split: str | None
    size: tuple[int, int] | None
    called: str

    def opened(self) -> Path:
        return self.file


@dataclass
class Repairs:
    """How many boxes were not taken as they stand."""

    without_area: int = 0
    clipped: int = 0

    def notes(self) -> list[str]:
        counts = {
            "boxes without area, left out": self.without_area,
            "boxes that reach out of their picture, cut at its edge": self.clipped,
        }
        return [f"{what}: {count:,}" for what, count in counts.items() if count]


def boxed_dataset(
    pictures: Sequence[Boxed], classes: Sequence[str], settings: DataSettings, seed: int, notes: Iterable[str] = ()
) -> Dataset:
    """The pictures stretched to a square of `image_size` (128 by default), their boxes with them.

    Splits that the data do not bring are cut as for other pictures, stratified by the rarest class of each.
    BadInput names the first picture or box that cannot be.
    """
    check_classes(classes)
    if len(pictures) > MAX_PICTURES:
        raise BadInput(f"{settings.spec} has {len(pictures):,} pictures; at most {MAX_PICTURES:,} are read")
    if not any(len(one.boxes) for one in pictures):
        raise BadInput(f"{settings.spec} has pictures, but not one box; a detector learns from boxes")
    for one in pictures:
        _check_boxes(one, len(classes))
    similar = strata([one.boxes[:, 0].astype(int) for one in pictures], len(classes))
    given = np.array([one.split or "train" for one in pictures])
    split = complete_split(similar, given, settings, seed)
    keep = limited_rows(similar, split, settings.limit, seed)
    side, repairs = settings.image_size or DEFAULT_SIDE, Repairs()
    kept = [pictures[i] for i in keep]
    boxes = [_stretched_boxes(one, side, repairs) for one in kept]
    files = [PictureFile(one.called, one.opened) for one in kept]
    x, how_read = pixels(files, split[keep], (side, side), stretched)
    names = [one.called for one in kept]
    notes = (*notes, *repairs.notes(), *how_read, *repeated_notes(x, np.zeros(len(keep), int), split[keep], names))
    return dataset_of_boxes(settings.spec, Pictures(x, padded(boxes), tuple(classes), split[keep], notes=notes))


def dataset_of_boxes(spec: str, pictures: Pictures) -> Dataset:
    """Pictures that all have a split, with boxes (n, most, 5) for `y`, as a Dataset."""
    x, y, classes, split = pictures.x, pictures.y, pictures.classes, pictures.split
    for name in SPLITS:
        if not (split == name).any():
            raise BadInput(f"the data has no {name} rows; give it more rows or another split")
    if not (y[split == "train", :, 0] >= 0).any():
        raise BadInput(f"{spec} has no box in its training pictures; a detector learns from boxes")
    attributes = attributes_of(y, classes, group_rules(y, len(classes), split == "train"))
    mean, std = channel_statistics(x[split == "train"])
    return Dataset(
        spec=spec,
        kind="image",
        x=x,
        y=y,
        classes=classes,
        attributes=attributes,
        split=split,
        unit=np.arange(len(x)),
        fingerprint=fingerprint(x, y, split, classes, attributes),
        mean=mean,
        std=std,
        licence=pictures.licence,
        notes=(*pictures.notes, *_classes_without_boxes(y, classes, split)),
    )


@dataclass(frozen=True)
class GroupRules:
    """What pictures are grouped by, fixed by some data so that others can be grouped the same way.

    crowding  the least boxes of a picture with some and with many
    of_class  boxes that each class has in all
    """

    crowding: tuple[int, int]
    of_class: tuple[int, ...]


def has_boxes(dataset: Dataset) -> bool:
    return dataset.y.ndim == 3 and dataset.y.shape[2] == 5 and dataset.pixel_labels is None


def group_rules(y: np.ndarray, classes: int, train: np.ndarray) -> GroupRules:
    """Crowding by thirds of the training pictures; boxes of each class in all pictures. train bool (n,)"""
    some, many = np.quantile((y[train, :, 0] >= 0).sum(axis=1), [1 / 3, 2 / 3], method="higher")
    return GroupRules((int(some), int(many)), tuple(_boxes_of_classes(_classes_of(y), classes).tolist()))


def rules_of(dataset: Dataset) -> GroupRules:
    """The rules by which a Dataset of boxes is grouped."""
    return group_rules(dataset.y, len(dataset.classes), dataset.split == "train")


def attributes_of(y: np.ndarray, classes: Sequence[str], rules: GroupRules) -> pd.DataFrame:
    """What the true boxes say of each picture: `crowding` (few, some or many boxes), `boxes` (how many), `rarest` (the
    rarest class in it)."""
    count = (y[:, :, 0] >= 0).sum(axis=1)
    crowding = np.array(CROWDING)[(count[:, None] >= np.array(rules.crowding)).sum(axis=1)]
    rarest = rarest_classes(_classes_of(y), np.array(rules.of_class))
    return pd.DataFrame({"crowding": crowding, "boxes": count, "rarest": np.array([*classes, "none"])[rarest]})


def _classes_of(y: np.ndarray) -> list[np.ndarray]:
    return [row[row >= 0].astype(int) for row in y[:, :, 0]]


def _boxes_of_classes(of_pictures: Sequence[np.ndarray], classes: int) -> np.ndarray:
    return np.bincount(np.concatenate([*of_pictures, np.zeros(0, int)]).astype(int), minlength=classes)


def rarest_classes(of_pictures: Sequence[np.ndarray], of_class: np.ndarray) -> np.ndarray:
    """int64 (n,): of the classes in each picture the one with the fewest boxes in all (`of_class`); as many as there
    are classes where it has none."""
    return np.array([own[np.argmin(of_class[own])] if len(own) else len(of_class) for own in of_pictures], np.int64)


def strata(of_pictures: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """int64 (n,): what splits and limits are in proportion to: the rarest class of a picture, one stratum for all that
    are so in fewer than `LEAST_IN_STRATUM` pictures. Otherwise a split would get a picture of each of many classes."""
    rarest = rarest_classes(of_pictures, _boxes_of_classes(of_pictures, classes))
    few = np.bincount(rarest, minlength=classes + 1) < LEAST_IN_STRATUM
    return np.where(few[rarest], -1, rarest)


def padded(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Boxes (m, 5) of each picture as float32 (n, most, 5); class -1 where a picture has fewer."""
    most = max(1, max(map(len, boxes), default=0))
    if len(boxes) * most > MAX_PLACES:
        raise BadInput(
            f"{len(boxes):,} pictures with up to {most:,} boxes each are more than fit into memory; set data.limit"
        )
    y = np.zeros((len(boxes), most, 5), np.float32)
    y[:, :, 0] = -1
    for row, own in enumerate(boxes):
        y[row, : len(own)] = own
    return y


def with_as_many_places(first: Dataset, second: Dataset) -> tuple[Dataset, Dataset]:
    """The two data sets, if both are of boxes with as many places for them as the fuller one has."""
    if not (has_boxes(first) and has_boxes(second)):
        return first, second
    most = max(first.y.shape[1], second.y.shape[1])
    empty = np.array([-1, 0, 0, 0, 0], np.float32)

    def filled(y: np.ndarray) -> np.ndarray:
        return np.concatenate([y, np.tile(empty, (len(y), most - y.shape[1], 1))], axis=1)

    return replace(first, y=filled(first.y)), replace(second, y=filled(second.y))


def check_classes(classes: Sequence[str]) -> None:
    """BadInput where there are none, too many, or two with the same name."""
    if not 1 <= len(classes) <= MAX_CLASSES:
        raise BadInput(f"the boxes have {len(classes):,} classes; 1 to {MAX_CLASSES:,} work")
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if list(classes).count(name) > 1)
        raise BadInput(f"two classes are called '{twice}'; rename one, or give their boxes one class")
    check_apart([class_name(name) for name in classes])


def files_ending(folder: Path, ending: str) -> list[Path]:
    """The files of a folder whose names end so, in small letters or large ones; none where there is no folder."""
    return sorted(file for file in folder.glob("*") if file.suffix.lower() == ending)


def inside(folder: Path, name: str) -> Path:
    """The file of that name below a folder; BadInput where the name leads out of it."""
    file = folder / name
    if "\0" in name:
        raise BadInput(f"the name {name!a:.200} of a picture has a character that no file's name can have; correct it")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"'{name}' leads out of {folder}; pictures stand in the folder of the data")
    return file


def _check_boxes(one: Boxed, classes: int) -> None:
    """BadInput for boxes that cannot be; those that only reach out of the picture, or have no area, are repaired."""
    if len(one.boxes) > MAX_BOXES:
        raise BadInput(f"{one.called} has {len(one.boxes):,} boxes; at most {MAX_BOXES:,} a picture are read")
    if not np.isfinite(one.boxes).all():
        raise BadInput(f"a box of {one.called} is not a number; give four finite numbers a box")
    if len(one.boxes) and not ((one.boxes[:, 0] >= 0) & (one.boxes[:, 0] < classes)).all():
        raise BadInput(f"a box of {one.called} has a class that is not among the {classes:,} named ones; name it")
    size = one.boxes[:, 3:] - one.boxes[:, 1:3]
    if (size < 0).any():
        _, x0, y0, x1, y1 = one.boxes[(size < 0).any(axis=1)][0]
        raise BadInput(
            f"a box of {one.called} has a negative size (from {x0:g}, {y0:g} to {x1:g}, {y1:g}); its first corner "
            "should be the upper left one"
        )


def _stretched_boxes(one: Boxed, side: int, repairs: Repairs) -> np.ndarray:
    """A picture's boxes in pixels of the square that it becomes."""
    if not one.file.is_file():
        raise BadInput(f"there is no picture {one.called}, for which there are boxes; add it or take its boxes out")
    height, width = upright_size(one.file, one.called)
    if one.size is not None and one.size != (width, height):
        raise BadInput(
            f"{one.called} is {width} x {height} pixels, but its boxes are for {one.size[0]} x "
            f"{one.size[1]}; give the picture that was labelled, upright"
        )
    scale = np.array([side, side]) / (one.size or (1, 1))
    return _repaired(one, np.hstack([one.boxes[:, :1], one.boxes[:, 1:] * np.tile(scale, 2)]), side, repairs)


def _repaired(one: Boxed, boxes: np.ndarray, side: int, repairs: Repairs) -> np.ndarray:
    cut = np.hstack([boxes[:, :1], np.clip(boxes[:, 1:], 0, side)])
    had_area = (boxes[:, 3:] > boxes[:, 1:3]).all(axis=1)
    has_area = (cut[:, 3:] > cut[:, 1:3]).all(axis=1)
    if (had_area & ~has_area).any():
        raise BadInput(f"a box of {one.called} lies outside the picture; correct it or take it out")
    repairs.without_area += int((~had_area).sum())
    repairs.clipped += int((has_area & (np.abs(cut - boxes) > 1e-3 * side).any(axis=1)).sum())
    return cut[has_area]


def stretched(picture: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """The whole picture at (height, width), whatever its shape was: boxes keep their share of the picture."""
    return picture.resize(shape[::-1], Image.Resampling.BILINEAR)


def stretched_pixels(pixels: np.ndarray, side: int) -> np.ndarray:
    """The same of uint8 (3, h, w): (3, side, side)."""
    return np.asarray(stretched(Image.fromarray(pixels.transpose(1, 2, 0)), (side, side))).transpose(2, 0, 1)


def _classes_without_boxes(y: np.ndarray, classes: Sequence[str], split: np.ndarray) -> list[str]:
    notes = []
    for name in SPLITS:
        there = set(np.unique(y[split == name, :, 0]).astype(int))
        absent = [f"'{each}'" for c, each in enumerate(classes) if c not in there]
        if absent:
            more = f" and {len(absent) - 5:,} more" if len(absent) > 5 else ""
            what = "nothing is learned of it" if name == "train" else "its figures are without it"
            notes.append(f"{name} has no box of class {', '.join(absent[:5])}{more}: {what}")
    return notes
