"""Zip archives from elsewhere: looked at before they are opened, so that a small one cannot fill the memory."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from rtl_core.errors import BadInput

MAX_DIRECTORY_BYTES = 16 * 2**20  # an entry takes 46 and its name here, and some ten times as much in memory
# Others take as much memory as the archive asks for: LZMA up to 4 GiB to unpack nothing.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for a damaged, encrypted or malicious entry.
DAMAGED = (
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


def opened_zip(source: Path | BinaryIO, called: str) -> zipfile.ZipFile:
    """The archive, to be closed by the caller. `called`: its name in sentences.

    BadInput: more entries than are taken, entries packed in another than zip's usual way, or one without a name (which
    zipfile itself stumbles over). zipfile.BadZipFile, and no other error, where it is no intact archive.
    """
    try:
        if isinstance(source, Path):
            with open(source, "rb") as file:
                start = _directory(file, called)
        else:
            start = _directory(source, called)
        archive = zipfile.ZipFile(source)
        if archive.start_dir != start:  # another reader would see another archive in the same file
            archive.close()
            raise zipfile.BadZipFile
    except BadInput:
        raise
    except DAMAGED as error:
        raise zipfile.BadZipFile(str(error)) from None
    try:
        _check_entries(archive.infolist(), called)
    except BadInput:
        archive.close()
        raise
    return archive


def _check_entries(entries: Sequence[zipfile.ZipInfo], called: str) -> None:
    if not all(entry.filename for entry in entries):
        raise BadInput(f"{called} holds an entry without a name; pack it again")
    odd = [entry for entry in entries if entry.compress_type not in _METHODS]
    if odd:
        raise BadInput(f"{called} is packed in an unusual way (method {odd[0].compress_type}); pack it as a plain zip")


def _directory(file: BinaryIO, called: str) -> int:
    """Where the archive's directory begins, by its own account.

    ZipFile reads the directory whole and makes an object of every entry, so its size is looked at first: with
    zipfile's own function, because one of ours might take another place for the archive's end.
    """
    end = zipfile._EndRecData(file)
    if not end:
        raise zipfile.BadZipFile
    size = end[zipfile._ECD_SIZE]
    if size > MAX_DIRECTORY_BYTES:
        raise BadInput(
            f"{called} has a directory of {size:,} bytes, at most {MAX_DIRECTORY_BYTES:,} are read; pack fewer files"
        )
    return end[zipfile._ECD_OFFSET]
