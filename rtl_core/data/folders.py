"""Folders of pictures, one subfolder per class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import Names, is_picture, name_table, places
from rtl_core.data.dataset import Dataset
from rtl_core.data.picture_files import read_picture
from rtl_core.data.pictures import check_memory, picture_dataset
from rtl_core.data.splits import complete_split, limited_rows
from rtl_core.errors import BadInput

MAX_FILES = 200_000
DEFAULT_SIDE = 32


def load_folder(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """JPEG and PNG pictures of any size and colour in class folders, or in train/, val/, test/ with class folders.

    Pictures are turned as their EXIF data says, laid on white where transparent, scaled and cut to
    `image_size` (32 by default). They have one channel if every one of them is grey, three otherwise.
    """
    if not path.is_dir():
        raise BadInput(f"folder: wants a folder with one subfolder of pictures per class; {path} is not a folder")
    not_read: Counter = Counter()
    pictures, left_out = places(_files(path, not_read), name_table(path))
    if not pictures:
        raise BadInput(f"{path} holds no JPEG or PNG pictures in class folders, such as {path / 'cats' / '1.jpg'}")
    classes, y = np.unique([picture.label for picture in pictures], return_inverse=True)
    split = complete_split(y, np.array([picture.split for picture in pictures]), settings, seed)
    keep = limited_rows(y, split, settings.limit, seed)
    side = settings.image_size or DEFAULT_SIDE
    check_memory(len(keep), 3, side)
    x = np.empty((len(keep), 3, side, side), np.uint8)
    for place, row in zip(x, keep, strict=True):
        place[:] = read_picture(path.joinpath(*pictures[row].path), side)
    if all((picture == picture[0]).all() for picture in x):
        x = np.ascontiguousarray(x[:, :1])
    notes = tuple(f"{count} skipped: {reason}" for reason, count in sorted((left_out + not_read).items()))
    return picture_dataset(settings.spec, x, y[keep], tuple(map(str, classes)), split[keep], notes=notes)


def _files(root: Path, left_out: Counter) -> Iterator[Names]:
    """Every file below the root, as names from there on. Links are followed as far as class folders, if they stay
    below the root; those that lead out of it, and what is no file, are counted."""
    inside, folders, pictures = root.resolve(), [()], 0
    while folders:
        above = folders.pop()
        with os.scandir(root.joinpath(*above)) as entries:
            for entry in entries:
                path = (*above, entry.name)
                if entry.is_symlink() and not _leads_into(Path(entry.path), inside):
                    left_out["links that lead out of the folder"] += 1
                elif entry.is_dir(follow_symlinks=len(path) <= 2):
                    folders.append(path)
                elif entry.is_file():
                    pictures += is_picture(path)
                    if pictures > MAX_FILES:
                        raise BadInput(f"{root} holds more than {MAX_FILES:,} pictures; use a part of them")
                    yield path
                else:
                    left_out["neither files nor folders"] += 1


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a loop of links
        return False
