"""Which split and class a picture belongs to, told by the folders above it.

One rule for folders on disk and for uploaded archives. One folder stands there per class, or one per split with class
folders in it; folders around all of these do not count, and a class has its pictures at any depth. A class is called
as its folder, in Unicode's composed form (NFC), or as the root's `class-names.json` says:
{"classes": {folder: name, ...}}.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtl_core.data.doubtful_folders import check_classes_in_train, check_tops, inner_folders_note
from rtl_core.data.split_words import SPLIT_WORDS, split_of, telling_words
from rtl_core.errors import BadInput

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"}
KINDS = "JPEG, PNG, WebP, TIFF, GIF or BMP"
NAMES_FILE = "class-names.json"
MAX_NAMES_BYTES = 32 * 2**20
MAX_NAME = 200  # characters; a ticket file gives a subset's name as many
_UNLABELLED = {"pred", "predict", "prediction", "predictions", "unlabelled", "unlabeled", "inference"}
# Copies, thumbnails and waste that systems leave behind, in small letters; hidden folders are known by their dot.
_SYSTEM = {
    "__macosx",
    "@eadir",
    "@recycle",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
    "ipynb_checkpoints",
}
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: control characters, half characters, ends of lines

Names = tuple[str, ...]  # of the folders above a file, then its own, from the root on


@dataclass(frozen=True)
class Entry:
    """Something below the root: a file, or what is left out whatever its name is.

    path     a folder that is not gone into ends in an empty name
    problem  why it is left out; None for plain files
    """

    path: Names
    problem: str | None = None


@dataclass(frozen=True)
class Place:
    """A picture with its split ("train", "val" or "test") and the name of its class."""

    path: Names
    split: str
    label: str


@dataclass(frozen=True)
class Placed:
    """What stands in class folders.

    pictures  in the order of splits and paths
    left_out  reason -> how many files were left out for it
    notes     sentences on how folders were understood
    """

    pictures: list[Place]
    left_out: Counter
    notes: tuple[str, ...]


class NameTable(BaseModel):
    """What `class-names.json` holds.

    classes   class folder -> name of the class
    left_out  reason -> how many files were left out for it when the folder was made
    notes     sentences on how the folder was made
    pictures  picture's path below the root -> what it was called before
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    classes: dict[str, str]
    left_out: dict[str, Annotated[int, Field(ge=1)]] = {}
    notes: list[str] = []
    pictures: dict[str, str] = {}


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


def places(entries: Iterable[Entry], table: NameTable | None = None) -> Placed:
    """The pictures among the entries, with their splits and classes.

    BadInput: a folder beside those of the splits that is none; folders that seem to be of splits and stand elsewhere;
    a class without any picture that is read, or without one in train; class names that cannot be shown, or that are
    equal.
    """
    left_out: Counter = Counter(table.left_out if table else {})
    pictures: list[Names] = []
    unread: dict[Names, str] = {}
    for entry in entries:
        reason = entry.problem or _no_picture(entry.path)
        if reason:
            left_out[reason] += 1
            if not is_hidden(entry.path):
                unread[entry.path] = reason
        elif entry.path != (NAMES_FILE,):
            pictures.append(entry.path)
    outer = 0 if table else wrappers(pictures)
    inside = [path[outer:] for path in pictures]
    splits = _split_folders(inside)
    if not splits and not table:
        check_tops(inside)
    in_class: list[tuple[str, Names, str]] = []
    for path in pictures:
        split, folder = _split_and_class(path[outer:], splits)
        if folder:
            in_class.append((split, path, folder))
        else:
            where = f" in '{path[outer]}'," if len(path) > outer + 1 else ""
            left_out[f"pictures{where} outside any class folder"] += 1
    around = pictures[0][:outer] if pictures else ()
    below = {path[outer:]: reason for path, reason in unread.items() if path[:outer] == around}
    _check_read(below, {(split, folder) for split, _, folder in in_class}, splits)
    labels = _labels({(split, folder) for split, _, folder in in_class}, table)
    order = list(SPLIT_WORDS)
    in_class.sort(key=lambda one: (order.index(one[0]), one[1]))
    placed = [Place(path, split, labels[folder]) for split, path, folder in in_class]
    check_classes_in_train([(place.split, place.label, place.path) for place in placed])
    starts = [outer + (splits[path[outer]].above if splits else 0) for _, path, _ in in_class]
    deeper = inner_folders_note([path[start:-1] for (_, path, _), start in zip(in_class, starts, strict=True)])
    return Placed(placed, left_out, (*(table.notes if table else ()), *deeper))


