"""Pictures as people have them: kinds of files, values of more than 8 bits, damage, copies, and names of folders.

What is expected is worked out with PIL and numpy alone.
"""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.class_folders import Entry, places, split_of
from rtl_core.data.sources import load
from rtl_core.errors import BadInput
from tests.data.test_class_folders import counts, on_disk, pictures, png, uploaded

FORMAT_OF = {"jpe": "JPEG", "jfif": "JPEG", "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF", "gif": "GIF", "bmp": "BMP"}


@pytest.fixture(params=[on_disk, uploaded], ids=["folder", "upload"])
def loaded(request, tmp_path):
    return lambda files: load(DataSettings(spec=request.param(tmp_path / "data", files)), seed=0)


def encoded(pixels: np.ndarray, kind: str, **settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)
    return file.getvalue()


def shades(*values: int, each: int = 3, side: int = 8) -> dict[str, bytes]:
    """16-bit grey PNGs of one shade: class a has the first half of the values, class b the rest."""
    half = len(values) // 2
    names = [f"{'a' if i < half else 'b'}/{i}-{j}.png" for i in range(len(values)) for j in range(each)]
    content = [np.full((side, side), value, np.uint16) for value in values for _ in range(each)]
    return {name: encoded(pixels, "PNG") for name, pixels in zip(names, content, strict=True)}


@pytest.mark.parametrize("suffix", [*FORMAT_OF, "JPE", "WebP"])
def test_kinds_of_files(loaded, suffix):
    kind = FORMAT_OF[suffix.lower()]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    files = {f"red/{i}.{suffix}": encoded(np.full((9, 9), 40 * i, np.uint8), kind, **lossless) for i in range(4)}
    dataset = loaded(files | pictures("blue"))
    assert dataset.classes == ("blue", "red") and np.bincount(dataset.y).tolist() == [3, 4]
    got = sorted(int(x.mean().round()) for x, y in zip(dataset.x, dataset.y, strict=True) if y == 1)
    assert np.allclose(got, [0, 40, 80, 120], atol=2)


def test_a_file_is_known_by_its_content_not_by_its_name(loaded):
    files = {f"red/{i}.jpg": encoded(np.full((9, 9), 60 * i, np.uint8), "WEBP", lossless=True) for i in range(3)}
    assert np.bincount(loaded(files | pictures("blue")).y).tolist() == [3, 3]


