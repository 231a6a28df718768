"""Uploaded data on disk: bounded, checked, and stored under names of our own. No Streamlit in here.

Nothing in an upload decides where a file goes: pictures and class folders are numbered, what the classes are called
stands in a table (`class-names.json`), pictures with masks stay in their zip, and the upload's own folder is named
after its content. That folder appears
whole or not at all and is never written again, so sessions that upload the same file share it while others read it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from rtl_core.data.archives import DAMAGED, opened_zip
from rtl_core.data.class_folders import KINDS, NAMES_FILE, Entry, Names, NameTable, Placed, is_picture, places
from rtl_core.data.csv_form import is_korean
from rtl_core.data.file_tree import file_tree
from rtl_core.data.limits import most_unpacked
from rtl_core.data.pixel_masks.layouts import has_masks, layout_of
from rtl_core.errors import BadInput
from rtl_core.files import make_once, remove
from rtl_core.read_only import refused_in_public

MAX_FILES = 50_000
MAX_BYTES = 2 * 10**9  # unpacked
MAX_FILE_BYTES = 50 * 10**6
_RULES = b"1"  # of what is kept of a file; with another number the same file is a new upload
_MAX_SHOWN = 120  # letters of a picture's path that are kept for sentences
_UTF8 = 0x800  # flag of an entry whose name says that it is UTF-8
# First word of a stored folder's name -> kind of data, and its place in the folder.
_PLACES = {
    "pictures": ("folder", "classes"),
    "masks": ("masks", "masks.zip"),
    "csv": ("csv", "table.csv"),
    "npz": ("npz", "data.npz"),
}
_BOXES = {"annotations": ".xml", "labels": ".txt"}  # folders of annotations of VOC and YOLO -> how their names end
_BOX_PICTURES = {"jpegimages", "images"}  # folders of their pictures
_EARLIER = "zip"  # pictures as an earlier version kept them, with classes that it may have merged


@refused_in_public("keeping an upload")
def store(name: str, content: bytes, root: Path) -> str:
    """Keeps an upload under `root`; returns its spec, `folder:PATH`, `masks:PATH`, `csv:PATH` or `npz:PATH`. Raises
    BadInput."""
    suffix = PurePosixPath(name).suffix.lower()
    kind = {".zip": "pictures", ".csv": "csv", ".npz": "npz"}.get(suffix)
    if kind is None:
        raise BadInput(
            "an upload is a .zip of class folders with pictures, or of pictures and their masks, a .csv table or an "
            ".npz of arrays"
        )
    if kind == "pictures" and _has_boxes(content):
        raise BadInput(
            "the zip holds pictures with boxes, which are not taken here yet; unpack it and train from a shell: "
            "python -m rtl_core train detection --data coco:PATH (or voc:PATH, yolo:PATH)"
        )
    if kind == "pictures" and _has_masks(content):
        kind = "masks"
    digest = hashlib.sha256(content)
    digest.update(_RULES)
    folder = root / f"{kind}-{digest.hexdigest()[:16]}"
    try:
        make_once(folder, lambda draft: _fill(content, kind, draft))
    except OSError as error:
        raise BadInput(f"the upload cannot be kept in {root}: {error.strerror}") from None
    return spec_of(folder)


def stored(root: Path) -> list[Path]:
    """The uploads that are kept, newest first."""
    if not root.is_dir():
        return []
    kept = []
    for folder in root.iterdir():
        with suppress(FileNotFoundError):  # deleted by another session just now
            if _kind(folder) in {*_PLACES, _EARLIER} and folder.is_dir():
                kept.append((folder.stat().st_mtime, folder))
    return [folder for _, folder in sorted(kept, reverse=True)]


def usable(folder: Path) -> bool:
    """Whether a stored upload can be learned from; what an earlier version kept of a zip can only be deleted."""
    return _kind(folder) in _PLACES


def spec_of(folder: Path) -> str:
    """The data spec of a stored upload."""
    kind, inside = _PLACES[_kind(folder)]
    return f"{kind}:{folder / inside}"


@refused_in_public("deleting an upload")
def delete(folder: Path, root: Path) -> None:
    """Removes a stored upload for good."""
    if folder not in stored(root):
        raise BadInput(f"there is no upload '{folder.name}'")
    remove(folder)


def _kind(folder: Path) -> str:
    return folder.name.partition("-")[0]


def _fill(content: bytes, kind: str, folder: Path) -> None:
    place = folder / _PLACES[kind][1]
    if kind == "pictures":
        _unpack(content, place)
    else:
        place.write_bytes(content)
    if kind == "masks":
        with file_tree(place) as tree:
            layout_of(tree)  # refuses, while the owner is there, what does not pair


def _has_masks(content: bytes) -> bool:
    """Whether a zip holds pictures with masks instead of class folders; what is no zip is refused later."""
    try:
        with opened_zip(io.BytesIO(content), "the zip") as archive:
            return has_masks(tuple(entry.filename.split("/")) for entry in archive.infolist() if not entry.is_dir())
    except zipfile.BadZipFile:
        return False


def _has_boxes(content: bytes) -> bool:
    """Whether a zip holds annotations of boxes as COCO, VOC or YOLO lay them out."""
    try:
        with opened_zip(io.BytesIO(content), "the zip") as archive:
            names = [PurePosixPath(entry.filename.lower()) for entry in archive.infolist() if not entry.is_dir()]
    except zipfile.BadZipFile:
        return False
    folders = {folder for name in names for folder in name.parts[:-1]}
    annotated = any(_BOXES.get(folder) == name.suffix for name in names for folder in name.parts[:-1])
    instances = any(name.suffix == ".json" and name.name.startswith("instances") for name in names)
    return instances or (annotated and bool(folders & _BOX_PICTURES))


def _unpack(content: bytes, root: Path) -> None:
    """The pictures of a zip as class folders with numbers for names, and the table of what the classes are called."""
    try:
        opened = opened_zip(io.BytesIO(content), "the zip")
    except zipfile.BadZipFile:
        raise BadInput("this file ends in .zip but is no zip archive, or a damaged one") from None
    with opened as archive:
        entries, placed = _pictures(archive)
        labels = sorted({place.label for place in placed.pictures})
        folders = {label: f"class-{number:05d}" for number, label in enumerate(labels, 1)}
        split = any(place.split != "train" for place in placed.pictures)
        called = {}
        allowed = left = most_unpacked(len(content), MAX_BYTES)
        for number, place in enumerate(placed.pictures):
            data = _read_bounded(archive, entries[place.path], min(MAX_FILE_BYTES, left), allowed)
            left -= len(data)
            folder = PurePosixPath(place.split if split else "") / folders[place.label]
            stored = folder / f"{number:06d}{PurePosixPath(place.path[-1]).suffix.lower()}"
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / stored).write_bytes(data)
            called[str(stored)] = _shown("/".join(place.path))
    classes = {folder: label for label, folder in folders.items()}
    table = NameTable(classes=classes, left_out=dict(placed.left_out), notes=list(placed.notes), pictures=called)
    (root / NAMES_FILE).write_text(table.model_dump_json(indent=1), "utf-8")


def _pictures(archive: zipfile.ZipFile) -> tuple[dict[Names, zipfile.ZipInfo], Placed]:
    """Path -> entry, and the pictures with their splits and classes and what is left out."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    encoding, notes = _encoding(entries)
    files = {_names(entry, encoding): entry for entry in entries}
    pictures = [path for path in files if is_picture(path)]
    if not pictures:
        raise BadInput(f"the zip holds no {KINDS} pictures; put them into one folder per class")
    if len(pictures) > MAX_FILES:
        raise BadInput(f"the zip holds {len(pictures):,} pictures; at most {MAX_FILES:,} are taken")
    placed = places(map(Entry, files))
    if not placed.pictures:
        raise BadInput("the zip holds pictures outside any folder; put them into one folder per class")
    twice = len(entries) - len(files)
    left_out = placed.left_out + Counter({"files whose name stands in the zip again, further down": twice})
    return files, replace(placed, left_out=left_out, notes=(*notes, *placed.notes))


