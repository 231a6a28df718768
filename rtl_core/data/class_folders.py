"""Which split and class a picture belongs to, told by the folders above it.

One rule for folders on disk and for uploaded archives. Directly below the root stands one folder per class, or one per
split with class folders in it; a class has its pictures at any depth. A class is called as its folder, in Unicode's
composed form (NFC), or as the root's `class-names.json` says: {"classes": {folder: name, ...}}.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtl_core.errors import BadInput

SUFFIXES = {".jpg", ".jpeg", ".png"}
NAMES_FILE = "class-names.json"
MAX_NAMES_BYTES = 16 * 2**20
MAX_NAME = 200  # characters; a ticket file gives a subset's name as many
SPLIT_WORDS = {
    "train": ("train", "training", "training_set", "seg_train"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "seg_test"),
}
_SPLITS = {word: split for split, words in SPLIT_WORDS.items() for word in words}
_SYSTEM = {"__MACOSX", "@eaDir"}  # copies and thumbnails that systems leave behind
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: control characters, half characters, ends of lines

Names = tuple[str, ...]  # of the folders above a file, then its own, from the root on


@dataclass(frozen=True)
class Place:
    """A picture with its split ("train", "val" or "test") and the name of its class."""

    path: Names
    split: str
    label: str


class NameTable(BaseModel):
    """What `class-names.json` holds.

    classes   class folder -> name of the class
    left_out  reason -> how many files were left out for it when the folder was made
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    classes: dict[str, str]
    left_out: dict[str, Annotated[int, Field(ge=1)]] = {}


def name_table(root: Path) -> NameTable | None:
    """The table of names in a folder; None where there is none. BadInput where it is damaged."""
    path = root / NAMES_FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_NAMES_BYTES:
            raise BadInput(
                f"{path} is larger than {MAX_NAMES_BYTES // 2**20} MiB; it should hold names of classes only"
            )
        return NameTable.model_validate_json(path.read_bytes())
    except ValidationError:
        raise BadInput(f'{path} is no table of names; wanted is {{"classes": {{"folder": "name"}}}}') from None


def places(files: Iterable[Names], table: NameTable | None = None) -> tuple[list[Place], Counter]:
    """The pictures among the files, in the order of splits and paths; reason -> how many files were left out for it.

    BadInput: a folder beside those of the splits that is none; class names that cannot be shown, or that are equal.
    """
    left_out: Counter = Counter(table.left_out if table else {})
    pictures: list[Names] = []
    for path in files:
        reason = _no_picture(path)
        if reason:
            left_out[reason] += 1
        elif path != (NAMES_FILE,):
            pictures.append(path)
    splits = _split_folders(pictures)
    in_class: list[tuple[str, Names, str]] = []
    for path in pictures:
        split, folders = (splits[path[0]], path[1:-1]) if splits and len(path) > 1 else ("train", path[:-1])
        if folders:
            in_class.append((split, path, folders[0]))
        else:
            where = f" in '{path[0]}'," if len(path) > 1 else ""
            left_out[f"pictures{where} outside any class folder"] += 1
    labels = _labels({(split, folder) for split, _, folder in in_class}, table)
    order = list(SPLIT_WORDS)
    in_class.sort(key=lambda one: (order.index(one[0]), one[1]))
    return [Place(path, split, labels[folder]) for split, path, folder in in_class], left_out


def wrappers(pictures: Collection[Names]) -> int:
    """How many folders stand above those that mean something: 1 for `pets/cat/1.png` beside `pets/dog/1.png`.

    A folder that holds everything says nothing, unless pictures lie in it (it is a class) or it is called as a split.
    """
    first = min(pictures, key=len)
    for depth, folder in enumerate(first[:-2]):
        if folder.lower() in _SPLITS or any(path[: depth + 1] != first[: depth + 1] for path in pictures):
            return depth
    return max(0, len(first) - 2)


def is_picture(path: Names) -> bool:
    """Whether a file counts as a picture by its name and by where it lies."""
    return path != (NAMES_FILE,) and _no_picture(path) is None


def class_name(text: str) -> str:
    """The name in Unicode's composed form. BadInput where it cannot be shown."""
    name = unicodedata.normalize("NFC", text)
    if not name.strip() or len(name) > MAX_NAME or any(unicodedata.category(letter) in _UNSEEN for letter in name):
        raise BadInput(
            f"the name of a class has 1 to {MAX_NAME} characters, no line breaks, control characters or blanks alone; "
            f"{ascii(name)[:80]} is none"
        )
    return name


def check_apart(names: Iterable[str]) -> None:
    """BadInput where two names of classes are one once Unicode is composed, as an umlaut can be written in two ways."""
    taken: dict[str, str] = {}
    for name in names:
        composed = unicodedata.normalize("NFC", name)
        if composed in taken:
            raise BadInput(
                f"two classes have the same name: '{taken[composed]}' and '{name}' ({taken[composed]!a} and "
                f"{name!a} in Unicode); rename one, or put their rows together"
            )
        taken[composed] = name


def _no_picture(path: Names) -> str | None:
    """Why a file is left out; None where it is a picture, or the table of names."""
    if any(folder.startswith(".") or folder in _SYSTEM for folder in path[:-1]):
        return "files in hidden or system folders"
    if path[-1].startswith("."):
        return "hidden files"
    if PurePosixPath(path[-1]).suffix.lower() not in SUFFIXES and path != (NAMES_FILE,):
        return "files that are not JPEG or PNG"
    return None


def _split_folders(pictures: list[Names]) -> dict[str, str]:
    """Folder -> split where folders of splits with class folders in them stand at the top; empty where classes do."""
    tops = {path[0] for path in pictures if len(path) > 1}
    splits = {name: _SPLITS[name.lower()] for name in sorted(tops) if name.lower() in _SPLITS}
    with_classes = [name for name in splits if any(path[0] == name and len(path) > 2 for path in pictures)]
    if not with_classes:
        return {}
    train = [name for name in with_classes if splits[name] == "train"]
    if not train:
        raise BadInput(
            f"'{with_classes[0]}' holds class folders, but there is no folder 'train' with class folders beside it; "
            "put all classes into train, val and test, or directly into one folder"
        )
    other = sorted(tops - splits.keys())
    if other:
        raise BadInput(
            f"the folder '{other[0]}' stands beside '{train[0]}' and is neither train, val nor test by its name; "
            "rename it, or take it out"
        )
    return splits


def _labels(folders: set[tuple[str, str]], table: NameTable | None) -> dict[str, str]:
    """Class folder -> name of its class, for pairs of split and class folder; apart within each split."""
    nameless = sorted({folder for _, folder in folders} - table.classes.keys()) if table else []
    if nameless:
        raise BadInput(f"{NAMES_FILE} does not name the folder '{nameless[0]}'; every class folder needs a name there")
    names = {folder: table.classes[folder] if table else folder for _, folder in sorted(folders)}
    labels = {folder: class_name(name) for folder, name in names.items()}
    for split in SPLIT_WORDS:
        check_apart(names[folder] for of, folder in sorted(folders) if of == split)
    return labels
