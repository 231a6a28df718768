"""Files that are always whole: a reader sees the old content or the new one, never half of either."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.errors import BadInput


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Raises whatever the block raises, and then leaves `path` as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        yield draft
        with open(draft, "rb") as written:
            os.fsync(written.fileno())  # else a power cut could leave the new name with no content
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Readable, strict JSON; see `plain` for what becomes of numpy values and NaN."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(plain(value), indent=1, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path, limit: int) -> dict[str, Any]:
    """The JSON object in a file of at most `limit` bytes; BadInput says what is wrong with it otherwise."""
    try:
        with open(path, "rb") as file:
            text = file.read(limit + 1)
    except FileNotFoundError:
        raise BadInput(f"{path.name} is missing in {path.parent}: this is not the complete folder of a run") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > limit:
        raise BadInput(f"{path.name} is larger than the {limit:,} bytes that such a file may have")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(
            f"{path.name} is not valid JSON: it is truncated, was edited by hand, or is another file renamed"
        ) from None
    if not isinstance(value, dict):
        raise BadInput(f"{path.name} holds a JSON {type(value).__name__}; it should hold an object")
    return value


def plain(value: Any) -> Any:
    """The same value in JSON's own types; NaN and infinity become None, because JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
