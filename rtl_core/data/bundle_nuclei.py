"""Makes `files/nuclei.zip` of the pictures of the 2018 Data Science Bowl: windows, classes of pixels, sittings.

The source is a zip with `images/`, `instances/` (16 bits, a number for each nucleus) and `images.csv` (id, modality,
width and height of the original).
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from scipy.cluster.hierarchy import fcluster, linkage

SIDE = 96  # pixels of a window
STEP = 16  # between the places that a window may have
REACH = 5  # pixels of the square around a border pixel that holds two nuclei
SMALL_SIDE = 350  # pixels: the longer side of an original up to which fluorescence counts as small
NEAR = 0.1  # how far apart pictures of one sitting look, on average
SHARES = {"train": 0.6, "val": 0.12, "test": 0.28}
CLASSES = ("background", "nucleus", "border")


def bundle_nuclei(source: Path, target: Path) -> None:
    """All pictures, a window each: where the most nuclei are."""
    with zipfile.ZipFile(source) as archive:
        table = pd.read_csv(io.BytesIO(archive.read("images.csv")))
        pictures = [_picture(archive, f"images/{name}.png") for name in table.id]
        instances = [_picture(archive, f"instances/{name}.png") for name in table.id]
    sides = table[["width", "height"]].max(axis=1)
    fluorescence = np.where(sides <= SMALL_SIDE, "small fluorescence", "large fluorescence")
    table["modality"] = np.where(table.modality == "fluorescence", fluorescence, "histology and brightfield")
    table["unit"] = sittings(table, pictures)
    table["split"] = splits(table.unit.to_numpy(), table.modality.to_numpy())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, picture, numbers in zip(table.id, pictures, instances, strict=True):
            place = densest_window(numbers)
            _write(out, f"images/{name}.png", _png(picture[place]))
            _write(out, f"masks/{name}.png", _png(pixel_classes(numbers)[place]))
        rows = table.rename(columns={"id": "file"})[["file", "modality", "unit", "split"]]
        _write(out, "images.csv", rows.to_csv(index=False).encode())
        names = pd.DataFrame({"name": CLASSES, "value": range(len(CLASSES))})
        _write(out, "classes.csv", names.to_csv(index=False).encode())


def pixel_classes(numbers: np.ndarray) -> np.ndarray:
    """uint8 (h, w): border where two nuclei lie within a square of `REACH` pixels, else nucleus or background."""
    highest = ndimage.maximum_filter(numbers, REACH)
    lowest = ndimage.minimum_filter(np.where(numbers > 0, numbers, np.iinfo(np.int32).max), REACH)
    border = (highest > 0) & (lowest < highest)
    return np.where(border, 2, numbers > 0).astype(np.uint8)


def densest_window(numbers: np.ndarray) -> tuple[slice, slice]:
    """The window with the most nuclei, the first of several, among places `STEP` pixels apart."""
    places = [
        (slice(top, top + SIDE), slice(left, left + SIDE))
        for top in _starts(numbers.shape[0])
        for left in _starts(numbers.shape[1])
    ]
    return max(places, key=lambda place: len(np.unique(numbers[place])))


def _starts(length: int) -> list[int]:
    return sorted({*range(0, length - SIDE, STEP), length - SIDE})


def sittings(table: pd.DataFrame, pictures: list[np.ndarray]) -> np.ndarray:
    """int64 (n,): pictures that look alike and whose originals have one size, as of one sitting at a microscope. An
    approximation: nobody has written down which pictures were taken together."""
    looks, unit, count = np.stack([_look(picture) for picture in pictures]), np.zeros(len(table), np.int64), 0
    for rows in table.groupby(["modality", "width", "height"], sort=True).indices.values():
        groups = np.ones(1, int) if len(rows) == 1 else fcluster(linkage(looks[rows], "average"), NEAR, "distance")
        unit[rows] = count + groups - 1
        count += groups.max()
    return unit


def _look(picture: np.ndarray) -> np.ndarray:
    """Five quantiles of each channel, and the logarithm of the energy of differences between neighbours."""
    colours = np.broadcast_to(picture.reshape(*picture.shape[:2], -1), (*picture.shape[:2], 3)) / 255
    grey = colours.mean(axis=2)
    energy = (np.diff(grey, axis=0) ** 2).mean() + (np.diff(grey, axis=1) ** 2).mean()
    quantiles = np.quantile(colours.reshape(-1, 3), [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    return np.append(quantiles.ravel(), np.log(1e-4 + energy) / 10)


def splits(unit: np.ndarray, modality: np.ndarray) -> np.ndarray:
    """Whole sittings, the largest first, each to the split of its modality that lacks the most pictures."""
    split = np.full(len(unit), "train", "<U5")
    for name in np.unique(modality):
        rows = np.flatnonzero(modality == name)
        lacking = {each: share * len(rows) for each, share in SHARES.items()}
        units, sizes = np.unique(unit[rows], return_counts=True)
        for of, size in sorted(zip(units, sizes, strict=True), key=lambda pair: (-pair[1], pair[0])):
            each = max(lacking, key=lacking.get)
            split[unit == of] = each
            lacking[each] -= size
    return split


def _picture(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(archive.read(name))) as picture:
        values = np.asarray(picture)
    return values.astype(np.int32) if values.dtype != np.uint8 else values


def _png(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "PNG", optimize=True)
    return content.getvalue()


def _write(out: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same bytes whenever it is made
    packed = name.endswith(".csv")  # pictures are packed already
    out.writestr(entry, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
