"""Makes the files of the bundled data from their sources (needed only to remake them).

    python -m rtl_core.data.bundle fashion /usr/share/datasets/fashion-mnist
    python -m rtl_core.data.bundle adult adult.parquet
    python -m rtl_core.data.bundle nuclei dsb2018_256.zip
    python -m rtl_core.data.bundle emoji node_modules/@iconify-json
    python -m rtl_core.data.bundle cells BCCD_Dataset/BCCD

The first argument names the set; the second is a folder with Fashion-MNIST's four IDX files, a
Parquet file of UCI Adult with its raw categories, nulls for missing cells and a column `split`, a zip of the 2018 Data
Science Bowl (bundle_nuclei.py), a folder with the npm packages @iconify-json/noto, twemoji, fluent-emoji-flat and
fluent-emoji-high-contrast, each in a folder of its own name (bundle_emoji.py), or the VOC folder of BCCD
(bundle_cells.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.data.bundle_cells import bundle_cells
from rtl_core.data.bundle_emoji import bundle_emoji
from rtl_core.data.bundle_nuclei import bundle_nuclei
from rtl_core.data.bundled import FASHION_COLUMNS, FASHION_SIDE, FASHION_SPLITS, FILES
from rtl_core.data.idx import read_pair
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator


def bundle_fashion(folder: Path) -> None:
    """A contact sheet of 13,000 pictures: train and val from the original train files, test from the test files."""
    train_x, train_y = read_pair(folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz")
    test_x, test_y = read_pair(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
    learned = classes_in_turn(train_y, FASHION_SPLITS["train"] + FASHION_SPLITS["val"], "train")
    tested = classes_in_turn(test_y, FASHION_SPLITS["test"], "test")
    pictures = np.concatenate([train_x[learned], test_x[tested]])
    tiles = pictures.reshape(-1, FASHION_COLUMNS, FASHION_SIDE, FASHION_SIDE).swapaxes(1, 2)
    sheet = Image.fromarray(tiles.reshape(-1, FASHION_COLUMNS * FASHION_SIDE))
    sheet.save(FILES / "fashion.png", optimize=True)


def classes_in_turn(y: np.ndarray, count: int, name: str) -> np.ndarray:
    """`count` rows drawn without replacement so that row i of them has class i % 10."""
    generator = numpy_generator(0, "bundle", "fashion", name)
    columns = [generator.choice(np.flatnonzero(y == label), count // 10, replace=False) for label in range(10)]
    return np.stack(columns, axis=1).ravel()


def bundle_adult(file: Path) -> None:
    pd.read_parquet(file).to_parquet(FILES / "adult.parquet", compression="brotli", compression_level=11, index=False)


def main(arguments: list[str]) -> None:
    makers = {
        "fashion": bundle_fashion,
        "adult": bundle_adult,
        "emoji": bundle_emoji,
        "nuclei": lambda source: bundle_nuclei(source, FILES / "nuclei.zip"),
        "cells": lambda folder: bundle_cells(folder, FILES),
    }
    if len(arguments) != 2 or arguments[0] not in makers:
        raise BadInput(
            "usage: python -m rtl_core.data.bundle fashion FOLDER | adult FILE | emoji FOLDER | nuclei FILE | cells "
            "FOLDER"
        )
    makers[arguments[0]](Path(arguments[1]))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BadInput as error:
        sys.exit(str(error))
