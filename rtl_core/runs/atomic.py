"""JSON files that are always whole, and checked when they are read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.files import replacing
from rtl_core.read_only import refused_in_public


@refused_in_public("writing a run")
def write_json(path: Path, value: Any) -> None:
    """Readable, strict JSON; see `documents.plain` for what becomes of results, numpy values and NaN."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path, limit: int) -> dict[str, Any]:
    """The JSON object in a file of at most `limit` bytes; BadInput says what is wrong with it otherwise."""
    try:
        if not path.is_file() and path.exists():  # a pipe would be waited for without end
            raise BadInput(f"{path.name} in {path.parent} is no file; put the original one there")
        with open(path, "rb") as file:
            text = file.read(limit + 1)
    except FileNotFoundError:
        raise BadInput(f"{path.name} is missing in {path.parent}: this is not the complete folder of a run") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > limit:
        raise BadInput(f"{path.name} is larger than the {limit:,} bytes that such a file may have")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise BadInput(
            f"{path.name} is not valid JSON: it is truncated, was edited by hand, or is another file renamed"
        ) from None
    if not isinstance(value, dict):
        raise BadInput(f"{path.name} holds a JSON {type(value).__name__}; it should hold an object")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number
