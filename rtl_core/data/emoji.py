"""The same things drawn by four houses: real domains in colour, `bundled:emoji`.

`python -m rtl_core.data.bundle emoji FOLDER` makes the two files from the houses' own vector drawings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import Pictures, picture_dataset, resized
from rtl_core.data.splits import limited_rows

SIDE = 32  # pixels
COLUMNS = 40  # tiles in a row of the contact sheet
HOUSES = {"noto": "Noto", "twemoji": "Twemoji", "fluent-emoji-flat": "Fluent", "fluent-emoji-high-contrast": "Outline"}
CATEGORIES = ("smileys", "animals", "food", "travel", "activities", "objects", "symbols")
LICENCE = (
    "Noto Emoji: Apache-2.0, Google; Twemoji: CC BY 4.0, Twitter and contributors; Fluent Emoji, flat and high "
    "contrast: MIT, Microsoft"
)


@dataclass(frozen=True)
class Emoji:
    """What is drawn, and where it belongs.

    pictures  uint8 (houses, n, 3, 32, 32), on white
    index     n rows: code points, name, category, sitting (emoji that look nearly the same), split
    """

    pictures: np.ndarray
    index: pd.DataFrame


def read(folder: Path) -> Emoji:
    index = pd.read_csv(folder / "emoji.csv", dtype={"codepoints": str})
    with Image.open(folder / "emoji.webp") as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    tiles = pixels.reshape(-1, SIDE, COLUMNS, SIDE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, SIDE, SIDE)
    return Emoji(tiles[: len(HOUSES) * len(index)].reshape(len(HOUSES), len(index), 3, SIDE, SIDE), index)


def load_emoji(folder: Path, settings: DataSettings, seed: int) -> Dataset:
    """Every emoji once per house, house after house, with the attribute `domain`; classes are Unicode's categories.

    The split is by emoji: what one house's picture teaches is never asked of another house's picture of the same
    thing. Emoji that look nearly the same (the clock faces, the keycaps) share a unit and stand in one split. `limit`
    counts pictures.
    """
    emoji = read(folder)
    y = emoji.index["category"].map(CATEGORIES.index).to_numpy()
    split = emoji.index["split"].to_numpy(str)
    keep = limited_rows(y, split, settings.limit and max(1, settings.limit // len(HOUSES)), seed)
    copies = len(HOUSES)
    pictures = Pictures(
        resized(emoji.pictures[:, keep].reshape(-1, 3, SIDE, SIDE), settings.image_size),
        np.tile(y[keep], copies),
        CATEGORIES,
        np.tile(split[keep], copies),
        LICENCE,
        ("Emoji that look nearly the same count as one in intervals, and stand in one split.",),
    )
    domain = pd.Categorical(np.repeat(list(HOUSES.values()), len(keep)), categories=list(HOUSES.values()))
    unit = np.tile(emoji.index["sitting"].to_numpy(np.int64)[keep], copies)
    return picture_dataset(settings.spec, pictures, pd.DataFrame({"domain": domain}), unit)
