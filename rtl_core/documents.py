"""Results as JSON documents: at the command line, and where a file of a run is written.

A result is a frozen dataclass, and its fields are the description of its document: they are the keys, in their order.
Metadata of a field says where the document differs:

    INLINE      the field's own keys stand in the document in place of it
    OPTIONAL    it is left out of the document while it is None
    key(name)   it has another name there, such as a word that Python keeps for itself
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

INLINE, OPTIONAL = {"inline": True}, {"optional": True}


def key(name: str) -> dict[str, str]:
    """The metadata of a field that has this name in the document."""
    return {"key": name}


def plain(value: Any) -> Any:
    """The same value in JSON's own types; NaN and infinity become None, because JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return plain(entries(value))
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value


def entries(result: Any) -> dict[str, Any]:
    """The keys of a result's document with their values as they are: a row of a table of such results."""
    row: dict[str, Any] = {}
    for each in fields(result):
        value = getattr(result, each.name)
        if "inline" in each.metadata:
            row |= entries(value) if is_dataclass(value) else value or {}
        elif value is not None or "optional" not in each.metadata:
            row[each.metadata.get("key", each.name)] = value
    return row
