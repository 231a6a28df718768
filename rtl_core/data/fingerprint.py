"""The same name for the same data, on every machine."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd

ROW_BYTES = 8  # of a row's digest: of a million rows, two different ones share a digest with a chance of 3e-8


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


def row_digests(x: np.ndarray) -> np.ndarray:
    """uint8 (n, 8): a name for the inputs of each row; rows of the same values have the same, whatever their label."""
    digests = [hashlib.blake2b(row.tobytes(), digest_size=ROW_BYTES).digest() for row in x]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, ROW_BYTES)


def are_among(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """bool (m,): which of `rows` (m, 8) are among `known` (n, 8), both as `row_digests` gives them."""
    return np.isin(_as_numbers(rows), _as_numbers(known))


def _as_numbers(digests: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(digests).view("<u8")[:, 0]


def _add_array(digest: hashlib.blake2b, name: str, values: np.ndarray) -> None:
    little_endian = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    digest.update(json.dumps([name, little_endian.dtype.str, values.shape]).encode())
    digest.update(little_endian.data)


def _add_texts(digest: hashlib.blake2b, name: str, texts) -> None:
    digest.update(json.dumps([name, *map(str, texts)]).encode())
