"""Small folders and zips of pictures with masks, as people have them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16


def picture(seed: int, shape: tuple[int, ...] = (SIDE, SIDE, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=shape).astype(np.uint8)


def mask(seed: int, values: tuple[int, ...] = (0, 1, 2), shape: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """Every value stands in some pixel."""
    drawn = np.random.default_rng(seed).choice(values, size=shape)
    drawn.flat[: len(values)] = values
    return drawn.astype(np.uint8)


def save(path: Path, values: np.ndarray, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **how)


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits a pixel, which Pillow reads and does not write; rows fill whole bytes."""
    groups = values.reshape(len(values), -1, 8 // bits)
    rows = (groups << np.arange(8 - bits, -1, -bits)).sum(axis=2).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    packed = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def masked_pictures(root: Path, n: int = 12, **of_mask) -> Path:
    """`images/` and `masks/` with n pairs."""
    for i in range(n):
        save(root / "images" / f"{i:03d}.png", picture(i))
        save(root / "masks" / f"{i:03d}.png", mask(i, **of_mask))
    return root


def zipped(root: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as out:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                out.write(path, path.relative_to(root).as_posix())
    return target
