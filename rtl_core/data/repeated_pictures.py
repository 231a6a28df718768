"""Pictures that stand twice in the data, found by their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd


def repeated_notes(x: np.ndarray, y: np.ndarray, split: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Sentences on equal pictures in train and in another split, or in two classes; none where there are none.

    x, y, split  pixels (n, ...), class (n,) and split (n,) of each picture
    names        what each is called in a sentence
    """
    pictures = pd.DataFrame({"digest": [hashlib.sha256(row.tobytes()).digest() for row in x], "y": y, "split": split})
    pictures["name"] = list(names)
    train = pictures[pictures.split == "train"].drop_duplicates("digest").set_index("digest")["name"]
    notes = []
    for other in ("val", "test"):
        seen = pictures[(pictures.split == other) & pictures.digest.isin(train.index)]
        if len(seen):
            first = seen.iloc[0]
            notes.append(
                f"{other} pictures that stand in train too: {len(seen):,} (pixel by pixel, as '{first['name']}' and "
                f"'{train[first.digest]}'); figures on them say nothing about new pictures"
            )
    in_classes = pictures.groupby("digest")["y"].nunique()
    twice = pictures[pictures.digest.isin(in_classes.index[in_classes > 1])]
    if len(twice):
        a, b = twice[twice.digest == twice.digest.iloc[0]].drop_duplicates("y")["name"].iloc[:2]
        notes.append(f"pictures that stand in several classes: {len(twice):,} (pixel by pixel, as '{a}' and '{b}')")
    return tuple(notes)
