import numpy as np
import pytest
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data import picture_files
from rtl_core.data.class_folders import KINDS
from rtl_core.data.picture_files import read_picture
from rtl_core.data.sources import load
from rtl_core.errors import BadInput


def load_folder(path, **settings):
    return load(DataSettings(spec=f"folder:{path}", **settings), seed=0)


def test_class_folders_become_classes(picture_folder):
    dataset = load_folder(picture_folder)
    assert dataset.classes == ("blue", "red") and dataset.input_shape == (3, 32, 32)
    assert (dataset.x[dataset.y == 1] == np.array([255, 0, 0]).reshape(3, 1, 1)).all()
    assert {split: len(dataset.rows(split)) for split in ("train", "val", "test")} == {"train": 14, "val": 2, "test": 4}


def test_train_and_test_folders_are_the_split(picture_folder):
    for split, count in (("train", 6), ("test", 4)):
        for name in ("red", "blue"):
            (picture_folder / split / name).mkdir(parents=True)
            for file in sorted((picture_folder / name).glob("*.png"))[:count]:
                file.rename(picture_folder / split / name / file.name)
    dataset = load_folder(picture_folder, image_size=16)
    assert dataset.input_shape == (3, 16, 16)
    assert len(dataset.rows("test")) == 8 and len(dataset.rows("train")) + len(dataset.rows("val")) == 12


def test_one_channel_only_if_every_picture_is_grey(picture_folder):
    for file in picture_folder.glob("*/*.png"):
        Image.new("L", (20, 20), 90).save(file)
    assert load_folder(picture_folder).input_shape == (1, 32, 32)
    Image.new("RGB", (20, 20), (90, 90, 91)).save(picture_folder / "red" / "0.png")
    assert load_folder(picture_folder).input_shape == (3, 32, 32)


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png", 10).pixels == 255).all()


def test_sixteen_bit_pictures_keep_their_upper_bits(tmp_path):
    Image.fromarray(np.full((10, 10), 0x7F30, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert (read_picture(tmp_path / "deep.png", 10).pixels == 0x7F).all()


def test_pictures_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[:32] = 255
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    top, bottom = np.split(read_picture(tmp_path / "turned.jpg", 32).pixels[0], 2)
    assert top.mean() < 10 and bottom.mean() > 245


def test_a_wide_picture_is_cut_to_its_centre(tmp_path):
    pixels = np.zeros((20, 60), dtype=np.uint8)
    pixels[:, 20:40] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (read_picture(tmp_path / "wide.png", 20).pixels == 255).all()


def test_other_files_are_counted_and_skipped(picture_folder, tmp_path):
    (picture_folder / "red" / ".DS_Store").write_text("")
    (picture_folder / "red" / "notes.txt").write_text("")
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (picture_folder / "red" / "link.png").symlink_to(tmp_path / "secret.png")
    dataset = load_folder(picture_folder)
    assert len(dataset) == 20
    assert dataset.notes[:3] == (
        f"1 skipped: files that are no {KINDS} pictures (.txt)",
        "1 skipped: hidden files",
        "1 skipped: links that lead out of the folder",
    )


def test_a_class_folder_that_is_a_link_out_of_the_folder_is_refused(picture_folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "elsewhere" / "secret.png")
    (picture_folder / "green").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="the folder 'green' holds no picture that can be read: 1 skipped, links"):
        load_folder(picture_folder)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a" + bytes(40)])
def test_a_corrupt_picture_is_named(picture_folder, content):
    (picture_folder / "red" / "broken.png").write_bytes(content)
    with pytest.raises(BadInput, match=rf"1 picture cannot be read as {KINDS}: .*red/broken\.png"):
        load_folder(picture_folder)


def test_a_truncated_picture_is_named(picture_folder):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture_folder / "red" / "cut.jpg")
    whole = (picture_folder / "red" / "cut.jpg").read_bytes()
    (picture_folder / "red" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cut\.jpg"):
        load_folder(picture_folder)


def test_a_picture_of_too_many_pixels_is_refused(picture_folder, monkeypatch):
    monkeypatch.setattr(picture_files, "MAX_PIXELS_WHOLE", 1_500)
    with pytest.raises(BadInput, match="more than 1,500 pixels"):
        load_folder(picture_folder)


def test_refusals(tmp_path, picture_folder):
    with pytest.raises(BadInput, match="there is no"):
        load_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=f"holds no {KINDS}"):
        load_folder(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is not a folder"):
        load_folder(tmp_path / "file")
    for file in (picture_folder / "red").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="1 class"):
        load_folder(picture_folder)
    Image.new("RGB", (9, 9)).save(picture_folder / "red" / "only.png")
    with pytest.raises(BadInput, match="class 'red' has 1 row"):
        load_folder(picture_folder)
