"""Uploaded data on disk: bounded, checked, and stored under names of our own. No Streamlit in here.

Nothing in an upload decides where a file goes: pictures are numbered, a class folder's name is reduced to letters,
digits, dash and underscore, and the upload's own folder is named after its content.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from rtl_core.errors import BadInput

MAX_FILES = 50_000
MAX_BYTES = 2 * 10**9  # unpacked
MAX_FILE_BYTES = 50 * 10**6
PICTURES = {".png", ".jpg", ".jpeg"}
SPLITS = {"train", "val", "test"}


def store(name: str, content: bytes, root: Path) -> str:
    """Keeps an upload under `root`; returns its spec, `folder:PATH`, `csv:PATH` or `npz:PATH`. Raises BadInput."""
    suffix = PurePosixPath(name).suffix.lower()
    keep = {".zip": _store_zip, ".csv": _store_table, ".npz": _store_arrays}.get(suffix)
    if keep is None:
        raise BadInput("an upload is a .zip of class folders with pictures, a .csv table or an .npz of arrays")
    folder = root / f"{suffix[1:]}-{hashlib.sha256(content).hexdigest()[:16]}"
    draft = root / f".{folder.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        spec, inside = keep(content, draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return f"{spec}:{folder / inside}"


def stored(root: Path) -> list[Path]:
    """The uploads that are kept, newest first."""
    folders = [f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")] if root.is_dir() else []
    return sorted(folders, key=lambda folder: -folder.stat().st_mtime)


def spec_of(folder: Path) -> str:
    """The data spec of a stored upload."""
    kind = folder.name.partition("-")[0]
    return {
        "zip": f"folder:{folder / 'classes'}",
        "csv": f"csv:{folder / 'table.csv'}",
        "npz": f"npz:{folder / 'data.npz'}",
    }[kind]


def delete(folder: Path, root: Path) -> None:
    """Removes a stored upload for good."""
    if folder not in stored(root):
        raise BadInput(f"there is no upload '{folder.name}'")
    shutil.rmtree(folder)


def _store_table(content: bytes, folder: Path) -> tuple[str, str]:
    (folder / "table.csv").write_bytes(content)
    return "csv", "table.csv"


def _store_arrays(content: bytes, folder: Path) -> tuple[str, str]:
    (folder / "data.npz").write_bytes(content)
    return "npz", "data.npz"


def _store_zip(content: bytes, folder: Path) -> tuple[str, str]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        raise BadInput("this file ends in .zip but is no zip archive") from None
    pictures = [entry for entry in archive.infolist() if _is_picture(entry)]
    if not pictures:
        raise BadInput("the zip holds no pictures; put .jpg or .png files into one folder per class")
    if len(pictures) > MAX_FILES:
        raise BadInput(f"the zip holds {len(pictures):,} pictures; at most {MAX_FILES:,} are taken")
    left = MAX_BYTES
    for number, entry in enumerate(pictures):
        place = folder / "classes" / _class_folder(entry.filename)
        place.mkdir(parents=True, exist_ok=True)
        data = _read_bounded(archive, entry, min(MAX_FILE_BYTES, left))
        left -= len(data)
        (place / f"{number:06d}{PurePosixPath(entry.filename).suffix.lower()}").write_bytes(data)
    return "folder", "classes"


def _is_picture(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    return not entry.is_dir() and path.suffix.lower() in PICTURES and not path.name.startswith("._")


def _class_folder(name: str) -> Path:
    """[split/]class of an entry, whatever folders stand above it."""
    parents = [part for part in PurePosixPath(name.replace("\\", "/")).parts[:-1] if part not in ("/", ".", "..")]
    if not parents:
        raise BadInput("the zip holds pictures outside any folder; put them into one folder per class")
    label = _safe(parents[-1])
    split = parents[-2].lower() if len(parents) > 1 else ""
    return Path(split) / label if split in SPLITS else Path(label)


def _safe(label: str) -> str:
    return re.sub(r"[^\w-]+", "_", label, flags=re.ASCII).strip("_")[:60] or "class"


def _read_bounded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """An entry's bytes, counted as they come: the size that the archive states is not believed."""
    try:
        with archive.open(entry) as file:
            data = file.read(limit + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError):
        raise BadInput("the zip cannot be read: it is damaged, encrypted or packed in an unusual way") from None
    if len(data) > limit:
        raise BadInput(
            f"the zip unpacks to more than is taken ({MAX_BYTES / 1e9:.0f} GB, {MAX_FILE_BYTES / 1e6:.0f} MB a picture)"
        )
    return data
