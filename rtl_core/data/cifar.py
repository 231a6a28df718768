"""CIFAR-10 and CIFAR-100 in their binary version: records of labels and 32 x 32 colour pictures, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import Pictures, from_arrays
from rtl_core.errors import BadInput

SIDE, PIXELS = 32, 3 * 32 * 32
MAX_RECORDS = 50_000  # in one file: CIFAR-100's train.bin
MAX_NAMES = 100_000  # characters in the file of the classes' names


@dataclass(frozen=True)
class _Kind:
    """One of the two sets: its files, the classes' names, and how many label bytes stand before a picture."""

    train: tuple[str, ...]
    test: str
    names: str
    classes: int
    labels: int  # CIFAR-100: the superclass, then the class; the last one is taken


CIFAR_10 = _Kind(tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin", "batches.meta.txt", 10, 1)
CIFAR_100 = _Kind(("train.bin",), "test.bin", "fine_label_names.txt", 100, 2)


def load_cifar(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """The unpacked folder of the binary version, told apart by its files. Some train files may be missing; without a
    test file the test rows are cut from the train rows."""
    if not path.is_dir():
        raise BadInput(f"cifar: wants the unpacked folder of the binary version with its .bin files; {path} is a file")
    kind = next((kind for kind in (CIFAR_10, CIFAR_100) if _there(path, kind.train)), None)
    if kind is None:
        if _there(path, ("data_batch_1", "train", "meta", "batches.meta")):
            raise BadInput(f"{path} is the Python version, which is pickled; take the binary version, with .bin files")
        raise BadInput(f"{path} holds neither data_batch_1.bin (CIFAR-10) nor train.bin (CIFAR-100)")
    files = [(path / name, "train") for name in _there(path, kind.train)]
    files += [(path / name, "test") for name in _there(path, (kind.test,))]
    x, y = zip(*(read_records(file, kind.labels, kind.classes) for file, _ in files), strict=True)
    given = np.repeat([split for _, split in files], [len(labels) for labels in y])
    pictures = Pictures(np.concatenate(x), np.concatenate(y), _names(path, kind), given)
    return from_arrays(pictures, settings, seed)


def read_records(path: Path, labels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 3, 32, 32) pictures and int64 (n,) classes of one file, which must be whole records."""
    record, size = labels + PIXELS, path.stat().st_size
    if size == 0 or size % record or size > MAX_RECORDS * record:
        raise BadInput(
            f"{path.name} has {size:,} bytes; wanted are 1 to {MAX_RECORDS:,} records of {record:,}: fetch it again"
        )
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, record)
    y = records[:, labels - 1].astype(np.int64)
    if y.max() >= classes:
        raise BadInput(f"{path.name} holds label {y.max()}; there are only {classes} classes, from 0")
    return records[:, labels:].reshape(-1, 3, SIDE, SIDE), y


def _there(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _names(folder: Path, kind: _Kind) -> tuple[str, ...]:
    """The classes' names from the text file beside the records; numbers where there is none."""
    if not _there(folder, (kind.names,)):
        return tuple(map(str, range(kind.classes)))
    with open(folder / kind.names, encoding="utf-8", errors="replace") as file:
        names = tuple(file.read(MAX_NAMES).split())
    if len(set(names)) != kind.classes:
        raise BadInput(f"{kind.names} holds {len(set(names))} different names; wanted are {kind.classes}, one a line")
    return names