def left_out_notes(left_out: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence for each of the ten commonest reasons, and one that counts the rest."""
    ranked = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    notes = [f"{count:,} skipped: {reason}" for reason, count in ranked[:10]]
    rest = sum(count for _, count in ranked[10:])
    return (*notes, f"{rest:,} skipped for {len(ranked) - 10} other reasons") if rest else tuple(notes)


def wrappers(pictures: Collection[Names]) -> int:
    """How many folders stand above those that mean something: 1 for `pets/cat/1.png` beside `pets/dog/1.png`.

    A folder that holds everything says nothing, unless pictures lie in it (it is a class) or it is called as a split.
    """
    first = min(pictures, key=len, default=())
    for depth, folder in enumerate(first[:-2]):
        if split_of(folder) or any(path[: depth + 1] != first[: depth + 1] for path in pictures):
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


def is_hidden(path: Names) -> bool:
    """Whether a file is hidden or stands in a folder that is, or in one that systems leave."""
    return any(folder.startswith(".") or folder.lower() in _SYSTEM for folder in path[:-1]) or path[-1].startswith(".")


def _no_picture(path: Names) -> str | None:
    """Why a file is left out; None where it is a picture, or the table of names."""
    for folder in path[:-1]:
        if folder.startswith(".") or folder.lower() in _SYSTEM:
            return f"files in hidden or system folders ('{folder}')"
    if path[-1].startswith("."):
        return "hidden files"
    suffix = PurePosixPath(path[-1]).suffix.lower()
    if suffix not in SUFFIXES and path != (NAMES_FILE,):
        return f"files that are no {KINDS} pictures ({suffix or 'no ending'})"
    return None


@dataclass(frozen=True)
class _SplitFolder:
    """A folder of a split; `above`: how many folders stand above its classes, 2 in `seg_train/seg_train/sea/1.png`."""

    split: str
    above: int


def _split_folders(pictures: list[Names]) -> dict[str, _SplitFolder]:
    """Folders of splits by their names where such, with class folders in them, stand at the top; empty where classes
    do."""
    tops: dict[str, list[Names]] = defaultdict(list)
    for path in pictures:
        if len(path) > 1:
            tops[path[0]].append(path)
    splits = {
        name: _SplitFolder(split, 1 + _is_nested(paths, split))
        for name, paths in tops.items()
        if (split := split_of(name))
    }
    with_classes = sorted(name for name, one in splits.items() if any(len(p) > one.above + 1 for p in tops[name]))
    if not with_classes:
        return {}
    train = [name for name in with_classes if splits[name].split == "train"]
    if not train:
        raise BadInput(
            f"'{with_classes[0]}' holds class folders, but there is no folder 'train' with class folders beside it; "
            "put all classes into train, val and test, or directly into one folder"
        )
    other = sorted(name for name in tops.keys() - splits.keys() if telling_words(name) not in _UNLABELLED)
    if other:
        raise BadInput(
            f"the folder '{other[0]}' stands beside '{train[0]}' and is neither train, val nor test by its name; "
            "rename it, or take it out"
        )
    return splits


def _is_nested(paths: Iterable[Names], split: str) -> bool:
    """Whether everything in a split's folder lies in one more that says nothing or the split again.

    As some archives unpack, `seg_train/seg_train`, and where `images` stand beside other things.
    """
    inner = {path[1] if len(path) > 2 else "" for path in paths}
    (name,) = inner if len(inner) == 1 else ("",)
    return name.strip("_- 0123456789") != "" and (not telling_words(name) or split_of(name) == split)


def _split_and_class(path: Names, splits: Mapping[str, _SplitFolder]) -> tuple[str, str | None]:
    """The split, and the class folder if there is one; no class in folders that stand beside those of the splits."""
    if not splits:
        return "train", path[0] if len(path) > 1 else None
    if path[0] not in splits:
        return "train", None
    one = splits[path[0]]
    return one.split, path[one.above] if len(path) > one.above + 1 else None


def _check_read(
    unread: Mapping[Names, str], in_class: Collection[tuple[str, str]], splits: Mapping[str, _SplitFolder]
) -> None:
    """BadInput where a folder that should be a class or a split holds files, and none of them is read."""
    empty: dict[Names, Counter] = defaultdict(Counter)
    for path, reason in unread.items():
        split, folder = _split_and_class(path, splits)
        if folder is not None and (split, folder) not in in_class:
            empty[(path[0], folder) if splits else (folder,)][reason] += 1
        elif len(path) > 1 and splits and path[0] not in splits and split_of(path[0]):
            empty[path[:1]][reason] += 1
    for path, reasons in sorted(empty.items()):
        reason, count = reasons.most_common(1)[0]
        raise BadInput(
            f"the folder '{'/'.join(path)}' holds no picture that can be read: {count:,} skipped, {reason}; put "
            f"{KINDS} pictures there, or take the folder out"
        )


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