def test_the_first_frame_is_taken_and_the_others_are_counted(loaded):
    frames = [Image.new("L", (9, 9), shade) for shade in (200, 10, 20)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    dataset = loaded(pictures("a", "b") | {"a/moving.gif": file.getvalue()})
    assert (dataset.x == 200).all(axis=(1, 2, 3)).sum() == 1
    assert "files of several pictures, of which the first is taken: 1" in dataset.notes


@pytest.mark.parametrize("largest", [1023, 4095, 3000, 255])
def test_values_of_fewer_bits_than_the_file_has_are_scaled(loaded, largest):
    values = np.linspace(0, largest, 12).astype(int)
    dataset = loaded(shades(*values))
    bits = largest.bit_length()
    assert {int(x.max()) for x in dataset.x} == {v >> (bits - 8) for v in values}
    assert f"16-bit pictures of which training uses {bits} bits, scaled to 8: 36" in dataset.notes


def test_values_of_all_bits_keep_the_upper_ones(loaded):
    values = (0, 300, 20_000, 40_000, 50_000, 65_535)
    dataset = loaded(shades(*values))
    assert {int(x.max()) for x in dataset.x} == {v >> 8 for v in values}
    assert not any("bits" in note for note in dataset.notes)


def test_what_is_brighter_than_training_becomes_white(loaded):
    files = {f"train/{name}": content for name, content in shades(0, 100, 900, 1000).items()}
    files |= {f"test/{name}": content for name, content in shades(0, 5_000).items()}
    dataset = loaded(files)
    assert {int(x.max()) for x in dataset.x[dataset.rows("test")]} == {0, 255}


def test_colours_of_fewer_bits_are_refused(tmp_path):
    """Pillow reads the upper 8 bits of a 16-bit colour alone, and here they say nothing."""
    header = b"\x89PNG\r\n\x1a\n"
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def deep(value: int) -> bytes:
        rows = b"".join(b"\0" + struct.pack(">24H", *[value] * 24) for _ in range(8))
        head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
        return header + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

    few = {f"{name}/{i}.png": deep(100 * i + 900) for name in "ab" for i in range(6)}
    with pytest.raises(BadInput, match="colours of 16 bits"):
        load(DataSettings(spec=on_disk(tmp_path / "few", few)), seed=0)
    all_ = {f"{name}/{i}.png": deep(10_000 * i + 9_000) for name in "ab" for i in range(6)}
    dataset = load(DataSettings(spec=on_disk(tmp_path / "all", all_)), seed=0)
    assert {int(x.max()) for x in dataset.x} == {(10_000 * i + 9_000) >> 8 for i in range(6)}


@pytest.mark.parametrize(("mode", "value"), [("F", 0.5), ("I", -5)])
def test_values_that_are_no_shades_are_refused(tmp_path, mode, value):
    file = io.BytesIO()
    Image.new(mode, (9, 9), value).save(file, "TIFF")
    spec = on_disk(tmp_path, pictures("a", "b") | {"a/odd.tif": file.getvalue()})
    with pytest.raises(BadInput, match=r"odd\.tif holds .* instead of shades"):
        load(DataSettings(spec=spec), seed=0)


@pytest.mark.parametrize(
    ("damaged", "sentence"), [(1, "1 picture cannot"), (4, "4 pictures cannot"), (13, "and 3 more")]
)
def test_all_damaged_pictures_are_named_at_once(loaded, damaged, sentence):
    files = pictures("a", "b", each=20)
    for name in list(files)[:damaged]:
        files[name] = files[name][:40]
    with pytest.raises(BadInput, match=sentence) as caught:
        loaded(files)
    assert str(caught.value).count(".png") == min(damaged, 10)


@pytest.mark.parametrize("ending", ["heic", "avif", "svg", "txt"])
@pytest.mark.parametrize("above", ["", "train/"])
def test_a_class_of_files_that_are_not_read_is_refused_by_name(loaded, ending, above):
    files = pictures("train/a", "train/b", "test/a", "test/b") if above else pictures("a", "b")
    unread = {f"{above}lost/{i}.{ending}": b"x" for i in range(3)}
    with pytest.raises(BadInput, match=rf"'{above}lost' holds no picture that can be read: 3 skipped, .*\.{ending}"):
        loaded(files | unread)


def test_a_split_of_files_that_are_not_read_is_refused_by_name(loaded):
    files = pictures("train/a", "train/b") | {f"test/{c}/{i}.heic": b"x" for c in "ab" for i in range(2)}
    with pytest.raises(BadInput, match="'test' holds no picture that can be read"):
        loaded(files)


def test_folders_without_pictures_beside_the_splits_are_no_classes(loaded):
    files = pictures("train/a", "train/b", each=6) | {"annotations/a.xml": b"x", "README.md": b"x"}
    assert len(loaded(files)) == 12


@pytest.mark.parametrize(
    "hidden",
    [".ipynb_checkpoints", "@eaDir", ".AppleDouble", "__MACOSX", "@Recycle", "#recycle", "$RECYCLE.BIN", ".git"],
)
@pytest.mark.parametrize("depth", ["{}/a", "a/{}", "a/deep/{}", "a/{}/deep"])
def test_copies_of_systems_are_skipped_at_every_depth(tmp_path, hidden, depth):
    files = pictures("a", "b", "a/deep") | {f"{depth.format(hidden)}/{i}.png": png(i) for i in range(2)}
    dataset = load(DataSettings(spec=on_disk(tmp_path, files)), seed=0)
    assert np.bincount(dataset.y).tolist() == [6, 3]
    assert f"2 skipped: files in hidden or system folders ('{hidden}')" in dataset.notes


def test_pictures_of_train_that_stand_in_test_are_counted(loaded):
    files = pictures("train/a", "train/b", "val/a", "val/b", "test/a", "test/b")
    files["test/a/copy.png"], files["test/b/copy.png"] = files["train/a/1.png"], files["train/b/0.png"]
    notes = loaded(files).notes
    assert len([note for note in notes if note.startswith("test pictures that stand in train too: 2 ")]) == 1
    assert not any("val pictures" in note for note in notes)


def test_a_picture_of_two_classes_is_counted(loaded):
    files = pictures("a", "b", each=4)
    files["b/0.png"] = files["a/0.png"]
    assert any(note.startswith("pictures that stand in several classes: 2 ") for note in loaded(files).notes)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *((name, "train") for name in ("train", "TRAINING", "training_set", "Training Set", "seg_train", "train2017")),
        *((name, "train") for name in ("trainset", "train-images", "train_data", "Train_1")),
        *((name, "val") for name in ("val", "Valid", "validation", "dev", "val2017", "validation_set", "devset")),
        *((name, "test") for name in ("test", "Testing", "eval", "evaluation", "seg_test", "test-images", "Test Data")),
        *(
            (name, None)
            for name in ("holdout", "train station", "crash test", "tests", "", "images", "contest", "2017")
        ),
    ],
)
def test_splits_by_name(folder, split):
    assert split_of(folder) == split


