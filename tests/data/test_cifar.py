"""CIFAR's binary files, written here record by record."""

import pickle
from collections import Counter

import numpy as np
import pytest

from rtl_core.config import DataSettings
from rtl_core.data.cifar import load_cifar
from rtl_core.data.cifar100_clusters import CLUSTERS
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

PICTURES = np.random.default_rng(0).integers(0, 256, (60, 3, 32, 32), dtype=np.uint8)


def records(pictures, *labels):
    columns = [np.asarray(each, np.uint8)[:, None] for each in labels]
    return np.concatenate([*columns, pictures.reshape(len(pictures), -1)], axis=1).tobytes()


def loaded(folder):
    return load(DataSettings(spec=f"cifar:{folder}"), seed=0)


@pytest.fixture
def cifar10(tmp_path):
    """40 train pictures in two files and 20 test pictures, classes in turn, with names."""
    for name, rows in (("data_batch_1", slice(20)), ("data_batch_2", slice(20, 40)), ("test_batch", slice(40, 60))):
        (tmp_path / f"{name}.bin").write_bytes(records(PICTURES[rows], np.arange(20) % 10))
    (tmp_path / "batches.meta.txt").write_text("".join(f"name{i}\n" for i in range(10)) + "\n")
    return tmp_path


def test_cifar_10_is_read_byte_for_byte(cifar10):
    dataset = loaded(cifar10)
    assert (dataset.x == PICTURES).all() and (dataset.y == np.arange(60) % 10).all()
    assert dataset.classes == tuple(f"name{i}" for i in range(10))
    assert (dataset.rows("test") == np.arange(40, 60)).all()


def test_cifar_100_takes_the_fine_label(tmp_path):
    fine = np.arange(300) % 100
    pictures = np.repeat(PICTURES, 5, axis=0)
    (tmp_path / "train.bin").write_bytes(records(pictures, fine // 5, fine))
    (tmp_path / "test.bin").write_bytes(records(pictures, fine // 5, fine))
    dataset = loaded(tmp_path)
    assert (dataset.y == np.tile(fine, 2)).all() and dataset.classes[99] == "99"
    assert (dataset.x[:300] == pictures).all()


def test_cifar_100_knows_the_groups_of_its_classes(tmp_path):
    fine = np.arange(300) % 100
    (tmp_path / "train.bin").write_bytes(records(np.repeat(PICTURES, 5, axis=0), fine // 5, fine))
    assert set(loaded(tmp_path).attributes) == {"superclass"}  # clusters are known by the names of classes
    (tmp_path / "fine_label_names.txt").write_text("\n".join(sorted(CLUSTERS)))
    (tmp_path / "coarse_label_names.txt").write_text("\n".join(f"group{i}" for i in range(20)))
    dataset = loaded(tmp_path)
    of_class = dict(zip(dataset.y, dataset.attributes.to_numpy(), strict=True))
    assert dataset.classes[0] == "apple" and list(of_class[0]) == ["group0", "fruits"]
    assert dataset.classes[97] == "wolf" and list(of_class[97]) == ["group19", "mammals"]
    assert sorted(Counter(CLUSTERS.values()).values()) == [4, 5, 8, 9, 9, 15, 22, 28]  # 100 classes, as published
    (tmp_path / "train.bin").write_bytes(records(PICTURES[:2], [0, 20], [0, 99]))
    with pytest.raises(BadInput, match="label 20; there are only 20 superclasses"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has 0 bytes"),
        (records(PICTURES[:2], [0, 1])[:-1], r"6,145 bytes; wanted are 1 to 50,000 records of 3,073"),
        (records(PICTURES[:2], [0, 10]), "label 10; there are only 10 classes"),
    ],
)
def test_damaged_files(cifar10, content, sentence):
    (cifar10 / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(BadInput, match=sentence):
        loaded(cifar10)


def test_pickles_are_refused_unopened(tmp_path):
    class Explodes:
        def __reduce__(self):
            return (pytest.fail, ("was unpickled",))

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Explodes()))
    with pytest.raises(BadInput, match="Python version, which is pickled; take the binary version"):
        loaded(tmp_path)


def test_other_folders_and_files(cifar10):
    (cifar10 / "batches.meta.txt").write_text("cat dog")
    with pytest.raises(BadInput, match="2 different names; wanted are 10"):
        loaded(cifar10)
    with pytest.raises(BadInput, match="wants the unpacked folder"):
        loaded(cifar10 / "test_batch.bin")
    (cifar10 / "empty").mkdir()
    with pytest.raises(BadInput, match=r"neither data_batch_1\.bin"):
        load_cifar(cifar10 / "empty", DataSettings(), 0)
