"""Boxes in COCO's format: a JSON document of pictures, classes and boxes, and the pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from rtl_core.config import DataSettings
from rtl_core.data.boxes import Boxed, boxed_dataset, inside
from rtl_core.data.dataset import Dataset
from rtl_core.data.limits import read_bytes
from rtl_core.data.split_words import splits_in
from rtl_core.errors import BadInput

MAX_JSON_BYTES = 600 * 2**20  # the largest of COCO 2017 has 470 MB
_MAX_DOCUMENTS = 20


class _Picture(BaseModel):
    id: int
    file_name: Annotated[str, Field(min_length=1, max_length=1_000)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class _Class(BaseModel):
    id: int
    name: Annotated[str, Field(min_length=1, max_length=200)]


class _Box(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class _Document(BaseModel):
    images: list[_Picture]
    categories: list[_Class]
    annotations: list[_Box]


def load_coco(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """A folder with one JSON document, or one a split (`instances_train2017.json`, ...), at its top or in
    `annotations/`; or one such document. `bbox` is x, y, width, height in pixels. Pictures are looked for by their
    `file_name` in the folder itself, in `images/`, and in folders of the document's split in both.

    Regions that stand for a crowd (`iscrowd`) are left out, which the notes say.
    """
    # The folder that was named, and nothing around it; of a document alone its folder, and the one above.
    tops = (path,) if path.is_dir() else (path.parent, path.parent.parent)
    files = _documents(path)
    pictures: list[Boxed] = []
    classes: dict[int, str] = {}
    crowds = 0
    for file in files:
        document = _read(file)
        own = {each.id: each.name for each in document.categories}
        if classes and own != classes:
            raise BadInput(f"{file} names other classes than {files[0]}; give all documents the same categories")
        classes = classes or own  # in the order of the first document, whatever that of the others is
        _check_ids(document, file)
        crowds += sum(bool(box.iscrowd) for box in document.annotations)
        pictures += _pictures(document, classes, tops, file, len(files) > 1)
    notes = [f"regions of crowds, left out: {crowds:,}"] if crowds else []
    return boxed_dataset(pictures, list(classes.values()), settings, seed, notes)


def _documents(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for folder in (path / "annotations", path):
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        files = [file for file in files if file.name.startswith("instances")] or files
        if len(files) > _MAX_DOCUMENTS:
            raise BadInput(
                f"{folder} holds {len(files)} JSON documents; name the one to read as coco:{folder}/NAME.json"
            )
        if files:
            return files
    raise BadInput(f"{path} holds no JSON document with boxes, such as {path / 'annotations' / 'instances_train.json'}")


def _read(file: Path) -> _Document:
    """The document; BadInput where it is no JSON or does not say what COCO's say."""
    content = read_bytes(file, MAX_JSON_BYTES, "JSON")
    try:
        return _Document.model_validate(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"{file} is no document of COCO boxes: '{'.'.join(map(str, first['loc']))}': {first['msg'].lower()}; "
            "wanted are images, categories and annotations"
        ) from None
    except (ValueError, RecursionError):
        raise BadInput(f"{file} is no intact JSON document; write it again") from None


def _check_ids(document: _Document, file: Path) -> None:
    for several in (document.images, document.categories):
        if len({each.id for each in several}) < len(several):
            raise BadInput(f"{file} gives two pictures or two classes the same id; number them anew")


def _pictures(
    document: _Document, classes: dict[int, str], tops: Sequence[Path], file: Path, several: bool
) -> list[Boxed]:
    code = {id_: index for index, id_ in enumerate(classes)}
    boxes: dict[int, list[list[float]]] = {each.id: [] for each in document.images}
    for box in document.annotations:
        if box.image_id not in boxes:
            raise BadInput(f"{file} has a box for a picture with id {box.image_id}, which it does not list; add it")
        if box.category_id not in code:
            raise BadInput(f"{file} has a box of class id {box.category_id}, which is not among its categories; add it")
        if not box.iscrowd:
            x, y, width, height = box.bbox
            boxes[box.image_id].append([code[box.category_id], x, y, x + width, y + height])
    words = splits_in(file.stem)
    split = next(iter(words)) if several and len(words) == 1 else None
    stem = file.stem.removeprefix("instances_")
    folders = [folder for top in tops for folder in (top / "images" / stem, top / stem, top / "images", top)]
    folders = [folder for folder in folders if folder.is_dir()]
    return [
        Boxed(
            _place(folders, one.file_name),
            np.array(boxes[one.id], float).reshape(-1, 5),
            split,
            (one.width, one.height),
            one.file_name,
        )
        for one in document.images
    ]


def _place(folders: list[Path], name: str) -> Path:
    """Where a picture lies; the first of the folders where it lies in none."""
    places = [inside(folder, name) for folder in folders]
    return next((place for place in places if place.is_file()), places[0])
