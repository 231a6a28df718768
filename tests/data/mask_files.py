"""Small folders and zips of pictures with masks, as people have them."""

from __future__ import annotations

import zipfile
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
