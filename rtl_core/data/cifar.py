"""CIFAR-10 and CIFAR-100 in their binary version: records of labels and 32 x 32 colour pictures, nothing else.

CIFAR-100's rows also have the attributes `superclass` (its twenty coarse labels) and, where the classes' names are
there, `cluster` (the paper's eight). Both follow from the class: who is told one of them is told a part of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data.cifar100_clusters import CLUSTERS
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
    labels: int  # CIFAR-100: the superclass, then the class


COARSE_NAMES, SUPERCLASSES = "coarse_label_names.txt", 20
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
    x, labels = zip(*(read_records(file, kind.labels, kind.classes) for file, _ in files), strict=True)
    given, labels = np.repeat([split for _, split in files], [len(each) for each in labels]), np.concatenate(labels)
    names = _names(path, kind.names, kind.classes)
    pictures = Pictures(np.concatenate(x), labels[:, -1], names, given)
    return from_arrays(pictures, settings, seed, attributes=_groups_of_classes(path, labels, names))


def _groups_of_classes(path: Path, labels: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """One row a picture: the groups that CIFAR-100's classes are in; no columns for CIFAR-10."""
    if labels.shape[1] == 1:
        return pd.DataFrame(index=pd.RangeIndex(len(labels)))
    coarse = _names(path, COARSE_NAMES, SUPERCLASSES)
    groups = {"superclass": pd.Categorical.from_codes(labels[:, 0], list(coarse))}
    if set(names) == set(CLUSTERS):
        groups["cluster"] = pd.Categorical([CLUSTERS[names[label]] for label in labels[:, 1]])
    return pd.DataFrame(groups)


def read_records(path: Path, labels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 3, 32, 32) pictures and int64 (n, labels) of one file, the class last; it must be whole records."""
    record, size = labels + PIXELS, path.stat().st_size
    if size == 0 or size % record or size > MAX_RECORDS * record:
        raise BadInput(
            f"{path.name} has {size:,} bytes; wanted are 1 to {MAX_RECORDS:,} records of {record:,}: fetch it again"
        )
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, record)
    y = records[:, :labels].astype(np.int64)
    for column, count, what in ((-1, classes, "classes"), (0, SUPERCLASSES, "superclasses"))[:labels]:
        if y[:, column].max() >= count:
            raise BadInput(f"{path.name} holds label {y[:, column].max()}; there are only {count} {what}, from 0")
    return records[:, labels:].reshape(-1, 3, SIDE, SIDE), y


def _there(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _names(folder: Path, file_name: str, count: int) -> tuple[str, ...]:
    """`count` names from a text file beside the records; numbers where there is none."""
    if not _there(folder, (file_name,)):
        return tuple(map(str, range(count)))
    with open(folder / file_name, encoding="utf-8", errors="replace") as file:
        names = tuple(file.read(MAX_NAMES).split())
    if len(set(names)) != count:
        raise BadInput(f"{file_name} holds {len(set(names))} different names; wanted are {count}, one a line")
    return names
