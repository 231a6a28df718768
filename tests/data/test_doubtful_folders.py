"""Folders of splits where classes are wanted, names of classes that differ between splits, names in zips."""

import io
import zipfile
from collections import Counter

import pytest
from PIL import Image

from app import uploads
from rtl_core.config import DataSettings
from rtl_core.data.class_folders import Entry, places
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")  # what is written is another name


def entries(*folders: str, each: int = 3) -> list[Entry]:
    return [Entry((*folder.split("/"), f"{i}.png")) for folder in folders for i in range(each)]


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (9, 9), shade).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["train", "test1"], "there are no class folders in 'test1', 'train'"),
        (["train"], "there are no class folders in 'train'"),
        (["train/images", "valid/images"], "there are no class folders in 'train', 'valid'"),
        (["cats/train", "cats/test", "dogs/train", "dogs/test"], "'cats' holds 'test', 'train'"),
        (["all/train/cat", "all/test/cat", "preview"], "take out 'preview' if 'all' is no class"),
        (
            ["train_cats", "train_dogs", "test_cats", "test_dogs"],
            "'test_cats', 'test_dogs', 'train_cats', 'train_dogs'",
        ),
        (["x_train/cat", "xTest/cat"], "the folders 'xTest', 'x_train' seem to be of splits"),
        (["pets", "pets/cat", "pets/dog"], "if 'cat', 'dog' are the classes, take out the pictures beside them"),
    ],
)
def test_folders_of_splits_where_classes_are_wanted_are_refused(folders, sentence):
    with pytest.raises(BadInput) as refusal:
        places(entries(*folders))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("names", [("control", "test"), ("bus", "car", "train"), ("bullet train", "bus"), ("dev", "x")])
def test_classes_that_are_called_like_one_split_stay_classes(names):
    assert {place.label for place in places(entries(*names)).pictures} == set(names)


def test_a_class_that_train_does_not_have_is_refused_with_both_lists():
    with pytest.raises(BadInput) as refusal:
        places(entries("train/Cat", "train/Dog", "test/cat", "test/Dog"))
    assert str(refusal.value) == (
        "the class 'cat' has pictures in test (such as 'test/cat/0.png') and none in train, whose classes are "
        "'Cat', 'Dog'; call its folder as in train, or take it out"
    )


@pytest.mark.parametrize("inner", ["images", "Train_data"])
def test_a_folder_in_a_split_that_says_nothing_does_not_count(inner):
    placed = places(entries(f"train/{inner}/cat", f"train/{inner}/dog", "test/cat", "test/dog"))
    assert Counter((place.split, place.label) for place in placed.pictures) == dict.fromkeys(
        [("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")], 3
    )


def test_pictures_of_a_split_without_classes_are_counted():
    """As tiny ImageNet has them: val/images, whose classes stand in a text file."""
    placed = places(entries("train/n1/images", "train/n2/images", "val/images", "test/images"))
    assert Counter(place.label for place in placed.pictures) == {"n1": 3, "n2": 3}
    assert placed.left_out == {f"pictures in '{split}', outside any class folder": 3 for split in ("val", "test")}


def test_folders_inside_class_folders_are_named_where_there_are_several():
    note = "folders inside class folders are not told apart: 'new/cat', 'new/dog', 'old/cat', 'old/dog'"
    assert places(entries("new/cat", "new/dog", "old/cat", "old/dog")).notes == (note,)
    assert places(entries("cat/images", "dog/images", "dog")).notes == ()


class _Raw(zipfile.ZipInfo):
    """An entry whose name is written as bytes, without the flag that says UTF-8."""

    def __init__(self, name: bytes):
        super().__init__("name")
        self.raw = name

    def _encodeFilenameFlags(self):
        return self.raw, 0


def zip_of(files: list[tuple[bytes, bytes]]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files:
            opened.writestr(_Raw(name), content)
    return archive.getvalue()


@pytest.mark.parametrize("divided_by", ["/", "\\"])
@pytest.mark.parametrize(
    ("encoding", "names"),
    [("cp949", ("강아지", "고양이")), ("cp437", ("Köln", "München")), ("utf-8", ("猫", "강아지"))],
)
def test_names_in_a_zip_in_another_encoding(tmp_path, encoding, names, divided_by):
    files = [
        (f"{name}{divided_by}{i}.png".encode(encoding), png(i + 9 * k))
        for k, name in enumerate(names)
        for i in range(4)
    ]
    dataset = load(DataSettings(spec=uploads.store("a.zip", zip_of(files), tmp_path)), seed=0)
    assert dataset.classes == names
    notes = [note for note in dataset.notes if note.startswith("names in the zip")]
    assert [encoding in note and names[0] in note for note in notes] == ([] if encoding == "utf-8" else [True])


def test_a_name_that_stands_twice_in_a_zip_is_counted(tmp_path):
    files = [(f"{name}/{i}.png".encode(), png(i + 9 * k)) for k, name in enumerate("ab") for i in range(4)]
    dataset = load(
        DataSettings(spec=uploads.store("a.zip", zip_of([*files, (b"a\\0.png", png(99))]), tmp_path)), seed=0
    )
    assert len(dataset) == 8
    assert "1 skipped: files whose name stands in the zip again, further down" in dataset.notes


def test_a_damaged_picture_of_a_zip_has_its_own_name(tmp_path):
    files = [(f"pets/{name}/{i}.png".encode(), png(i + 9 * k)) for k, name in enumerate("ab") for i in range(4)]
    spec = uploads.store("a.zip", zip_of([*files, (b"pets/a/broken.jpg", b"")]), tmp_path)
    with pytest.raises(BadInput, match=r": pets/a/broken\.jpg; repair or take out"):
        load(DataSettings(spec=spec), seed=0)
