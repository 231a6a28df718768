"""The same name for the same data, on every machine."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd


def fingerprint(
    x: np.ndarray, y: np.ndarray, split: np.ndarray, classes: tuple[str, ...], attributes: pd.DataFrame
) -> str:
    """32 hex digits over contents, types and shapes; where the data lies and what it is called do not count."""
    digest = hashlib.blake2b(digest_size=16)
    _add_array(digest, "x", x)
    _add_array(digest, "y", y)
    _add_texts(digest, "split", split)
    _add_texts(digest, "classes", classes)
    for name, column in attributes.items():
        if pd.api.types.is_numeric_dtype(column.dtype):
            _add_array(digest, str(name), column.to_numpy(dtype=np.float64))
        else:
            _add_texts(digest, str(name), column.astype(str))
    return digest.hexdigest()


def _add_array(digest: hashlib.blake2b, name: str, values: np.ndarray) -> None:
    little_endian = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    digest.update(json.dumps([name, little_endian.dtype.str, values.shape]).encode())
    digest.update(little_endian.data)


def _add_texts(digest: hashlib.blake2b, name: str, texts) -> None:
    digest.update(json.dumps([name, *map(str, texts)]).encode())
