"""Pictures, archives and uploads that would fill the memory are refused, in one sentence, before they do."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.peak import LOAD, load_of, measured, refused

pytestmark = pytest.mark.long


def idx_folder(folder, pictures: int, packed: bool = True):
    folder.mkdir()
    for name, axes, each in (
        ("train-images-idx3-ubyte", (pictures, 28, 28), 784),
        ("train-labels-idx1-ubyte", (pictures,), 1),
    ):
        head = bytes([0, 0, 8, len(axes)]) + b"".join(struct.pack(">I", axis) for axis in axes)
        with gzip.open(folder / f"train-{name}-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(head)
            for first in range(0, pictures, 10_000):
                rows = np.arange(first, min(first + 10_000, pictures))
                file.write(np.repeat((rows % 2).astype(np.uint8), each).tobytes())
    return folder


def test_idx(tmp_path):
    small, large = idx_folder(tmp_path / "small", 40), idx_folder(tmp_path / "large", 350_000)
    refused(measured(LOAD, load_of("idx"), small, large), "in memory")


def test_cifar_names(tmp_path):
    for name, size in (("small", 10), ("large", 3 * 10**9)):
        (tmp_path / name).mkdir()
        records = np.zeros((40, 3073), np.uint8)
        records[:, 0] = np.arange(40) % 10
        (tmp_path / name / "data_batch_1.bin").write_bytes(records.tobytes())
        with open(tmp_path / name / "batches.meta.txt", "w") as file:
            file.write("\n".join("abcdefghij") + "\n")
            file.truncate(size + 10)  # a file with a hole takes no room
    answer = measured(LOAD, load_of("cifar"), tmp_path / "small", tmp_path / "large")
    refused(answer, "different names")


def pictures(folder, **content: bytes):
    for name, first in {"a": content.pop("first"), **content}.items():
        (folder / name).mkdir(parents=True)
        for number in range(4):
            (folder / name / f"{number}.png").write_bytes(first)
    return folder


def blank(width: int, height: int, mode: str = "RGB", kind: str = "PNG", **settings) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, kind, **settings)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        lambda: blank(9_000, 9_000, "1"),
        lambda: blank(6_000, 6_000, "L"),
        lambda: blank(20_000, 20_000, "1"),
        lambda: blank(6_000, 6_000, "L", "JPEG", progressive=True),
        lambda: blank(9_000, 9_000, "L", "JPEG"),
    ],
    ids=["bits", "grey", "huge", "progressive", "jpeg"],
)
def test_pictures(tmp_path, content):
    small = pictures(tmp_path / "small", first=blank(9, 9), b=blank(9, 9))
    large = pictures(tmp_path / "large", first=content(), b=blank(9, 9))
    refused(measured(LOAD, load_of("folder"), small, large), "pixels")


@pytest.mark.parametrize(
    "content",
    [
        lambda: blank(5_000, 5_000, "RGBA"),
        lambda: blank(5_000, 5_000, "I;16"),
        lambda: blank(8_000, 8_000, "RGB", "JPEG"),
    ],
    ids=["transparent", "deep", "jpeg"],
)
def test_the_largest_pictures_that_are_read_take_a_bounded_memory(tmp_path, content):
    small = pictures(tmp_path / "small", first=blank(9, 9), b=blank(9, 9))
    large = pictures(tmp_path / "large", first=content(), b=blank(9, 9))
    answer = measured(LOAD, load_of("folder"), small, large)
    assert answer.last == "read" and answer.bytes < 700 * 2**20


def test_a_table_of_names(tmp_path):
    small = pictures(tmp_path / "small", first=blank(9, 9), b=blank(9, 9))
    large = pictures(tmp_path / "large", first=blank(9, 9), b=blank(9, 9))
    with open(large / "class-names.json", "w") as file:
        file.write('{"classes": {}}')
        file.truncate(3 * 10**9)
    refused(measured(LOAD, load_of("folder"), small, large), "larger than 32 MiB")


def zip_bomb(path, entries: int, size: int):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(entries):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", bytes(size))
    return path


@pytest.mark.parametrize(
    ("entries", "size", "words"),
    [(20, 40_000_000, "unpacks to more"), (4, 90_000_000, "50 MB a picture"), (51_000, 1, "51,000 pictures")],
)
def test_uploads(tmp_path, entries, size, words):
    small, large = zip_bomb(tmp_path / "small.zip", 4, 10), zip_bomb(tmp_path / "large.zip", entries, size)
    read = f"store(path.name, path.read_bytes(), Path({str(tmp_path / 'kept')!r}))"
    refused(measured("from app.uploads import store", read, small, large), words)
    kept = sum(file.stat().st_size for file in (tmp_path / "kept").rglob("*") if file.is_file())
    assert kept < 1_000  # nothing of it stays
