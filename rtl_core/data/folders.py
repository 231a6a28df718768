"""Folders of pictures, one subfolder per class."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import check_memory, cover_square, picture_dataset
from rtl_core.data.splits import complete_split, limited_rows
from rtl_core.errors import BadInput

MAX_FILES = 200_000
DEFAULT_SIDE = 32
SUFFIXES = {".jpg", ".jpeg", ".png"}
_PART_NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class _Listing:
    """The pictures that were found, in a fixed order, with their class names and parts."""

    files: tuple[Path, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]
    skipped: Counter  # reason -> number of files


def load_folder(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """JPEG and PNG pictures of any size and colour in class folders, or in train/, val/, test/ with class folders.

    Pictures are turned as their EXIF data says, laid on white where transparent, scaled and cut to
    `image_size` (32 by default). They have one channel if every one of them is grey, three otherwise.
    """
    if not path.is_dir():
        raise BadInput(f"folder: wants a folder with one subfolder of pictures per class; {path} is not a folder")
    listing = _listed(path)
    classes, y = np.unique(listing.labels, return_inverse=True)
    split = complete_split(y, np.array(listing.parts), settings, seed)
    keep = limited_rows(y, split, settings.limit, seed)
    side = settings.image_size or DEFAULT_SIDE
    check_memory(len(keep), 3, side)
    x = np.stack([read_picture(listing.files[row], side) for row in keep])
    if (x == x[:, :1]).all():
        x = np.ascontiguousarray(x[:, :1])
    notes = tuple(f"{count} skipped: {reason}" for reason, count in sorted(listing.skipped.items()))
    return picture_dataset(settings.spec, x, y[keep], tuple(map(str, classes)), split[keep], notes=notes)


def read_picture(path: Path, side: int) -> np.ndarray:
    """One picture as uint8 (3, side, side)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG")) as picture:
                # JPEG can be decoded at a half, quarter or eighth of its size: much faster for large photographs.
                picture.draft(None, (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(picture)
                small = cover_square(_rgb_on_white(upright), side)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadInput(f"{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error):
        raise BadInput(f"{path} cannot be read as a JPEG or PNG picture; repair it or take it out") from None
    return np.asarray(small).transpose(2, 0, 1)


def _rgb_on_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits per pixel: keep the upper 8, which `convert` would clip
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _listed(root: Path) -> _Listing:
    files: list[Path] = []
    labels: list[str] = []
    parts: list[str] = []
    skipped: Counter = Counter()
    for part, folder in _part_folders(root):
        for class_folder in _subfolders(folder):
            for file in _pictures(class_folder, root.resolve(), skipped):
                files.append(file)
                labels.append(class_folder.name)
                parts.append(part)
                if len(files) > MAX_FILES:
                    raise BadInput(f"{root} holds more than {MAX_FILES:,} pictures; use a part of them")
    if not files:
        raise BadInput(f"{root} holds no JPEG or PNG pictures in class folders, such as {root / 'cats' / '1.jpg'}")
    return _Listing(tuple(files), tuple(labels), tuple(parts), skipped)


def _part_folders(root: Path) -> list[tuple[str, Path]]:
    """(part, folder): the root itself as train, unless it has a train/ folder with class folders in it."""
    named = {folder.name.lower(): folder for folder in _subfolders(root)}
    if "train" not in named or not _subfolders(named["train"]):
        return [("train", root)]
    return [(part, named[name]) for part, names in _PART_NAMES.items() for name in names if name in named]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _pictures(class_folder: Path, root: Path, skipped: Counter) -> list[Path]:
    """The pictures at any depth of a class folder; links out of the root are not followed."""
    found = []
    for folder, _, names in os.walk(class_folder, followlinks=False):
        for file in (Path(folder, name) for name in names):
            if file.name.startswith("."):
                skipped["hidden files"] += 1
            elif file.suffix.lower() not in SUFFIXES:
                skipped["files that are not JPEG or PNG"] += 1
            elif not file.resolve().is_relative_to(root):
                skipped["links that lead out of the folder"] += 1
            else:
                found.append(file)
    return sorted(found)
