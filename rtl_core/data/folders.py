"""Folders of pictures, one subfolder per class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import (
    KINDS,
    Entry,
    NameTable,
    Place,
    is_picture,
    left_out_notes,
    name_table,
    places,
)
from rtl_core.data.dataset import Dataset
from rtl_core.data.picture_files import DamagedPicture, check_colours, read_picture, used_bits
from rtl_core.data.pictures import Pictures, check_memory, cover, picture_dataset
from rtl_core.data.repeated_pictures import repeated_notes
from rtl_core.data.splits import complete_split, limited_rows
from rtl_core.errors import BadInput

MAX_FILES = 200_000
DEFAULT_SIDE = 32


def load_folder(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """Pictures of any size and colour in class folders, with splits above them or without (class_folders.py).

    They are turned as their EXIF data says, laid on white where transparent, scaled and cut to
    `image_size` (32 by default). They have one channel if every one of them is grey, three otherwise.
    """
    if not path.is_dir():
        raise BadInput(f"folder: wants a folder with one subfolder of pictures per class; {path} is not a folder")
    table = name_table(path)
    placed = places(entries(path), table)
    pictures = placed.pictures
    if not pictures:
        raise BadInput(f"{path} holds no {KINDS} pictures in class folders, such as {path / 'cats' / '1.jpg'}")
    classes, y = np.unique([picture.label for picture in pictures], return_inverse=True)
    split = complete_split(y, np.array([picture.split for picture in pictures]), settings, seed)
    keep = limited_rows(y, split, settings.limit, seed)
    y, split, pictures = y[keep], split[keep], [pictures[row] for row in keep]
    files = [PictureFile(_called(one, path, table), partial(path.joinpath, *one.path)) for one in pictures]
    side = settings.image_size or DEFAULT_SIDE
    x, how_read = pixels(files, split, (side, side))
    names = [_called(one, Path(), table) for one in pictures]
    notes = (*placed.notes, *left_out_notes(placed.left_out), *how_read, *repeated_notes(x, y, split, names))
    return picture_dataset(settings.spec, Pictures(x, y, tuple(map(str, classes)), split, notes=notes))


def _called(picture: Place, root: Path, table: NameTable | None) -> str:
    """A picture as its owner knows it: in the archive that it came in, or else on disk."""
    stored = "/".join(picture.path)
    return table.pictures.get(stored, str(root / stored)) if table else str(root / stored)


@dataclass(frozen=True)
class PictureFile:
    """A picture that is yet to be read: its name in sentences, and where it is read from, a path or bytes."""

    called: str
    opened: Callable[[], Path | BinaryIO]


def pixels(
    files: Sequence[PictureFile],
    split: np.ndarray,
    shape: tuple[int, int],
    shaped: Callable[[Image.Image, tuple[int, int]], Image.Image] = cover,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """uint8 (n, 1 or 3, height, width), and notes on how files were read. BadInput names the damaged ones.

    split (n,): 16-bit pictures are scaled by what those of train hold; `shaped`: how they are brought to the shape
    """
    check_memory(len(files), 3, *shape)
    x = np.empty((len(files), 3, *shape), np.uint8)
    deep: dict[int, int] = {}  # row -> its largest value, of pictures with more than 8 bits
    damaged, several = [], 0
    for row, file in enumerate(files):
        try:
            picture = read_picture(file.opened(), shape, file.called, shaped=shaped)
        except DamagedPicture:
            damaged.append(file.called)
            continue
        x[row] = picture.pixels
        several += picture.several
        if picture.brightest is not None:
            deep[row] = picture.brightest
    _check_whole(damaged)
    notes = [f"files of several pictures, of which the first is taken: {several:,}"] if several else []
    bits = used_bits([brightest for row, brightest in deep.items() if split[row] == "train"])
    if bits != 16:
        check_colours((files[row].opened(), files[row].called) for row in deep)
        for row in deep:
            x[row] = read_picture(files[row].opened(), shape, files[row].called, bits, shaped).pixels
        notes.append(f"16-bit pictures of which training uses {bits} bits, scaled to 8: {len(deep):,}")
    if all((picture == picture[0]).all() for picture in x):
        x = np.ascontiguousarray(x[:, :1])
    return x, tuple(notes)


def _check_whole(damaged: list[str]) -> None:
    if damaged:
        listed = ", ".join(damaged[:10]) + (f" and {len(damaged) - 10:,} more" if len(damaged) > 10 else "")
        what = "1 picture" if len(damaged) == 1 else f"{len(damaged):,} pictures"
        raise BadInput(f"{what} cannot be read as {KINDS}: {listed}; repair or take out")


def entries(root: Path) -> Iterator[Entry]:
    """Everything below the root. Links are followed as far as class folders, if they stay below the root."""
    inside, folders, pictures = root.resolve(), [()], 0
    while folders:
        above = folders.pop()
        with os.scandir(root.joinpath(*above)) as listed:
            for entry in listed:
                path = (*above, entry.name)
                if entry.is_symlink() and not _leads_into(Path(entry.path), inside):
                    content = ("",) if entry.is_dir() else ()
                    yield Entry((*path, *content), "links that lead out of the folder")
                elif entry.is_dir(follow_symlinks=len(path) <= 2):
                    folders.append(path)
                elif entry.is_file():
                    pictures += is_picture(path)
                    if pictures > MAX_FILES:
                        raise BadInput(f"{root} holds more than {MAX_FILES:,} pictures; use a part of them")
                    yield Entry(path)
                else:
                    odd = "links that lead nowhere" if entry.is_symlink() else "neither files nor folders"
                    yield Entry(path, odd)


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a loop of links
        return False
