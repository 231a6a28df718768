"""What a file is that was taken for another, told by its first bytes."""

from __future__ import annotations

_STARTS = {
    **{bytes((0x80, protocol)): "a pickle, which is never opened" for protocol in (2, 3, 4, 5)},
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind",
    b"ARROW1": "a Feather file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF file",
    b"\x1f\x8b": "packed with gzip",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"version https://git-lfs": "a pointer of Git LFS and not the file itself, which `git lfs pull` fetches",
}
_TEXTS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b'{"': "a JSON file",
    b"[{": "a JSON file",
    b"[[": "a JSON file",
}


def other_kind(head: bytes) -> str | None:
    """What a file is, in words that go on with "it is"; None where its beginning says nothing of the kind."""
    known = next((what for start, what in _STARTS.items() if head.startswith(start)), None)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    return known or next((what for start, what in _TEXTS.items() if text.startswith(start)), None)
