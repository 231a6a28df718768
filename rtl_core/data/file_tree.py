"""The files of a folder or of a zip, read in the same way: nothing is unpacked to disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rtl_core.data.archives import DAMAGED, opened_zip
from rtl_core.data.class_folders import Names, is_hidden
from rtl_core.data.folders import MAX_FILES, entries
from rtl_core.data.limits import MAX_BYTES, most_unpacked
from rtl_core.errors import BadInput

MAX_FILE_BYTES = 50 * 10**6  # of one file, unpacked


@dataclass(frozen=True)
class FileTree:
    """Files below a root, without hidden ones and those of systems; open only inside `file_tree`.

    sizes  path below the root -> bytes
    """

    root: Path
    sizes: dict[Names, int]
    archive: zipfile.ZipFile | None = None

    def __iter__(self) -> Iterator[Names]:
        return iter(self.sizes)

    def called(self, path: Names) -> str:
        """A file as people know it."""
        return "/".join(path)

    def opened(self, path: Names) -> Path | io.BytesIO:
        """What a reader of files takes: a path, or the bytes of an archive's entry."""
        if self.archive is None:
            return self.root.joinpath(*path)
        return io.BytesIO(self.content(path))

    def content(self, path: Names, most: int = MAX_FILE_BYTES) -> bytes:
        """The bytes of a file; BadInput where it has more than `most`, or an archive is damaged there."""
        if self.sizes[path] > most:
            raise BadInput(f"{self.called(path)} has {self.sizes[path]:,} bytes; at most {most:,} are read")
        if self.archive is None:
            return self.root.joinpath(*path).read_bytes()
        try:
            with self.archive.open("/".join(path)) as entry:
                content = entry.read(most + 1)
        except DAMAGED:
            raise BadInput(f"{self.called(path)} cannot be read from {self.root.name}; pack it again") from None
        if len(content) > most:
            raise BadInput(f"{self.called(path)} has more than {most:,} bytes; it is not read")
        return content


@contextmanager
def file_tree(root: Path) -> Iterator[FileTree]:
    """The files below a folder or in a zip. BadInput for whatever is neither, and for an archive that unpacks to more
    than its size allows."""
    if root.is_dir():
        yield FileTree(root, {path: root.joinpath(*path).stat().st_size for path in _paths(root)})
        return
    try:
        opened = opened_zip(root, root.name)
    except zipfile.BadZipFile:
        raise BadInput(f"{root} is neither a folder nor a whole zip archive; give one of them") from None
    with opened as archive:
        sizes = {
            tuple(entry.filename.split("/")): entry.file_size for entry in archive.infolist() if not entry.is_dir()
        }
        sizes = {path: size for path, size in sizes.items() if not is_hidden(path)}
        allowed, needed = most_unpacked(root.stat().st_size, MAX_BYTES), sum(sizes.values())
        if needed > allowed:
            raise BadInput(
                f"{root.name} unpacks to {needed:,} bytes; at most {allowed:,} are read from a zip of its size"
            )
        if len(sizes) > MAX_FILES:
            raise BadInput(f"{root.name} holds {len(sizes):,} files; at most {MAX_FILES:,} are read")
        yield FileTree(root, sizes, archive)


def _paths(root: Path) -> Iterator[Names]:
    for entry in entries(root):
        if entry.problem is None and not is_hidden(entry.path):
            yield entry.path
