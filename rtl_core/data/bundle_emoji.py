"""Makes `bundled:emoji` from the houses' vector drawings."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse.csgraph import connected_components

from rtl_core.data.bundled import FILES
from rtl_core.data.emoji import CATEGORIES, COLUMNS, HOUSES, SIDE
from rtl_core.rng import numpy_generator

NEARLY_THE_SAME = 12.0  # grey levels, the mean over pixels and colours
SMALL_SITTING = 9  # emoji; larger ones (clock faces, keycaps, round faces) are for training only
_CATEGORIES = {
    "Smileys & Emotion": "smileys",
    "Animals & Nature": "animals",
    "Food & Drink": "food",
    "Travel & Places": "travel",
    "Activities": "activities",
    "Objects": "objects",
    "Symbols": "symbols",
}


def bundle_emoji(folder: Path) -> None:
    """Every emoji of the seven categories that all four houses draw, without people and flags: a contact sheet, house
    after house, and the table of what is drawn."""
    houses = [_House.read(folder / name) for name in HOUSES]
    codes = sorted(set.intersection(*(set(house.names) for house in houses)), key=_code_points)
    categories = [{_CATEGORIES.get(house.categories.get(house.names[code])) for house in houses} for code in codes]
    kept = [
        (code, *names) for code, names in zip(codes, categories, strict=True) if len(names) == 1 and None not in names
    ]
    index = pd.DataFrame(kept, columns=["codepoints", "category"])
    index.insert(1, "name", [houses[0].names[code] for code in index["codepoints"]])
    pictures = np.stack([[house.drawn(code) for code in index["codepoints"]] for house in houses])
    index["sitting"] = _sittings(pictures)
    index["split"] = _split_by_sittings(index)
    index.to_csv(FILES / "emoji.csv", index=False)
    tiles = pictures.reshape(-1, *pictures.shape[2:])
    tiles = np.concatenate([tiles, np.full((-len(tiles) % COLUMNS, *tiles.shape[1:]), 255, np.uint8)])
    sheet = tiles.reshape(-1, COLUMNS, SIDE, SIDE, 3).swapaxes(1, 2).reshape(-1, COLUMNS * SIDE, 3)
    Image.fromarray(sheet).save(FILES / "emoji.webp", lossless=True, quality=100, method=6)


@dataclass(frozen=True)
class _House:
    """One npm package of drawings.

    names       code points -> name; categories: name -> category; drawings: the package's `icons.json`
    """

    names: dict[str, str]
    categories: dict[str, str]
    drawings: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> _House:
        names, drawings, about = (
            json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("chars", "icons", "metadata")
        )
        return cls(names, {name: group for group, all_ in about["categories"].items() for name in all_}, drawings)

    def drawn(self, code: str) -> np.ndarray:
        """uint8 (32, 32, 3): drawn twice as large on white, in the middle, and averaged by fours."""
        import resvg_py

        name, drawings = self.names[code], self.drawings
        icon = drawings["icons"].get(name) or drawings["icons"][drawings["aliases"][name]["parent"]]
        width, height = (icon.get(side, drawings.get(side, 16)) for side in ("width", "height"))
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"><g color="#000">{icon["body"]}</g></svg>'
        )
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIDE, height=2 * SIDE, background="white"))
        drawn = Image.open(io.BytesIO(png)).convert("RGB")
        canvas = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
        canvas.paste(drawn, ((2 * SIDE - drawn.width) // 2, (2 * SIDE - drawn.height) // 2))
        return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))


def _code_points(code: str) -> list[int]:
    return [int(each, 16) for each in code.split("-")]


def _sittings(pictures: np.ndarray) -> np.ndarray:
    """int (n,): emoji that two houses or more draw nearly the same get one number (single linkage)."""
    flat = pictures.reshape(*pictures.shape[:2], -1).astype(np.float32)
    near = np.stack([np.stack([np.abs(house - one).mean(axis=1) < NEARLY_THE_SAME for one in house]) for house in flat])
    return connected_components(near.sum(axis=0) >= 2)[1]


def _split_by_sittings(index: pd.DataFrame) -> np.ndarray:
    """70 % train, 10 % val and 20 % test of every category's emoji; sittings stay whole, and large ones train only."""
    split = np.full(len(index), "train", dtype="<U5")
    generator = numpy_generator(0, "bundle", "emoji")
    for category in CATEGORIES:
        of = index[index["category"] == category]
        sizes = of["sitting"].value_counts()
        small = sizes.index[sizes <= SMALL_SITTING].to_numpy()
        order = generator.permutation(np.sort(small))
        places = np.cumsum([sizes[sitting] for sitting in order])
        test, val = 0.2 * len(of), 0.3 * len(of)
        split[index["sitting"].isin(order[places <= test])] = "test"
        split[index["sitting"].isin(order[(places > test) & (places <= val)])] = "val"
    return split
