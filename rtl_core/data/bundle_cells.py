"""Makes the files of `bundled:cells` from BCCD (needed only to remake them)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.data.cells import COLUMNS, SHAPE, SHEET, TABLE
from rtl_core.data.voc import picture_of, picture_splits, read_document
from rtl_core.errors import BadInput


def bundle_cells(folder: Path, files: Path) -> None:
    """A contact sheet of all pictures at a quarter of their sides, and a table with a row a box in pixels of those.

    Chroma is kept at full resolution and tiles are whole JPEG blocks, so no tile shows anything of its neighbours.
    """
    documents = sorted((folder / "Annotations").glob("*.xml"))
    read = [read_document(file) for file in documents]
    if not all(own for _, own in read):
        raise BadInput("a picture of BCCD has no box, and the table would not name it")
    split = picture_splits(folder / "ImageSets" / "Main", {file.stem for file in documents})
    height, width = SHAPE
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(documents) // COLUMNS) * height))
    boxes = []
    for row, (file, (root, own)) in enumerate(zip(documents, read, strict=True)):
        with Image.open(picture_of(folder / "JPEGImages", root, file.stem)) as picture:
            shrink = np.array([width / picture.width, height / picture.height] * 2)
            small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (row % COLUMNS * width, row // COLUMNS * height))
        boxes += [(file.stem, split[file.stem], name, *np.array(corners) * shrink) for name, *corners in own]
    sheet.save(files / SHEET, quality=90, subsampling=0, optimize=True)
    table = pd.DataFrame(boxes, columns=["picture", "split", "class", "x0", "y0", "x1", "y1"])
    table.to_csv(files / TABLE, index=False)