def test_a_split_in_a_folder_of_its_own_name(loaded):
    """As the Intel scenes unpack, with pictures to predict that have no class."""
    files = pictures("seg_train/seg_train/sea", "seg_train/seg_train/ice", each=5)
    files |= pictures("seg_test/seg_test/sea", "seg_test/seg_test/ice") | pictures("seg_pred/seg_pred", each=2)
    dataset = loaded(files)
    assert dataset.classes == ("ice", "sea") and counts(dataset)["sea", "test"] == 3
    assert "2 skipped: pictures in 'seg_pred', outside any class folder" in dataset.notes


def test_a_class_that_is_called_as_its_split_stays_a_class(loaded):
    files = pictures("train/train", "train/bus", "test/train", "test/bus", each=4)
    assert loaded(files).classes == ("bus", "train")


def test_folders_around_everything_do_not_count_on_disk_either(tmp_path):
    spec = on_disk(tmp_path, pictures("download/pets/cat", "download/pets/dog"))
    assert load(DataSettings(spec=spec), seed=0).classes == ("cat", "dog")


WORDS = st.sampled_from(["cat", "Dog", "猫", "a b", "C++", "x.y", "katze_ä"])
SPLITS = st.sampled_from(["train", "Training", "seg_train"]), st.sampled_from(["val", "valid", "dev", None])


@settings(max_examples=60)
@given(st.sets(WORDS, min_size=2, max_size=4), *SPLITS, st.sampled_from(["", "data/", "a/b/"]), st.data())
def test_no_picture_is_lost_whatever_the_folders_are_called(classes, train, val, above, data):
    """Every picture is a row of the class and split that its folders say, or counted with its reason."""
    expected, entries, skipped = {}, [], 0
    for split, folder in (("train", train), *([("val", val)] if val else []), ("test", "TEST")):
        for name in classes:
            n = data.draw(st.integers(1, 3))
            deeper = data.draw(st.sampled_from(["", "deep/"]))
            expected[split, name] = n
            entries += [Entry(tuple(f"{above}{folder}/{name}/{deeper}{i}.png".split("/"))) for i in range(n)]
        hidden = data.draw(st.integers(0, 2))
        skipped += hidden
        entries += [Entry((*f"{above}{folder}/.cache".split("/"), f"{i}.png")) for i in range(hidden)]
    placed = places(entries)
    seen = {}
    for place in placed.pictures:
        seen[place.split, place.label] = seen.get((place.split, place.label), 0) + 1
    assert seen == expected and sum(placed.left_out.values()) == skipped
