"""How much memory a file may ask for: more where it is large itself, so that a small one cannot take the machine."""

from __future__ import annotations

from pathlib import Path

from rtl_core.errors import BadInput

SMALL_BYTES = 256 * 2**20  # any file may become so much
RATIO = 100  # and a larger one so many times its own size
MAX_BYTES = 4 * 2**30  # of data in memory, whatever the file's size
MAX_CELLS = 100_000_000  # of a table
MAX_COLUMNS = 10_000


def most_unpacked(size: int, most: int = MAX_BYTES) -> int:
    """How many bytes a file of `size` bytes may become in memory."""
    return min(most, max(SMALL_BYTES, RATIO * size))


def check_unpacked(needed: int, size: int, what: str, most: int = MAX_BYTES) -> None:
    """BadInput where a file of `size` bytes becomes `needed` ones and these are too many; `what`: "a.npz needs"."""
    allowed = most_unpacked(size, most)
    if needed > allowed:
        raise BadInput(
            f"{what} {needed:,} bytes in memory, more than the {allowed:,} allowed for a file of {size:,} bytes; "
            "use a part of it"
        )


def check_table(rows: int, columns: int, size: int, called: str) -> None:
    """BadInput where a file of `size` bytes holds a table that is too large for it, or for the program."""
    if columns > MAX_COLUMNS:
        raise BadInput(f"{called} has {columns:,} columns; at most {MAX_COLUMNS:,} are read")
    if rows * columns > MAX_CELLS:
        raise BadInput(f"{called} has {rows * columns:,} cells; at most {MAX_CELLS:,} are read: use a part of its rows")
    check_unpacked(8 * rows * columns, size, f"{called} needs")


def read_text(file: Path, most: int, what: str) -> str:
    """A whole text file of at most `most` bytes; `what`: "class names"."""
    return read_bytes(file, most, what).decode("utf-8-sig", errors="replace")


def read_bytes(file: Path, most: int, what: str) -> bytes:
    """A whole file, whose size is looked at before it is read."""
    size = file.stat().st_size
    if size > most:
        raise BadInput(f"{file} has {size:,} bytes; at most {most:,} of {what} are read")
    with open(file, "rb") as source:
        return source.read(most)
