"""Masks as packed bits: eight weights a byte, and the exact sizes of their intersections.

Bit order is little: weight i of a mask is bit `i % 8` of byte `i // 8`; the last byte is filled up with zeros.
"""

from __future__ import annotations

import numpy as np

# Words of every row that are worked on together: 100 rows of 32 KiB stay in the second-level cache.
_CHUNK = 4096


def pack(masks: np.ndarray) -> np.ndarray:
    """bool (K, N) -> uint8 (K, ceil(N / 8))."""
    return np.packbits(masks, axis=1, bitorder="little")


def unpack(bits: np.ndarray, n: int) -> np.ndarray:
    """uint8 (K, ceil(n / 8)) -> bool (K, n); the inverse of `pack`."""
    return np.unpackbits(bits, axis=1, count=n, bitorder="little").view(bool)


def counts(bits: np.ndarray) -> np.ndarray:
    """int64 (K,): the number of kept weights of each packed mask."""
    return np.bitwise_count(bits).sum(axis=1, dtype=np.int64)


def intersections(bits_a: np.ndarray, bits_b: np.ndarray | None = None) -> np.ndarray:
    """int64 (A, B): how many weights mask i of `bits_a` and mask j of `bits_b` both keep; exact.

    Both are packed masks over the same weights. Without `bits_b`: all pairs within `bits_a`, each counted once.
    """
    a = _words(bits_a)
    b = a if bits_b is None else _words(bits_b)
    shared = np.zeros((len(a), len(b)), dtype=np.int64)
    for start in range(0, a.shape[1], _CHUNK):
        columns = slice(start, start + _CHUNK)
        for i, row in enumerate(a[:, columns]):
            first = i if bits_b is None else 0
            both = np.bitwise_count(row & b[first:, columns])
            shared[i, first:] += both.sum(axis=1, dtype=np.uint32)  # at most 64 * _CHUNK: the narrow sum is faster
    return shared if bits_b is not None else np.triu(shared) + np.triu(shared, 1).T


def _words(bits: np.ndarray) -> np.ndarray:
    """The same bits as uint64 (K, ceil(bytes / 8)); zeros fill the last word and count for nothing."""
    missing = -bits.shape[1] % 8
    return np.ascontiguousarray(np.pad(bits, ((0, 0), (0, missing))) if missing else bits).view(np.uint64)
