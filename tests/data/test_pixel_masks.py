"""Pictures with masks in every layout that is read, and what is refused in one sentence."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rtl_core.config import DataSettings, PartitionSettings
from rtl_core.data import partitions
from rtl_core.data.concatenate import load_joined
from rtl_core.data.dataset import IGNORED
from rtl_core.data.pixel_masks import source
from rtl_core.data.pixel_masks.blocks import GAP, block_of_each, split_by_blocks
from rtl_core.data.sources import load
from rtl_core.errors import BadInput
from tests.data.mask_files import SIDE, grey_png, mask, masked_pictures, picture, save, zipped


def get(spec: str, **settings):
    return load(DataSettings(spec=spec, **settings), 0)


def row_of(data, values: np.ndarray) -> int:
    """The row whose picture has these values (h, w, 3)."""
    (row,) = np.flatnonzero((data.x == values.transpose(2, 0, 1)).all(axis=(1, 2, 3)))
    return int(row)


@pytest.fixture
def folder(tmp_path):
    return masked_pictures(tmp_path / "set")


def test_pictures_and_masks_are_read_as_they_stand(folder):
    data = get(f"masks:{folder}")
    assert data.kind == "image" and data.x.shape == (12, 3, SIDE, SIDE) and data.y.dtype == np.uint8
    assert data.classes == ("label 0", "label 1", "label 2") and data.labels is None
    for i in range(12):
        assert np.array_equal(data.y[row_of(data, picture(i))], mask(i))
    assert {split: len(data.rows(split)) for split in ("train", "val", "test")} == {"train": 9, "val": 1, "test": 2}


def test_a_folder_and_its_zip_are_the_same_data(folder, tmp_path):
    whole = get(f"masks:{folder}")
    packed = get(f"masks:{zipped(folder, tmp_path / 'set.zip')}")
    assert packed.fingerprint == whole.fingerprint == get(f"folder:{folder}").fingerprint
    assert np.array_equal(packed.y, whole.y)


def test_class_folders_stay_class_folders(tmp_path):
    for name in ("cats", "images"):
        for i in range(6):
            save(tmp_path / name / f"{i}.png", picture(i + 10 * len(name)))
    data = get(f"folder:{tmp_path}")
    assert data.classes == ("cats", "images") and data.labels is not None


@pytest.mark.parametrize("first", ["split", "kind"])
def test_splits_stand_above_or_below(tmp_path, first):
    for i, split in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 3):
        for kind, values in (("images", picture(i)), ("masks", mask(i))):
            above = (split, kind) if first == "split" else (kind, split)
            save(tmp_path.joinpath("around", *above, f"{i}.png"), values)
    data = get(f"masks:{tmp_path}")
    assert data.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    assert all(np.array_equal(data.y[row_of(data, picture(i))], mask(i)) for i in range(9))


@pytest.mark.parametrize("ending", ["_mask", "_L", "-labels", "_seg"])
def test_endings_of_masks_do_not_count(tmp_path, ending):
    masked_pictures(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        path.rename(path.with_name(f"{path.stem}{ending}.png"))
    assert len(get(f"masks:{tmp_path}")) == 12


def test_colours_by_a_table(tmp_path):
    colours = {"sky": (128, 128, 128), "road": (128, 64, 128), "void": (0, 0, 0)}
    palette = np.array(list(colours.values()), np.uint8)
    for i in range(12):
        save(tmp_path / "images" / f"{i}.png", picture(i))
        save(tmp_path / "masks" / f"{i}.png", palette[mask(i)])
    lines = [f"{name},{r},{g},{b}" for name, (r, g, b) in colours.items()]
    (tmp_path / "class_dict.csv").write_text("\n".join(["name,r,g,b", *lines]))
    expected = get(f"masks:{tmp_path}")
    assert expected.classes == ("sky", "road")
    of = np.array([0, 1, IGNORED])
    assert all(np.array_equal(expected.y[row_of(expected, picture(i))], of[mask(i)]) for i in range(12))
    (tmp_path / "class_dict.csv").unlink()
    lines = [f"{r} {g} {b}\t{name}" for name, (r, g, b) in colours.items()]
    (tmp_path / "label_colors.txt").write_text("\n".join(lines) + "\n")
    assert get(f"masks:{tmp_path}").fingerprint == expected.fingerprint


def test_values_by_a_table_and_palettes_by_their_indices(tmp_path):
    masked_pictures(tmp_path, values=(3, 7, 255))
    (tmp_path / "classes.csv").write_text("value;name\n3;sky\n7;road\n")
    plain = get(f"masks:{tmp_path}")
    assert plain.classes == ("sky", "road")
    assert np.array_equal(plain.y[row_of(plain, picture(0))] == IGNORED, mask(0, (3, 7, 255)) == 255)
    for path in (tmp_path / "masks").iterdir():
        with Image.open(path) as flat:
            coloured = Image.fromarray(np.asarray(flat)).convert("P")
            coloured.putdata(np.asarray(flat).ravel().tolist())
            coloured.putpalette(np.random.default_rng(0).integers(256, size=768).tolist())
        coloured.save(path)
    assert get(f"masks:{tmp_path}").fingerprint == plain.fingerprint


def test_masks_of_0_and_255_are_foreground(tmp_path):
    data = get(f"masks:{masked_pictures(tmp_path, values=(0, 255))}")
    assert data.classes == ("background", "foreground") and "foreground" in " ".join(data.notes)
    assert np.array_equal(data.y[row_of(data, picture(3))], mask(3, (0, 255)) // 255)


def test_any_sizes_become_squares_and_masks_go_the_same_way(tmp_path):
    for i in range(12):
        shape = (40 + i, 60) if i % 2 else (50, 30 + i)
        labels = np.zeros(shape, np.uint8)
        labels[shape[0] // 3 : 2 * shape[0] // 3, shape[1] // 3 : 2 * shape[1] // 3] = 1
        save(tmp_path / "images" / f"{i}.png", np.repeat(200 * labels[..., None], 3, axis=2).astype(np.uint8))
        save(tmp_path / "masks" / f"{i}.png", labels)
    data = get(f"masks:{tmp_path}", image_size=24)
    assert data.x.shape == (12, 1, 24, 24) and data.y.shape == (12, 24, 24)
    off = (data.x[:, 0] > 100) != data.y  # bilinear and nearest part ways at edges alone
    assert off.mean() < 0.02 and (data.y == 1).any(axis=(1, 2)).all()
    assert get(f"masks:{tmp_path}").y.shape == (12, source.SIDE, source.SIDE)


def test_pictures_of_one_size_keep_their_shape(tmp_path):
    for i in range(9):
        save(tmp_path / "images" / f"{i}.png", picture(i, (30, 300, 3)))
        save(tmp_path / "masks" / f"{i}.png", mask(i, shape=(30, 300)))
    assert get(f"masks:{tmp_path}").y.shape == (9, 26, 256)


def test_a_turned_photograph_lies_as_its_mask(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # shown after a quarter turn
    for i in range(9):
        save(tmp_path / "images" / f"{i}.jpg", picture(i, (20, 30, 3)), exif=turned)
        save(tmp_path / "masks" / f"{i}.png", mask(i, shape=(30, 20)))
    assert get(f"masks:{tmp_path}").y.shape == (9, 30, 20)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_masks_of_few_bits_hold_the_values_that_stand_in_them(tmp_path, bits):
    values = [mask(i, tuple(range(2**bits))) for i in range(12)]
    for i, drawn in enumerate(values):
        save(tmp_path / "images" / f"{i:03d}.png", picture(i))
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / "masks" / f"{i:03d}.png").write_bytes(grey_png(drawn, bits))
    dataset = get(f"masks:{tmp_path}")
    assert dataset.classes == tuple(f"label {value}" for value in range(2**bits))
    assert all(np.array_equal(dataset.y[row_of(dataset, picture(i))], drawn) for i, drawn in enumerate(values))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_pictures_of_every_kind_are_turned_with_their_masks(tmp_path, ending):
    turned = Image.Exif()
    turned[0x0112] = 6
    for i in range(12):
        labels = mask(i, shape=(12, 20))
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(labels * 100).transpose(Image.Transpose.ROTATE_90).save(
            tmp_path / "images" / f"{i:03d}{ending}", exif=turned
        )
        save(tmp_path / "masks" / f"{i:03d}.png", labels)
    dataset = get(f"masks:{tmp_path}")
    assert dataset.x.shape[2:] == dataset.y.shape[1:] == (12, 20)
    if ending in (".png", ".tif"):  # the others change values
        assert np.array_equal(dataset.x[:, 0], dataset.y * 100)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_classes_end_their_lines_as_any_system_does(folder, end):
    (folder / "classes.csv").write_bytes(("\ufeffname,value" + end + end.join(["sky,0", "road,1", "tree,2"])).encode())
    assert get(f"masks:{folder}").classes == ("sky", "road", "tree")


def test_a_table_of_pictures_gives_attributes_splits_and_units(folder):
    rows = [
        {"file": f"{i:03d}.png", "site": "north" if i < 6 else "south", "year": 2000 + i, "unit": i // 2,
         "split": ["training", "dev", "test"][i // 2 % 3]}
        for i in range(12)
    ]  # fmt: skip
    pd.DataFrame(rows[::-1]).to_csv(folder / "images.csv", index=False)
    data = get(f"masks:{folder}")
    for i in range(12):
        row = row_of(data, picture(i))
        assert data.attributes.site[row] == rows[i]["site"] and data.attributes.year[row] == 2000 + i
        assert data.split[row] == ["train", "val", "test"][i // 2 % 3]
        assert data.unit[row] == data.unit[row_of(data, picture(i ^ 1))]
    assert list(data.attributes) == ["site", "year"] and len(np.unique(data.unit)) == 6


def test_units_are_never_cut(tmp_path):
    masked_pictures(tmp_path, n=60)
    rows = pd.DataFrame({"file": [f"{i:03d}" for i in range(60)], "unit": np.arange(60) // 5})
    rows.to_csv(tmp_path / "images.csv", index=False)
    data = get(f"masks:{tmp_path}")
    assert pd.Series(data.split).groupby(data.unit).nunique().max() == 1
    assert all(len(data.rows(split)) for split in ("train", "val", "test"))


def test_folders_inside_are_an_attribute(tmp_path):
    for i in range(12):
        place = ("rome", "oslo")[i % 2]
        save(tmp_path / "images" / place / f"{i}.png", picture(i))
        save(tmp_path / "masks" / place / f"{i}.png", mask(i))
    data = get(f"masks:{tmp_path}")
    assert data.attributes.folder[row_of(data, picture(3))] == "oslo"
    assert partitions.split(data, PartitionSettings(by="attribute", min_size=2), 0).names == ("oslo", "rome")


def test_cityscapes_layout(tmp_path):
    for i in range(9):
        split, city = ("train", "ulm") if i < 5 else ("val", "bonn")
        name = f"{city}_{i:06d}_000019"
        save(tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", picture(i))
        labels = tmp_path / "gtFine" / split / city
        save(labels / f"{name}_gtFine_labelIds.png", mask(i, (0, 7, 26, 33)))
        save(labels / f"{name}_gtFine_color.png", picture(100 + i))
        save(labels / f"{name}_gtFine_instanceIds.png", picture(200 + i, (SIDE, SIDE)))
    data = get(f"masks:{tmp_path}")
    assert len(data.classes) == 19 and data.classes[0] == "road" and data.classes[-1] == "bicycle"
    row = row_of(data, picture(0))
    of = {0: IGNORED, 7: 0, 26: data.classes.index("car"), 33: 18}
    assert np.array_equal(data.y[row], np.vectorize(of.get)(mask(0, (0, 7, 26, 33))))
    assert data.attributes.city[row] == "ulm" and data.split[row_of(data, picture(8))] == "val"


def camvid(root, frames: dict[str, int]):
    for sequence, n in frames.items():
        for i in range(n):
            save(root / "train" / "images" / f"{sequence}_{30 * i:06d}.jpg", picture(i))
            save(root / "train" / "masks" / f"{sequence}_{30 * i:06d}.png", mask(i, (0, 5, 11)))
    return root


def test_camvid_layout_and_its_blocks(tmp_path):
    data = get(f"masks:{camvid(tmp_path, {'0001TP': 45, '0016E5': 80})}", split="blocks")
    assert data.classes[5] == "Tree" and len(data.classes) == 11
    assert set(np.unique(data.y)) == {0, 5, IGNORED}
    assert set(data.attributes.sequence) == {"0001TP", "0016E5"}
    for sequence in ("0001TP", "0016E5"):
        rows = (data.attributes.sequence == sequence).to_numpy()
        assert set(data.split[rows]) == {"train", "val", "test"}
    assert pd.Series(data.split).groupby(data.unit).nunique().max() == 1
    assert len(data) < 125 and "frames where blocks of two splits meet" in " ".join(data.notes)
    given = get(f"masks:{tmp_path}")
    assert len(given) == 125 and len(np.unique(given.unit)) == 6


def test_frames_of_two_splits_are_never_near():
    sequence = np.repeat(["a", "b"], [103, 61])
    for seed in range(20):
        split, block = split_by_blocks(sequence, DataSettings(), seed)
        for name in ("a", "b"):
            own = split[sequence == name]
            for i in np.flatnonzero(own != ""):
                near = own[max(0, i - 2 * GAP) : i + 2 * GAP + 1]
                assert set(near) <= {own[i], ""}
        assert pd.Series(split[split != ""]).groupby(block[split != ""]).nunique().max() == 1
    assert sorted(np.bincount(block_of_each(sequence))) == [20, 20, 20, 20, 21, 21, 21, 21]


def coco(root, n: int = 9):
    images, annotations = [], []
    for i in range(n):
        ids = np.array([0, 5, 70_000])[mask(i)]
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
        save(root / "train2017" / f"{i:012d}.jpg", picture(i))
        save(root / "panoptic_train2017" / f"{i:012d}.png", colours)
        images.append({"id": i, "file_name": f"{i:012d}.jpg", "height": SIDE, "width": SIDE})
        segments = [{"id": 5, "category_id": 17, "area": 1}, {"id": 70_000, "category_id": 3 if i else 17}]
        annotations.append({"image_id": i, "file_name": f"{i:012d}.png", "segments_info": segments})
    categories = [{"id": 3, "name": "car", "isthing": 1}, {"id": 17, "name": "cat"}, {"id": 99, "name": "unused"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (root / "panoptic_train2017.json").write_text(json.dumps(document))
    return root


def test_coco_panoptic(tmp_path):
    data = get(f"masks:{coco(tmp_path)}")
    assert data.classes == ("car", "cat")
    of = np.array([IGNORED, 1, 0])
    counts = sorted(map(tuple, (np.bincount(y.ravel(), minlength=256)[[0, 1, 255]] for y in data.y)))
    expected = [of[mask(i)] if i else np.where(mask(i) == 0, IGNORED, 1) for i in range(9)]
    assert counts == sorted(map(tuple, (np.bincount(y.ravel(), minlength=256)[[0, 1, 255]] for y in expected)))


def test_a_challenge_s_pictures_without_masks_are_left_out(tmp_path):
    for i in range(12):
        split = ("train", "val", "test")[i // 4]
        save(tmp_path / split / "images" / f"{i}.png", picture(i))
        if split != "test":
            save(tmp_path / split / "masks" / f"{i}.png", mask(i))
    data = get(f"masks:{tmp_path}")
    assert len(data) == 8 and "4 skipped: pictures of test without masks" in data.notes


def test_pictures_whose_masks_label_nothing_are_left_out(folder):
    save(folder / "masks" / "004.png", np.full((SIDE, SIDE), 255, np.uint8))
    data = get(f"masks:{folder}")
    assert len(data) == 11 and any("label no pixel" in note for note in data.notes)


def test_a_class_that_a_split_lacks_is_said(tmp_path):
    masked_pictures(tmp_path)
    (tmp_path / "classes.csv").write_text("value,name\n0,sky\n1,road\n2,tree\n9,unicorn\n")
    assert any("no pixel of class 'unicorn'" in note for note in get(f"masks:{tmp_path}").notes)


def test_data_with_the_same_classes_join(folder, tmp_path):
    for i in range(20, 29):
        save(tmp_path / "more" / "images" / f"{i}.png", picture(i))
        save(tmp_path / "more" / "masks" / f"{i}.png", mask(i))
    both = load_joined(DataSettings(spec=f"masks:{folder} + masks:{tmp_path / 'more'}"), 0)
    assert len(both) == 21 and both.y.shape == (21, SIDE, SIDE)
    assert np.array_equal(both.y[row_of(both, picture(25))], mask(25))
    (tmp_path / "more" / "classes.csv").write_text("value,name\n0,sky\n1,road\n2,tree\n")
    with pytest.raises(BadInput, match="give data with the same classes"):
        load_joined(DataSettings(spec=f"masks:{folder} + masks:{tmp_path / 'more'}"), 0)


def test_the_limit_and_the_row_order_hold(tmp_path):
    data = get(f"masks:{masked_pictures(tmp_path, n=180)}", limit=100)
    assert len(data.rows("train")) == 100 and len(data.rows("test")) == 36


def test_subsets_are_attributes_or_clusters_and_no_classes(folder):
    data = get(f"masks:{folder}")
    with pytest.raises(BadInput, match="no class for each row to partition by; take an attribute or clusters"):
        partitions.split(data, PartitionSettings(by="class"), 0)
    settings = PartitionSettings(by="kmeans", k=2, features="raw")
    assert partitions.split(get("bundled:nuclei", image_size=16), settings, 0).k == 2


# What is wrong with a folder of twelve pairs, and the sentence that says so.


def no_masks(root):
    shutil.rmtree(root / "masks")


def a_mask_too_few(root):
    (root / "masks" / "003.png").unlink()


def a_picture_too_few(root):
    (root / "images" / "003.png").unlink()


def other_size(root):
    save(root / "masks" / "003.png", mask(3, shape=(SIDE, SIDE - 1)))


def strange_value(root):
    (root / "classes.csv").write_text("value,name\n0,sky\n1,road\n")


def strange_colour(root):
    (root / "classes.csv").write_text("name,r,g,b\nsky,0,0,0\nroad,9,9,9\n")


def colours_without_a_table(root):
    save(root / "masks" / "003.png", picture(3))


def photographs(root):
    for i in range(12):
        save(root / "masks" / f"{i:03d}.png", picture(i, (SIDE, SIDE)))


def jpegs(root):
    for path in list((root / "masks").iterdir()):
        save(path.with_suffix(".jpg"), picture(1, (SIDE, SIDE)))
        path.unlink()


def sixteen_bits(root):
    save(root / "masks" / "003.png", mask(3).astype(np.uint16))


def all_ignored(root):
    for i in range(12):
        save(root / "masks" / f"{i:03d}.png", np.full((SIDE, SIDE), 255, np.uint8))


def one_class(root):
    for i in range(12):
        save(root / "masks" / f"{i:03d}.png", np.zeros((SIDE, SIDE), np.uint8))


def empty(root):
    shutil.rmtree(root)
    root.mkdir()


def no_train(root):
    for kind in ("images", "masks"):
        (root / "test").mkdir(exist_ok=True)
        (root / kind).rename(root / "test" / kind)


def half_in_splits(root):
    save(root / "train" / "images" / "a.png", picture(50))
    save(root / "train" / "masks" / "a.png", mask(50))


def damaged_mask(root):
    path = root / "masks" / "003.png"
    path.write_bytes(path.read_bytes()[:60])


def damaged_picture(root):
    (root / "images" / "003.png").write_bytes(b"no picture")


def huge(root):
    Image.new("1", (6000, 6000)).save(root / "masks" / "003.png")


def a_row_too_few(root):
    (root / "images.csv").write_text("file,site\n000.png,north\n")


def two_rows(root):
    (root / "images.csv").write_text("file,site\n000.png,north\n000.png,south\n")


def odd_split(root):
    rows = "".join(f"{i:03d},{'train' if i else 'sometimes'}\n" for i in range(12))
    (root / "images.csv").write_text(f"file,split\n{rows}")


def odd_table(root):
    (root / "classes.csv").write_text("colour,name\nred,sky\n")


def odd_value(root):
    (root / "classes.csv").write_text("value,name\n300,sky\n1,road\n")


def twice(root):
    (root / "classes.csv").write_text("value,name\n1,sky\n1,road\n")


def open_quotation(root):
    (root / "classes.csv").write_text('value,name\n0,"' + "sky " * 40_000 + "\n1,road\n")


def lines_in_a_cell(root):
    (root / "classes.csv").write_text('value,name\n"0\n\n1"\n')


def two_tables(root):
    odd_table(root)
    (root / "palette.txt").write_text("0 0 0 sky\n")


def two_of_one_name(root):
    save(root / "images" / "003.jpg", picture(3))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_masks, "holds no pictures in a folder `images` with their masks in a folder `masks`"),
        (a_mask_too_few, r"1 pictures have no mask, such as 'images/003.png'; give each a mask of the same name"),
        (a_picture_too_few, r"1 masks have no picture, such as 'masks/003.png'"),
        (other_size, r"'images/003.png' is 16 x 16 pixels and its mask 'masks/003.png' 15 x 16"),
        (strange_value, r"masks/000.png has pixels of the value 2, which is no class by classes.csv"),
        (strange_colour, r"has pixels of the colour \(1, 1, 1\), which is no class by classes.csv; 2 colours are not"),
        (colours_without_a_table, "is in colours, and nothing says what they mean; put a classes.csv"),
        (photographs, "the masks hold 2.. values, .* as photographs do"),
        (jpegs, "is a JPEG, which changes the values of a mask"),
        (sixteen_bits, "masks/003.png has more than 8 bits a value"),
        (all_ignored, "no pixel of any mask has a class, all are ignored"),
        (one_class, r"the masks know 1 class \(label 0\); at least 2 are needed"),
        (empty, "holds no pictures in a folder `images`"),
        (no_train, "has no train pictures with masks"),
        (half_in_splits, "stands in no folder of a split, and others do"),
        (damaged_mask, "masks/003.png cannot be read as a"),
        (damaged_picture, "images/003.png cannot be read as a picture"),
        (huge, "more than 25,000,000 pixels"),
        (a_row_too_few, "images.csv has no row for 11 pictures, such as 'images/001.png'"),
        (two_rows, "images.csv has two rows for '000.png'"),
        (odd_split, "images.csv says the split 'sometimes'; it is train, val or test"),
        (odd_table, "classes.csv wants a first line `name,value` or `name,r,g,b`, it has `colour,name`"),
        (odd_value, "gives a class the value `300`; values are whole numbers from 0 to 255"),
        (twice, "classes.csv gives the value 1 twice"),
        (open_quotation, "classes.csv cannot be read as a table"),
        (lines_in_a_cell, "classes.csv has a line with fewer cells than its first one: `0 1`"),
        (two_tables, "both say what masks mean; keep one of them"),
        (two_of_one_name, "two pictures have one name"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_gets_one_sentence(folder, tmp_path, spoil, sentence):
    spoil(folder)
    for spec in (folder, zipped(folder, tmp_path / "set.zip")):
        with pytest.raises(BadInput, match=sentence) as error:
            get(f"masks:{spec}")
        assert "\n" not in str(error.value)


def test_other_wrong_inputs_get_one_sentence(folder, tmp_path):
    with pytest.raises(BadInput, match="neither a folder nor a whole zip archive"):
        get(f"masks:{folder / 'images' / '000.png'}")
    with pytest.raises(BadInput, match="nothing says what film each picture is of"):
        get(f"masks:{folder}", split="blocks")
    with pytest.raises(BadInput, match="only pictures with masks are cut so"):
        get("bundled:digits", split="blocks")
    with pytest.raises(BadInput, match="sequence '0001TP' has 9 frames, 15 are needed"):
        get(f"masks:{camvid(tmp_path / 'short', {'0001TP': 9})}", split="blocks")
    (coco(tmp_path / "coco") / "train2017" / f"{0:012d}.jpg").unlink()
    with pytest.raises(BadInput, match="1 annotated pictures are not there with their masks"):
        get(f"masks:{tmp_path / 'coco'}")
    (tmp_path / "coco" / "panoptic_train2017.json").write_text('{"images": 3}')
    with pytest.raises(BadInput, match="is no panoptic JSON of COCO: images"):
        get(f"masks:{tmp_path / 'coco'}")


def test_a_zip_that_unpacks_to_too_much_is_refused(folder, tmp_path, monkeypatch):
    packed = zipped(folder, tmp_path / "set.zip")
    monkeypatch.setattr("rtl_core.data.file_tree.most_unpacked", lambda size, most: 1000)
    with pytest.raises(BadInput, match="at most 1,000 are read from a zip of its size"):
        get(f"masks:{packed}")


def test_nuclei_are_three_modalities_in_whole_sittings():
    data = get("bundled:nuclei")
    assert data.x.shape == (664, 3, 96, 96) and data.classes == ("background", "nucleus", "border")
    assert set(data.attributes.modality) == {"small fluorescence", "large fluorescence", "histology and brightfield"}
    assert pd.Series(data.split).groupby(data.unit).nunique().max() == 1
    assert len(np.unique(data.unit)) == 100
    assert pd.crosstab(data.attributes.modality, data.split).min().min() >= 15
    assert load(DataSettings(spec="bundled:nuclei"), 5).fingerprint == data.fingerprint
