"""The data sets that come with the project: no download, and the same split for every seed.

`python -m rtl_core.data.bundle` remakes the files; their licences stand in `files/README.md`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.cells import load_cells
from rtl_core.data.dataset import Dataset
from rtl_core.data.domains import DOMAINS, in_all_domains
from rtl_core.data.emoji import load_emoji
from rtl_core.data.idx import FASHION_CLASSES
from rtl_core.data.pictures import Pictures, from_arrays
from rtl_core.data.pixel_masks.source import load_masks
from rtl_core.data.tabular import table_dataset
from rtl_core.errors import BadInput

FILES = Path(__file__).parent / "files"
FASHION_SIDE = 28
FASHION_COLUMNS = 100  # tiles in a row of the contact sheet
FASHION_SPLITS = {"train": 10_000, "val": 1_000, "test": 2_000}  # in this order; tile i shows class i % 10
ADULT_GROUPS = ("sex", "race", "age_group", "education", "native-country", "age")
AGE_EDGES = (25, 35, 45, 55, 65)  # years; a group begins at its edge
_FIXED = 0  # the seed of the bundled sets' splits


def load_bundled(name: str, settings: DataSettings, seed: int) -> Dataset:
    """A bundled data set; `seed` draws the `limit` only."""
    if name not in BUNDLED:
        raise BadInput(f"there is no bundled data '{name}'; there are: {', '.join(BUNDLED)}")
    return BUNDLED[name](settings, seed)


def _fashion(settings: DataSettings, seed: int) -> Dataset:
    """10,000 / 1,000 / 2,000 pictures of Fashion-MNIST (train / val / test), each class equally often."""
    sheet = np.asarray(Image.open(FILES / "fashion.png"))
    rows = sheet.shape[0] // FASHION_SIDE
    tiles = sheet.reshape(rows, FASHION_SIDE, FASHION_COLUMNS, FASHION_SIDE).swapaxes(1, 2)
    x = tiles.reshape(-1, 1, FASHION_SIDE, FASHION_SIDE)
    y = np.arange(len(x)) % len(FASHION_CLASSES)
    given = np.repeat(list(FASHION_SPLITS), list(FASHION_SPLITS.values()))
    pictures = Pictures(x, y, FASHION_CLASSES, given, licence="MIT, Zalando SE (Fashion-MNIST)")
    return from_arrays(pictures, settings, seed)


def _domains(settings: DataSettings, seed: int) -> Dataset:
    """The pictures of `bundled:fashion`, each in five domains; `limit` counts the copies."""
    limit = settings.limit and max(1, settings.limit // len(DOMAINS))
    return in_all_domains(_fashion(settings.model_copy(update={"limit": limit}), seed))


def _digits(settings: DataSettings, seed: int) -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; 17 grey levels, scaled to 0 .. 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    classes = tuple(map(str, digits.target_names))
    licence = "CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)"
    return from_arrays(Pictures(x, digits.target, classes, licence=licence), settings, seed, _FIXED)


def _adult(settings: DataSettings, seed: int) -> Dataset:
    """UCI Adult, all 48,842 rows with their original train/test split; the survey weight is not a feature."""
    frame = pd.read_parquet(FILES / "adult.parquet")
    frame["age_group"] = age_groups(frame["age"])
    chosen = settings.model_copy(
        update={
            "target": settings.target or "income",
            "groups": settings.groups or ADULT_GROUPS,
            "drop": (*settings.drop, "fnlwgt", "age_group"),
        }
    )
    return table_dataset(
        frame, chosen, seed, split_seed=_FIXED, licence="CC BY 4.0, Becker & Kohavi 1996, doi 10.24432/C5XW20"
    )


def _emoji(settings: DataSettings, seed: int) -> Dataset:
    """1,234 emoji, each as four houses draw it, 32 x 32 in colours."""
    return load_emoji(FILES, settings, seed)


def _nuclei(settings: DataSettings, seed: int) -> Dataset:
    """664 microscope pictures of 96 x 96 pixels with the class of each pixel; units are sittings, as far as pictures
    tell."""
    licence = "CC0, 2018 Data Science Bowl (Broad Bioimage Benchmark Collection BBBC038)"
    return load_masks(FILES / "nuclei.zip", settings, seed, licence)


def _cells(settings: DataSettings, seed: int) -> Dataset:
    """364 pictures of blood, 160 x 120 pixels, with boxes around cells."""
    return load_cells(FILES, settings, seed)


def age_groups(age: pd.Series) -> pd.Series:
    """Ordered categories "under 25", "25-34", ..., "65 and over"."""
    between = [f"{low}-{high - 1}" for low, high in itertools.pairwise(AGE_EDGES)]
    names = [f"under {AGE_EDGES[0]}", *between, f"{AGE_EDGES[-1]} and over"]
    return pd.cut(age, [-np.inf, *AGE_EDGES, np.inf], right=False, labels=names)


BUNDLED: dict[str, Callable[[DataSettings, int], Dataset]] = {
    "fashion": _fashion,
    "domains": _domains,
    "emoji": _emoji,
    "digits": _digits,
    "adult": _adult,
    "nuclei": _nuclei,
    "cells": _cells,
}
