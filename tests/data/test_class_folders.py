"""Names of classes and splits: all of them stay apart, in folders and in uploaded archives by the same rules."""

import io
import unicodedata
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app import uploads
from rtl_core.config import DataSettings
from rtl_core.data.class_folders import KINDS, NAMES_FILE
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "katze_ä") for form in ("NFC", "NFD"))


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (9, 9), shade % 256).save(file, "png")
    return file.getvalue()


def pictures(*folders: str, each: int = 3) -> dict[str, bytes]:
    """`each` pictures in every folder, by their paths; no two are equal."""
    names = [f"{folder}/{number}.png" for folder in folders for number in range(each)]
    return {name: png(number) for number, name in enumerate(names)}


def on_disk(root, files: dict[str, bytes]):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return f"folder:{root}"


def uploaded(root, files: dict[str, bytes]) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return uploads.store("mine.zip", archive.getvalue(), root)


@pytest.fixture(params=[on_disk, uploaded], ids=["folder", "upload"])
def loaded(request, tmp_path):
    """Pictures by path -> the data set, of a folder on disk or of an upload."""
    return lambda files: load(DataSettings(spec=request.param(tmp_path / "data", files)), seed=0)


def counts(dataset) -> dict[tuple[str, str], int]:
    """(class, split) -> pictures."""
    return dict(Counter((dataset.classes[y], str(split)) for y, split in zip(dataset.y, dataset.split, strict=True)))


@pytest.mark.parametrize(
    "names",
    [
        ("katze_ä", "katze_ö"),
        ("猫", "犬"),
        ("red car", "red_car"),
        ("A+", "A"),
        ("C", "C++", "C#"),
        ("a" * 60 + "1", "a" * 60 + "2"),
        ("Cat", "cat"),
        ("고양이", "개", "cat"),
        ("class", "class-00001", "_"),
    ],
)
def test_names_stay_as_they_are_and_apart(loaded, names):
    dataset = loaded(pictures(*names, each=4))
    assert dataset.classes == tuple(sorted(names))
    assert np.bincount(dataset.y).tolist() == [4] * len(names)


def test_names_are_composed(loaded):
    assert loaded(pictures(DECOMPOSED, "dog")).classes == ("dog", COMPOSED)


def test_a_class_may_be_written_otherwise_in_another_split(loaded):
    dataset = loaded(pictures(f"train/{DECOMPOSED}", "train/dog", f"test/{COMPOSED}", "test/dog"))
    assert dataset.classes == ("dog", COMPOSED)
    assert sum(n for (name, _), n in counts(dataset).items() if name == COMPOSED) == 6


def test_two_names_that_are_one_once_composed_are_refused(loaded):
    with pytest.raises(BadInput) as caught:
        loaded(pictures(COMPOSED, DECOMPOSED, "dog"))
    assert COMPOSED in str(caught.value) and DECOMPOSED in str(caught.value) and "a\\u0308" in str(caught.value)


@pytest.mark.parametrize("name", ["new\nline", "\x07bell", "\u2028", " ", "x" * 201])
def test_a_name_that_cannot_be_shown_is_refused(loaded, name):
    with pytest.raises(BadInput, match="name of a class"):
        loaded(pictures(name, "dog"))


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "valid", "TESTING"),
        ("training_set", "Validation", "eval"),
        ("seg_train", "dev", "seg_test"),
    ],
)
def test_splits_are_known_by_what_people_call_them(loaded, train, val, test):
    files = pictures(f"{train}/a", f"{train}/b", each=5) | pictures(f"{val}/a", f"{val}/b", each=2)
    dataset = loaded(files | pictures(f"{test}/a", f"{test}/b"))
    assert counts(dataset) == {
        (name, split): n for name in "ab" for split, n in (("train", 5), ("val", 2), ("test", 3))
    }


def test_two_folders_of_one_split_are_both_read(loaded):
    files = pictures("train/a", "train/b", "val/a", "val/b", "valid/a", "valid/b", "test/a", "test/b")
    assert counts(loaded(files))["a", "val"] == 6


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("holdout/a", "'holdout' stands beside 'train'"),
        ("cats", "'cats' stands beside 'train'"),
    ],
)
def test_what_stands_beside_the_splits_and_is_none_is_refused(loaded, more, refused):
    with pytest.raises(BadInput, match=refused):
        loaded(pictures("train/a", "train/b", "test/a", "test/b", more))


def test_splits_without_train_are_refused(loaded):
    with pytest.raises(BadInput, match="no folder 'train'"):
        loaded(pictures("val/a", "val/b", "test/a", "test/b"))


