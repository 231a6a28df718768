"""IDX files: the format of MNIST and its relatives, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.limits import check_unpacked
from rtl_core.data.pictures import Pictures, from_arrays
from rtl_core.errors import BadInput

MAX_BYTES = 2 * 2**30  # of one unpacked file
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# IDX files carry no class names; Fashion-MNIST is known by its 10,000 test labels.
_FASHION_TEST_LABELS = "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"


def load_idx(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """A folder with `*train-images-idx3-ubyte[.gz]`, its `labels-idx1` twin, and the same for `t10k` or `test`."""
    if not path.is_dir():
        raise BadInput(f"idx: wants the folder that holds the IDX files; {path} is not a folder")
    pairs = _pairs(path)
    x, y = zip(*(read_pair(images, labels) for images, labels in pairs.values()), strict=True)
    if len({split.shape[1:] for split in x}) > 1:
        raise BadInput(f"{path}: train and test pictures differ in size")
    codes = np.concatenate(y)
    given = np.repeat(list(pairs), [len(split) for split in y])
    values, codes = np.unique(codes, return_inverse=True)
    classes = FASHION_CLASSES if _is_fashion(pairs, y) else tuple(map(str, values))
    return from_arrays(Pictures(np.concatenate(x)[:, None], codes, classes, given), settings, seed)


def read_pair(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, h, w) pictures and uint8 (n,) labels of a pair of files."""
    x, y = read_idx(images, axes=3), read_idx(labels, axes=1)
    if len(x) != len(y):
        raise BadInput(f"{images.name} holds {len(x)} pictures but {labels.name} holds {len(y)} labels")
    return x, y


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The uint8 array of one IDX file with `axes` axes; the size in its header is checked before anything is read."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            shape = _header(file, path, axes)
            size = math.prod(shape)
            check_unpacked(size, path.stat().st_size, f"{path.name}: its header asks for", MAX_BYTES)
            content = file.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadInput(f"{path.name} is a damaged gzip file; fetch it again") from None
    if len(content) != size:
        raise BadInput(f"{path.name} does not hold the {size:,} bytes that its header promises; fetch it again")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _header(file: BinaryIO, path: Path, axes: int) -> tuple[int, ...]:
    """Two zero bytes, the type (8: unsigned byte), the number of axes, then one big-endian int32 per axis."""
    header = file.read(4 + 4 * axes)
    if len(header) < 4 + 4 * axes or header[:4] != bytes([0, 0, 8, axes]):
        raise BadInput(f"{path.name} is not an IDX file of unsigned bytes with {axes} axes")
    return tuple(np.frombuffer(header, dtype=">u4", offset=4).tolist())


def _pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The (images, labels) files of "train" and, where there is one, of "test"."""
    stems: dict[str, str] = {}
    for name in sorted({file.name.removesuffix(".gz") for file in folder.glob("*images?idx3-ubyte*")}):
        split = "test" if any(word in name for word in ("t10k", "test")) else "train"
        if split in stems:
            raise BadInput(f"{folder} holds two sets of {split} pictures, {stems[split]} and {name}; keep one")
        stems[split] = name
    if "train" not in stems:
        raise BadInput(f"{folder} holds no train-images-idx3-ubyte or train-images-idx3-ubyte.gz")
    return {split: (_plain_or_gz(folder, name), _plain_or_gz(folder, _twin(name))) for split, name in stems.items()}


def _twin(images: str) -> str:
    return images.replace("images", "labels").replace("idx3", "idx1")


def _plain_or_gz(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise BadInput(f"{folder} holds neither {name} nor {name}.gz")


def _is_fashion(pairs: dict[str, tuple[Path, Path]], labels: tuple[np.ndarray, ...]) -> bool:
    by_split = dict(zip(pairs, labels, strict=True))
    return "test" in by_split and hashlib.sha256(by_split["test"].tobytes()).hexdigest() == _FASHION_TEST_LABELS