def _encoding(entries: Sequence[zipfile.ZipInfo]) -> tuple[str, tuple[str, ...]]:
    """(the encoding of names that are not UTF-8, a sentence where there are any)."""
    raw = [_raw(entry) for entry in entries if not entry.flag_bits & _UTF8]
    odd = [name for name in raw if not _decodes(name, "utf-8")]
    if not odd:
        return "cp437", ()
    encoding = "cp949" if is_korean(b"\n".join(odd)) else "cp437"
    example = _shown(odd[0].decode(encoding, "replace"))
    note = f"names in the zip are not UTF-8; they are read as {encoding}, such as '{example}'"
    return encoding, (f"{note}: if that is wrong, pack them again with names in UTF-8",)


def _raw(entry: zipfile.ZipInfo) -> bytes:
    """A name that is not marked as UTF-8, as it stands in the archive: zipfile reads it as cp437, which is always
    possible."""
    return entry.orig_filename.encode("cp437", "replace")


def _decodes(name: bytes, encoding: str) -> bool:
    try:
        name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _names(entry: zipfile.ZipInfo, encoding: str) -> Names:
    """The folders of an entry and its own name, without whatever leads out of the archive."""
    name = entry.filename
    if not entry.flag_bits & _UTF8:
        raw = _raw(entry).partition(b"\0")[0]
        # Many programs write UTF-8 and do not say so.
        name = raw.decode("utf-8") if _decodes(raw, "utf-8") else raw.decode(encoding, "replace")
    pieces = name.replace("\\", "/").split("/")
    return tuple(piece for piece in pieces if piece not in ("", ".", "..")) or ("",)


def _shown(path: str) -> str:
    """A picture's path in the archive, the end of a very long one."""
    return "".join(letter if letter.isprintable() else "?" for letter in path[-_MAX_SHOWN:])


def _read_bounded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int, allowed: int) -> bytes:
    """An entry's bytes, counted as they come: the size that the archive states is not believed."""
    try:
        with archive.open(entry) as file:
            data = file.read(limit + 1)
    except DAMAGED:
        raise BadInput("the zip cannot be read: it is damaged, encrypted or packed in an unusual way") from None
    if len(data) > limit:
        raise BadInput(
            f"the zip unpacks to more than is taken: {MAX_FILE_BYTES / 1e6:.0f} MB a picture, and "
            f"{allowed / 1e6:.0f} MB in all for a zip of its size"
        )
    return data
