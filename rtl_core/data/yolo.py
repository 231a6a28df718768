"""Boxes in YOLO's format: a text file a picture, a line a box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from rtl_core.config import DataSettings
from rtl_core.data.boxes import MAX_PICTURES, Boxed, boxed_dataset, files_ending
from rtl_core.data.class_folders import KINDS, is_picture
from rtl_core.data.dataset import Dataset
from rtl_core.data.limits import read_text
from rtl_core.data.split_words import split_of
from rtl_core.errors import BadInput

MAX_LABEL_BYTES = 1 * 2**20
MAX_NAMES_BYTES = 1 * 2**20


def load_yolo(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """A folder with `images/`, `labels/` and the classes' names, a line each in `classes.txt` or under `names` in
    `data.yaml`. The two may have folders of splits inside (`images/train`, `labels/train`), or stand in them
    (`train/images`, `train/labels`).

    A line is class, centre x, centre y, width, height, the last four in shares of the picture's sides. A picture
    without a label file has no boxes; a label file without a picture is refused.
    """
    classes = _classes(path)
    pictures = [one for images, labels, split in _folders(path) for one in _pictures(images, labels, split, path)]
    if not pictures:
        raise BadInput(f"{path} holds no {KINDS} pictures in images/, with labels/ beside it")
    if not any(one.boxes.size for one in pictures) and not any((path / "labels").rglob("*.txt")):
        raise BadInput(f"{path} has pictures but no label files; yolo: wants labels/NAME.txt for images/NAME.jpg")
    return boxed_dataset(pictures, classes, settings, seed)


def _folders(path: Path) -> list[tuple[Path, Path, str | None]]:
    """(folder of pictures, of labels, split)."""
    inner = [child for child in sorted((path / "images").glob("*")) if child.is_dir() and split_of(child.name)]
    outer = [child for child in sorted(path.glob("*")) if (child / "images").is_dir() and split_of(child.name)]
    if inner:
        return [(child, path / "labels" / child.name, split_of(child.name)) for child in inner]
    if outer:
        return [(child / "images", child / "labels", split_of(child.name)) for child in outer]
    return [(path / "images", path / "labels", None)]


def _pictures(images: Path, labels: Path, split: str | None, root: Path) -> list[Boxed]:
    files = sorted(file for file in images.glob("*") if is_picture((file.name,))) if images.is_dir() else []
    if len(files) > MAX_PICTURES:
        raise BadInput(f"{images} holds {len(files):,} pictures; at most {MAX_PICTURES:,} are read")
    stems = {file.stem for file in files}
    if len(stems) < len(files):
        raise BadInput(
            f"two pictures in {images} differ only in their ending, so that a label file is for both; rename one"
        )
    given = {file.stem: file for file in files_ending(labels, ".txt")}
    lonely = [file for stem, file in given.items() if stem not in stems and stem != "classes"]
    if lonely:
        raise BadInput(f"{lonely[0]} labels no picture in {images}; add the picture or take the labels out")
    return [Boxed(file, _boxes(given.get(file.stem)), split, None, str(file.relative_to(root))) for file in files]


def _boxes(file: Path | None) -> np.ndarray:
    """(m, 5) of a label file, in shares."""
    lines = [] if file is None else read_text(file, MAX_LABEL_BYTES, "labels").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            class_, x, y, width, height = map(float, words)
        except ValueError:
            raise BadInput(
                f"line {number} of {file} is no box; wanted are five numbers: class, centre x, centre y, width, height"
            ) from None
        if not class_.is_integer():
            raise BadInput(f"line {number} of {file} has the class {words[0]}; classes are whole numbers from 0")
        if max(abs(x), abs(y), width, height) > 2:
            raise BadInput(
                f"line {number} of {file} is in pixels; wanted are shares of the picture's sides, from 0 to 1"
            )
        rows.append([class_, x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return np.array(rows, float).reshape(-1, 5)


def _classes(path: Path) -> list[str]:
    for file in (path / "classes.txt", path / "labels" / "classes.txt"):
        if file.is_file():
            lines = read_text(file, MAX_NAMES_BYTES, "class names").splitlines()
            return [line.strip() for line in lines if line.strip()]
    for file in (path / "data.yaml", path / "data.yml"):
        if file.is_file():
            return _named(file)
    raise BadInput(f"{path} does not say what its classes are called; give classes.txt, a line each, or data.yaml")


def _named(file: Path) -> list[str]:
    """`names` of a YAML file: a list, or numbers from 0 with a name each."""
    text = read_text(file, MAX_NAMES_BYTES, "class names")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise BadInput(f"{file} is no intact YAML document without objects of a program; write it again") from None
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, (str, int, float)) for name in names):
        raise BadInput(f"{file} has no list of class names under 'names'; give one, such as names: [cat, dog]")
    return [str(name) for name in names]