def test_a_split_without_classes_is_passed_over_and_counted(loaded):
    dataset = loaded(pictures("train/a", "train/b", each=9) | pictures("Test", each=4))
    assert len(dataset) == 18
    assert "4 skipped: pictures in 'Test', outside any class folder" in dataset.notes


def test_a_class_may_be_called_like_a_split(loaded):
    assert loaded(pictures("train", "bus")).classes == ("bus", "train")


def test_pictures_without_a_class_are_counted(loaded):
    dataset = loaded(pictures("a", "b") | {"cover.png": png(0), ".cache/a.png": png(1), "a/__MACOSX/a.png": png(2)})
    assert counts(dataset).keys() <= {(name, split) for name in "ab" for split in ("train", "val", "test")}
    assert len(dataset) == 6
    assert dataset.notes == (
        "1 skipped: files in hidden or system folders ('.cache')",
        "1 skipped: files in hidden or system folders ('__MACOSX')",
        "1 skipped: pictures outside any class folder",
    )


def test_an_upload_is_the_data_that_its_folder_is(tmp_path):
    files = pictures("train/b/x", "train/b", "train/猫", "train/a b", "test/b", "test/猫", "test/a b", each=2)
    files["train/b/notes.txt"] = b"no picture"
    folder, upload = (
        load(DataSettings(spec=make(tmp_path / make.__name__, files)), seed=0) for make in (on_disk, uploaded)
    )
    assert folder.fingerprint == upload.fingerprint
    assert folder.notes == upload.notes == (f"1 skipped: files that are no {KINDS} pictures (.txt)",)


@pytest.mark.parametrize(
    ("wrapped", "plain"),
    [
        ("pets/{}", "{}"),
        ("a/b/c/{}", "{}"),
        ("all/train/{}", "train/{}"),
        ("train/{}", "train/{}"),
    ],
)
def test_folders_around_everything_in_an_archive_do_not_count(tmp_path, wrapped, plain):
    one, other = (
        load(DataSettings(spec=make(tmp_path / make.__name__, pictures(*map(form.format, ("cat", "dog"))))), seed=0)
        for make, form in ((uploaded, wrapped), (on_disk, plain))
    )
    assert one.fingerprint == other.fingerprint and one.classes == ("cat", "dog")


def test_names_in_an_archive_may_lack_the_mark_of_their_encoding(tmp_path):
    """Some programs write names in UTF-8 and do not say so."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in pictures("고양이", "개").items():
            file.writestr(name, content)
    content = archive.getvalue()
    for head in (b"PK\x03\x04\x14\x00", b"PK\x01\x02\x14\x03\x14\x00"):  # of an entry, and in the directory
        assert content.count(head + b"\x00\x08") == 6
        content = content.replace(head + b"\x00\x08", head + b"\x00\x00")
    assert load(DataSettings(spec=uploads.store("mine.zip", content, tmp_path)), seed=0).classes == ("개", "고양이")


LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/\\")
NAMES = st.text(LETTERS, min_size=1, max_size=40).filter(lambda text: text.strip() and not text.startswith("."))


@settings(max_examples=40)
@given(st.lists(NAMES, min_size=2, max_size=5, unique_by=lambda text: unicodedata.normalize("NFC", text)))
def test_any_names_stay_apart(tmp_path_factory, names):
    dataset = load(DataSettings(spec=uploaded(tmp_path_factory.mktemp("any"), pictures(*names))), seed=0)
    assert dataset.classes == tuple(sorted(unicodedata.normalize("NFC", name) for name in names))


def test_no_name_of_an_upload_becomes_a_path(tmp_path):
    uploaded(tmp_path, pictures("../猫", "C:\\x\\dog", "/etc/cat"))
    (folder,) = uploads.stored(tmp_path)
    below = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert all(
        name.isascii() and (name == f"classes/{NAMES_FILE}" or name.startswith("classes/class-")) for name in below
    )


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"no json", "is no table of names"),
        (b'{"classes": ["a"]}', "is no table of names"),
        (b'{"classes": {"red": 1}}', "is no table of names"),
        (b'{"classes": {"red": "a"}}', "does not name the folder 'blue'"),
        (b'{"classes": {"red": "a", "blue": "a"}}', "'a'"),
    ],
)
def test_a_table_of_names_is_checked(picture_folder, content, refused):
    (picture_folder / NAMES_FILE).write_bytes(content)
    with pytest.raises(BadInput, match=refused):
        load(DataSettings(spec=f"folder:{picture_folder}"), seed=0)


def test_folders_may_bring_a_table_of_names(picture_folder):
    (picture_folder / NAMES_FILE).write_text('{"classes": {"red": "rot", "blue": "blau"}}')
    assert load(DataSettings(spec=f"folder:{picture_folder}"), seed=0).classes == ("blau", "rot")
