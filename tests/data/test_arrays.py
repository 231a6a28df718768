"""npz archives and IDX files."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from rtl_core.config import DataSettings
from rtl_core.data import npz
from rtl_core.data.npz import as_pictures
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)
LABELS = np.arange(40) % 2


@pytest.fixture
def load_arrays(tmp_path):
    def write_and_load(**arrays):
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        return load(DataSettings(spec=f"npz:{tmp_path / 'a.npz'}"), seed=0)

    return write_and_load


def test_pictures_with_class_names(load_arrays):
    dataset = load_arrays(x=PICTURES, y=LABELS, classes=np.array(["even", "odd"]))
    assert dataset.classes == ("even", "odd")
    assert (dataset.x[:, 0] == PICTURES).all() and (dataset.y == LABELS).all()


@pytest.mark.parametrize("x", [PICTURES, PICTURES[:, 0].astype(float)])
@pytest.mark.parametrize("classes", [["a", "a"], ["\u00e4", "a\u0308"]])
def test_two_classes_of_one_name_are_refused(load_arrays, x, classes):
    with pytest.raises(BadInput, match="two classes have the same name"):
        load_arrays(x=x, y=LABELS, classes=np.array(classes))
    with pytest.raises(BadInput, match="is one row of names"):
        load_arrays(x=x, y=LABELS, classes=np.array("a"))


def test_train_and_test_arrays_are_the_split(load_arrays):
    dataset = load_arrays(x_train=PICTURES[:30], y_train=LABELS[:30], x_test=PICTURES[30:], y_test=LABELS[30:])
    assert (dataset.rows("test") == np.arange(30, 40)).all()
    assert (dataset.x[:, 0] == PICTURES).all()


def test_two_axes_are_a_table(load_arrays):
    dataset = load_arrays(x=PICTURES[:, 0].astype(float), y=np.array(["a", "b"])[LABELS])
    assert dataset.kind == "table" and dataset.classes == ("a", "b") and dataset.input_shape == (12,)


def test_the_channel_axis_is_the_last_if_it_is_1_or_3_and_the_second_otherwise():
    assert as_pictures(np.zeros((2, 12, 9, 3), np.uint8)).shape == (2, 3, 12, 9)
    assert as_pictures(np.zeros((2, 3, 12, 9), np.uint8)).shape == (2, 3, 12, 9)
    assert as_pictures(np.zeros((2, 12, 9), np.uint8)).shape == (2, 1, 12, 9)
    with pytest.raises(BadInput, match="1 or 3 channels"):
        as_pictures(np.zeros((2, 12, 9, 4), np.uint8))


def test_floats_from_0_to_1_are_scaled():
    assert as_pictures(np.array([[[0.0, 0.5, 1.0]]])).ravel().tolist() == [0, 128, 255]
    for wrong in (1.01, -0.1, np.nan):
        with pytest.raises(BadInput, match="floats from 0 to 1"):
            as_pictures(np.array([[[wrong]]]))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pictures": PICTURES}, "needs x and y.*holds pictures"),
        ({"x": PICTURES, "y": LABELS[:-1]}, r"x has shape \(40, 12, 12\) and y \(39,\)"),
        ({"x": PICTURES, "y": LABELS + 0.5}, "integers or texts"),
        ({"x": PICTURES, "y": LABELS, "classes": np.array(["one"])}, "indices from 0 to 0"),
        ({"x": PICTURES[:, :4, :4], "y": LABELS}, "4 x 4 pixels"),
        ({"x": PICTURES, "y": np.array([{}] * 40)}, "'y.npy' holds pickled objects, which are never opened"),
    ],
)
def test_npz_refusals(load_arrays, arrays, sentence):
    with pytest.raises(BadInput, match=sentence):
        load_arrays(**arrays)


def archive_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return DataSettings(spec=f"npz:{path}")


def header_of(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_damaged_or_foreign_archives(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(BadInput, match=r"holds 'notes\.txt', which is not an array"):
        load(archive_of(path, {"notes.txt": "hello"}), seed=0)
    with pytest.raises(BadInput, match="does not hold the values that its header promises"):
        load(archive_of(path, {"x.npy": header_of((2**20, 2**20)) + b"few"}), seed=0)
    with pytest.raises(BadInput, match="not an intact npz"):
        load(archive_of(path, {"x.npy": b"\x93NUMPY\x01\x00\xff\xff"}), seed=0)
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(BadInput, match="not an intact npz"):
        load(DataSettings(spec=f"npz:{path}"), seed=0)


def test_large_arrays_are_refused_before_they_are_read(load_arrays, monkeypatch):
    monkeypatch.setattr(npz, "MAX_BYTES", 1_000)
    monkeypatch.setattr(npz.npy, "read_array", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(BadInput, match="more than the 1,000 allowed"):
        load_arrays(x=PICTURES, y=LABELS)


def idx_bytes(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    for split, rows in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        pictures, labels = idx_bytes(PICTURES[rows]), idx_bytes(LABELS[rows].astype(np.uint8))
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pictures))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(labels)
    return tmp_path


def load_idx(folder):
    return load(DataSettings(spec=f"idx:{folder}"), seed=0)


def test_idx_files_plain_and_compressed(idx_folder):
    dataset = load_idx(idx_folder)
    assert [len(dataset.rows(split)) for split in ("train", "val", "test")] == [27, 3, 10]
    for rows, original in ((dataset.split == "test", slice(30, 40)), (dataset.split != "test", slice(0, 30))):
        assert (dataset.x[rows, 0] == PICTURES[original]).all() and (dataset.y[rows] == LABELS[original]).all()
    assert dataset.classes == ("0", "1")


def test_idx_without_test_files_is_split_by_seed(idx_folder):
    for file in idx_folder.glob("t10k*"):
        file.unlink()
    assert len(load_idx(idx_folder).rows("test")) == 6


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x00\x00\x08\x03", "not an IDX file"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31), "its header asks for"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 30, 12, 12) + b"few", "does not hold the 4,320 bytes"),
        (idx_bytes(PICTURES[:29]), "29 pictures but .* 30 labels"),
    ],
)
def test_idx_refusals(idx_folder, content, sentence):
    (idx_folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        load_idx(idx_folder)


def test_damaged_gzip(idx_folder):
    file = idx_folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(BadInput, match="damaged gzip"):
        load_idx(idx_folder)
    file.unlink()
    with pytest.raises(BadInput, match="no train-images-idx3-ubyte"):
        load_idx(idx_folder)
