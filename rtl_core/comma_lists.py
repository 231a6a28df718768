"""Lists of names in one line of text, with commas between them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from rtl_core.errors import BadInput


def listed(text: str) -> list[str]:
    """The names between commas, without blanks around; a name that holds a comma stands in double quotes, as in CSV.

    BadInput where a double quote is not closed.
    """
    try:
        rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        pieces = [piece.strip() for row in rows for piece in row]
    except csv.Error:
        raise BadInput(
            f'the list {text} has a double quote that is not closed; names with commas are written "a,b","c"'
        ) from None
    return [piece for piece in pieces if piece]


def joined(names: Iterable[object]) -> str:
    """The line from which `listed` reads these names again."""
    return ", ".join(_quoted(str(name)) for name in names)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name
