"""Boxes in Pascal VOC's format: an XML document a picture."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from rtl_core.config import DataSettings
from rtl_core.data.boxes import MAX_PICTURES, Boxed, boxed_dataset, files_ending, inside
from rtl_core.data.dataset import Dataset
from rtl_core.data.limits import read_bytes, read_text
from rtl_core.data.splits import SPLITS
from rtl_core.errors import BadInput

MAX_XML_BYTES = 2 * 2**20
MAX_LIST_BYTES = 32 * 2**20
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG", ".BMP")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def load_voc(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """A folder with `Annotations/*.xml`, `JPEGImages/` and, if it is split, `train.txt` and others in `ImageSets/Main`.

    Where there are such lists, pictures in none of them are left out. Classes are the names that occur, sorted.

    `xmin`, `ymin`, `xmax`, `ymax` are taken as they stand, as distances from the upper left corner. Boxes marked
    `difficult` are taken as all others.
    """
    folder = path / "Annotations"
    files = files_ending(folder, ".xml")
    if not files:
        raise BadInput(
            f"{path} holds no boxes in Annotations/*.xml; voc: wants a folder with Annotations and JPEGImages"
        )
    if len(files) > MAX_PICTURES:
        raise BadInput(f"{folder} holds {len(files):,} documents; at most {MAX_PICTURES:,} are read")
    splits = picture_splits(path / "ImageSets" / "Main", {file.stem for file in files})
    chosen = [file for file in files if not splits or file.stem in splits]
    documents = [read_document(file) for file in chosen]
    names = sorted({name for _, boxes in documents for name, *_ in boxes})
    code = {name: index for index, name in enumerate(names)}
    pictures = [
        Boxed(
            picture_of(path / "JPEGImages", root, file.stem),
            np.array([[code[name], *corners] for name, *corners in boxes], float).reshape(-1, 5),
            splits.get(file.stem),
            _size(root, file),
            f"the picture of {file.name}",
        )
        for file, (root, boxes) in zip(chosen, documents, strict=True)
    ]
    left_out = len(files) - len(chosen)
    notes = [f"pictures that no list in ImageSets/Main names, left out: {left_out:,}"] if left_out else []
    return boxed_dataset(pictures, names, settings, seed, notes)


def picture_splits(folder: Path, known: set[str]) -> dict[str, str]:
    """Name of a picture -> its split. What only `trainval.txt` names is to train on."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        for name in _listed(folder / f"{split}.txt", known):
            if splits.setdefault(name, split) != split:
                raise BadInput(f"'{name}' stands in two lists of {folder}; a picture belongs to one split")
    return dict.fromkeys(_listed(folder / "trainval.txt", known), "train") | splits


def _listed(file: Path, known: set[str]) -> list[str]:
    """The pictures that a list names, the first word of each line; none where there is no such list."""
    lines = read_text(file, MAX_LIST_BYTES, "names of pictures").splitlines() if file.is_file() else []
    names = [line.split()[0] for line in lines if line.strip()]
    for name in names:
        if name not in known:
            raise BadInput(f"{file} names '{name}', for which there is no XML document in Annotations; add it")
    return names


def read_document(file: Path) -> tuple[Element, list[tuple[str, float, float, float, float]]]:
    """(the document, its boxes by name)."""
    content = read_bytes(file, MAX_XML_BYTES, "XML")
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise BadInput(
            f"{file} declares entities or a document type, which nothing here needs; take them out"
        ) from None
    except (ParseError, ValueError, LookupError, RecursionError):
        raise BadInput(f"{file} is no intact XML document; write it again") from None
    return root, [_box(each, file) for each in root.findall("object")]


def _box(each: Element, file: Path) -> tuple[str, float, float, float, float]:
    name = (each.findtext("name") or "").strip()
    if not name:
        raise BadInput(f"a box in {file} has no name of a class; give it one")
    corners = [each.findtext(f"bndbox/{side}") for side in _SIDES]
    try:
        x0, y0, x1, y1 = map(float, corners)
    except (TypeError, ValueError):
        raise BadInput(f"a box in {file} lacks a number for one of {', '.join(_SIDES)}; give all four") from None
    return name, x0, y0, x1, y1


def _size(root: Element, file: Path) -> tuple[int, int]:
    try:
        width, height = int(root.findtext("size/width")), int(root.findtext("size/height"))
    except (TypeError, ValueError):
        width = height = 0
    if min(width, height) < 1:
        raise BadInput(f"{file} does not say how large its picture is; give size/width and size/height")
    return width, height


def picture_of(folder: Path, root: Element, stem: str) -> Path:
    """The picture that the document names, or one with its own name; the former where neither is there."""
    name = PurePosixPath((root.findtext("filename") or "").strip().replace("\\", "/")).name
    named = inside(folder, name or f"{stem}.jpg")
    places = [folder / f"{stem}{ending}" for ending in _ENDINGS]
    return next((place for place in (named, *places) if place.is_file()), named)
