"""`bundled:cells`: pictures of blood with boxes around red cells, white cells and platelets (BCCD)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.boxes import dataset_of_boxes, padded, strata, stretched_pixels
from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import Pictures
from rtl_core.data.splits import limited_rows

SHAPE = (120, 160)  # pixels, height and width
COLUMNS = 20  # tiles in a row of the contact sheet
SHEET, TABLE = "cells.jpg", "cells.csv"


def load_cells(files: Path, settings: DataSettings, seed: int) -> Dataset:
    """All 364 pictures in BCCD's own split. Every JPEG decoder that follows libjpeg's integer transform makes the same
    pixels of the sheet."""
    height, width = SHAPE
    table = pd.read_csv(files / TABLE, keep_default_na=False)
    with Image.open(files / SHEET) as sheet:
        tiles = np.asarray(sheet).reshape(-1, height, COLUMNS, width, 3).transpose(0, 2, 4, 1, 3)
    split_of = table.groupby("picture", sort=True)["split"].first()
    x, split = tiles.reshape(-1, 3, height, width)[: len(split_of)], split_of.to_numpy(dtype="<U5")
    classes = sorted(table["class"].unique())
    corners = table[["x0", "y0", "x1", "y1"]].to_numpy(float)
    boxes = np.column_stack([table["class"].map(classes.index), corners])
    whole = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    picture = split_of.index.get_indexer(table["picture"])
    of_pictures = [boxes[whole & (picture == row)] for row in range(len(split_of))]
    similar = strata([own[:, 0].astype(int) for own in of_pictures], len(classes))
    keep = limited_rows(similar, split, settings.limit, seed)
    x, y = x[keep], padded([of_pictures[row] for row in keep])
    if settings.image_size is not None:
        x = np.stack([stretched_pixels(picture, settings.image_size) for picture in x])
        y[:, :, 1:] *= np.float32(settings.image_size) / np.array([width, height, width, height], np.float32)
    licence = "MIT, Copyright (c) 2017 shenggan (BCCD)"
    notes = (f"boxes without area, left out: {int((~whole).sum())}",)
    return dataset_of_boxes(settings.spec, Pictures(x, y, tuple(classes), split[keep], licence, notes))
