"""npz archives of arrays: pictures or tables, with or without a split."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib import format as npy

from rtl_core.config import DataSettings
from rtl_core.data.archives import opened_zip
from rtl_core.data.class_folders import check_apart
from rtl_core.data.dataset import Dataset
from rtl_core.data.limits import check_table, check_unpacked
from rtl_core.data.pictures import Pictures, from_arrays
from rtl_core.data.splits import SPLITS
from rtl_core.data.tabular import table_dataset
from rtl_core.errors import BadInput

MAX_BYTES = 4 * 2**30  # of all arrays together, unpacked
MAX_CLASSES = 10_000
_KEYS = "x and y, or x_train, y_train, x_test and y_test (x_val and y_val as well, if you like)"


def load_npz(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """Arrays `x`, `y` or `x_train`, `y_train`, `x_test`, `y_test`; `classes` (names) may stand beside them.

    `y` holds integers or texts. `x` with two axes is a table, with three pictures (n, h, w), with four
    pictures with channels: the last axis if it is 1 or 3, the second otherwise. Pictures are uint8, or
    floats in [0, 1].
    """
    arrays = read_arrays(path)
    x, y, given = _joined(arrays)
    codes, classes = _labels(y, arrays.get("classes"))
    if x.ndim == 2:
        check_table(*x.shape, path.stat().st_size, path.name)
        return _table(x, codes, classes, given, settings, seed)
    return from_arrays(Pictures(as_pictures(x), codes, classes, given), settings, seed)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive by name; headers are read first, so nothing large or pickled is ever opened."""
    try:
        with opened_zip(path, "it") as archive:
            headers = {member.filename: _header(archive, member) for member in archive.infolist()}
            total = sum(math.prod(shape) * dtype.itemsize for shape, dtype in headers.values())
            check_unpacked(total, path.stat().st_size, "its arrays need", MAX_BYTES)
            arrays = {}
            for name in headers:
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = npy.read_array(file, allow_pickle=False)
            return arrays
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None
    except Exception:  # a damaged archive or header makes zipfile and numpy raise errors of many kinds
        raise BadInput(f"{path.name} is not an intact npz archive; write it with numpy.savez_compressed") from None


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of one array, checked against the size in the archive's directory."""
    if not member.filename.endswith(".npy"):
        raise BadInput(f"holds '{member.filename}', which is not an array; write it with numpy.savez_compressed")
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in readers:
            raise BadInput(f"array '{member.filename}' has an unknown format version {version}")
        shape, _, dtype = readers[version](file)
        if dtype.hasobject:
            raise BadInput(
                f"array '{member.filename}' holds pickled objects, which are never opened; store numbers or texts"
            )
        if file.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
            raise BadInput(f"array '{member.filename}' does not hold the values that its header promises")
    return shape, dtype


def _joined(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """x, y and the split that the archive brings (None for plain x and y)."""
    if "x" in arrays and "y" in arrays:
        return (*_aligned(arrays, "x", "y"), None)
    splits = [split for split in SPLITS if f"x_{split}" in arrays and f"y_{split}" in arrays]
    if "train" not in splits:
        raise BadInput(f"an npz archive needs {_KEYS}; this one holds {', '.join(sorted(arrays)) or 'nothing'}")
    pairs = [_aligned(arrays, f"x_{split}", f"y_{split}") for split in splits]
    if len({x.shape[1:] for x, _ in pairs}) > 1:
        raise BadInput("x_train and the other parts differ in shape: " + ", ".join(str(x.shape) for x, _ in pairs))
    given = np.repeat(splits, [len(y) for _, y in pairs])
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs]), given


def _aligned(arrays: dict[str, np.ndarray], x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = arrays[x_name], arrays[y_name]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or x.ndim not in (2, 3, 4) or len(x) != len(y):
        raise BadInput(
            f"{x_name} has shape {x.shape} and {y_name} {y.shape}; wanted are pictures (n, h, w), (n, h, w, c) or "
            "(n, c, h, w), or a table (n, features), and n labels"
        )
    return x, y


def _labels(y: np.ndarray, names: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (n,) and class names; with `names`, y indexes them."""
    if y.dtype.kind not in "iubU":
        raise BadInput(f"y holds {y.dtype}; wanted are integers or texts")
    if names is None:
        values, codes = np.unique(y, return_inverse=True)
    elif names.ndim != 1:
        raise BadInput(f"`classes` is one row of names, not an array of shape {names.shape}")
    elif y.dtype.kind == "U" or y.min(initial=0) < 0 or y.max(initial=0) >= len(names):
        raise BadInput(f"with `classes`, y holds indices from 0 to {len(names) - 1} into it")
    else:
        values, codes = names, y.astype(np.int64)
    if len(values) > MAX_CLASSES:
        raise BadInput(f"there are {len(values):,} classes; at most {MAX_CLASSES:,} are read")
    classes = tuple(map(str, values))
    check_apart(classes)
    return codes, classes


def as_pictures(x: np.ndarray) -> np.ndarray:
    """uint8 (n, c, h, w) of pictures (n, h, w), (n, h, w, c) or (n, c, h, w); see `load_npz` for the rules."""
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1] not in (1, 3):
        raise BadInput(f"pictures have 1 or 3 channels; x has shape {x.shape}, with neither as its last or second axis")
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind != "f" or not (np.isfinite(x).all() and x.min(initial=0) >= 0 and x.max(initial=0) <= 1):
        raise BadInput(f"pictures are uint8, or floats from 0 to 1; x holds {x.dtype} outside of that")
    return np.rint(x.astype(np.float32) * 255).astype(np.uint8)


def _table(
    x: np.ndarray,
    codes: np.ndarray,
    classes: tuple[str, ...],
    given: np.ndarray | None,
    settings: DataSettings,
    seed: int,
) -> Dataset:
    if x.dtype.kind not in "iufb":
        raise BadInput(f"a table's x holds numbers, not {x.dtype}")
    frame = pd.DataFrame(x.astype(np.float64), columns=[f"x{column}" for column in range(x.shape[1])])
    frame["class"] = np.asarray(classes)[codes]
    if given is not None:
        frame["split"] = given
    return table_dataset(frame, settings.model_copy(update={"target": "class"}), seed)
