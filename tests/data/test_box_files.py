"""Boxes in the formats of COCO, Pascal VOC and YOLO, as people have them and as they should not be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data import boxes as box_data
from rtl_core.data import coco, voc, yolo
from rtl_core.data.boxes import attributes_of, rules_of
from rtl_core.data.concatenate import joined
from rtl_core.data.dataset import Dataset
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

SIZE = (40, 20)  # width, height of every picture
BOXES = [("cat", 4, 2, 20, 12), ("dog", 10, 5, 40, 20)]
N = 12


def pictures(folder: Path, n: int = N) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"picture{i:02d}" for i in range(n)]
    for i, name in enumerate(names):
        pixels = np.random.default_rng(i).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return names


def coco_folder(root: Path, change=lambda document: document) -> Path:
    names = pictures(root / "images")
    document = {
        "images": [{"id": 7 + i, "file_name": f"{n}.png", "width": 40, "height": 20} for i, n in enumerate(names)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"image_id": 7 + i, "category_id": {"cat": 3, "dog": 90}[c], "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for i in range(N)
            for c, x0, y0, x1, y1 in BOXES
        ],
    }
    (root / "annotations").mkdir()
    changed = change(document)
    text = changed if isinstance(changed, str) else json.dumps(changed if changed is not None else document)
    (root / "annotations" / "instances.json").write_text(text)
    return root


def voc_xml(name: str, boxes=BOXES, size=SIZE) -> str:
    objects = "".join(
        f"<object><name>{c}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>"
        "</object>"
        for c, x0, y0, x1, y1 in boxes
    )
    shape = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{name}.png</filename>{shape}{objects}</annotation>"


def voc_folder(root: Path, changed: dict[int, str] | None = None, lists: dict[str, str] | None = None) -> Path:
    names = pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for i, name in enumerate(names):
        (root / "Annotations" / f"{name}.xml").write_text((changed or {}).get(i) or voc_xml(name))
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for file, text in (lists or {}).items():
        (root / "ImageSets" / "Main" / f"{file}.txt").write_text(text)
    return root


def yolo_lines(boxes=BOXES) -> str:
    w, h = SIZE
    return "".join(
        f"{['cat', 'dog'].index(c)} {(x0 + x1) / 2 / w} {(y0 + y1) / 2 / h} {(x1 - x0) / w} {(y1 - y0) / h}\n"
        for c, x0, y0, x1, y1 in boxes
    )


def yolo_folder(root: Path, changed: dict[int, str] | None = None, names: str | None = "cat\ndog\n") -> Path:
    stems = pictures(root / "images")
    (root / "labels").mkdir()
    for i, name in enumerate(stems):
        (root / "labels" / f"{name}.txt").write_text((changed or {}).get(i, yolo_lines()))
    if names is not None:
        (root / "classes.txt").write_text(names)
    return root


MAKERS = {"coco": coco_folder, "voc": voc_folder, "yolo": yolo_folder}


def read(kind: str, root: Path, **settings) -> Dataset:
    return load(DataSettings(spec=f"{kind}:{root}", image_size=settings.pop("image_size", 32), **settings), seed=0)


@pytest.mark.parametrize("kind", MAKERS)
def test_boxes_are_stretched_with_their_pictures(kind, tmp_path):
    dataset = read(kind, MAKERS[kind](tmp_path / "data"))
    assert dataset.x.shape == (N, 3, 32, 32) and dataset.classes == ("cat", "dog") and dataset.labels is None
    expected = [[0, 4 * 0.8, 2 * 1.6, 20 * 0.8, 12 * 1.6], [1, 10 * 0.8, 5 * 1.6, 32, 32]]
    for own in dataset.y:
        np.testing.assert_allclose(own, expected, atol=1e-4)
    assert set(dataset.split) == {"train", "val", "test"}
    whole = Image.open(next((tmp_path / "data").rglob("picture00.png"))).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(dataset.x[0], np.asarray(whole).transpose(2, 0, 1))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_boxes_in_every_format_are_the_same_data(kind, tmp_path):
    one, other = read("coco", coco_folder(tmp_path / "coco")), read(kind, MAKERS[kind](tmp_path / "data"))
    np.testing.assert_allclose(one.y, other.y, atol=1e-4)
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.split, other.split)


def test_splits_of_voc_are_kept_and_others_left_out(tmp_path):
    lists = {"train": "picture00\npicture01 1\n", "val": "picture02\n", "trainval": "picture00\npicture02\npicture05\n"}
    dataset = read("voc", voc_folder(tmp_path / "data", lists=lists | {"test": "picture03\n"}))
    assert dataset.split.tolist() == ["train", "train", "val", "test", "train"]
    assert any("left out: 7" in note for note in dataset.notes)


def test_splits_of_yolo_are_folders_and_names_come_from_yaml(tmp_path):
    root = tmp_path / "data"
    for split in ("train", "valid", "test"):
        stems = pictures(root / split / "images", 3)
        (root / split / "labels").mkdir()
        for stem in stems[:2]:  # the third has no label file: there is nothing on it
            (root / split / "labels" / f"{stem}.txt").write_text(yolo_lines())
    (root / "data.yaml").write_text("train: ../train/images\nnc: 2\nnames: ['cat', 'dog']\n")
    dataset = read("yolo", root)
    assert dataset.classes == ("cat", "dog") and sorted(dataset.split) == sorted(["train", "val", "test"] * 3)
    assert (dataset.y[:, :, 0] >= 0).sum(axis=1).tolist() == [2, 2, 0] * 3
    (root / "data.yaml").write_text("names:\n  0: cat\n  1: dog\n")
    assert read("yolo", root).fingerprint == dataset.fingerprint


def test_documents_of_splits_of_coco_are_kept(tmp_path):
    root = coco_folder(tmp_path / "data")
    document = json.loads((root / "annotations" / "instances.json").read_text())
    (root / "annotations" / "instances.json").unlink()
    for split, images in (("train2017", document["images"][:8]), ("val2017", document["images"][8:])):
        ids = {image["id"] for image in images}
        boxes = [box for box in document["annotations"] if box["image_id"] in ids]
        own = document | {"images": images, "annotations": boxes}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(own))
    dataset = read("coco", root)
    assert (dataset.split[8:] == "val").all() and set(dataset.split[:8]) == {"train", "test"}


def test_crowds_of_coco_are_left_out_and_counted(tmp_path):
    def crowded(document):
        document["annotations"][0]["iscrowd"] = 1

    dataset = read("coco", coco_folder(tmp_path / "data", crowded))
    assert (dataset.y[0, :, 0] >= 0).sum() == 1
    assert "regions of crowds, left out: 1" in dataset.notes


def test_boxes_that_reach_out_are_cut_and_those_without_area_left_out(tmp_path):
    boxes = [("cat", -5, -5, 20, 12), ("dog", 10, 5, 10, 20), ("dog", 1, 1, 9, 9)]
    dataset = read("voc", voc_folder(tmp_path / "data", {0: voc_xml("picture00", boxes)}))
    np.testing.assert_allclose(dataset.y[0, 0], [0, 0, 0, 16, 19.2], atol=1e-4)
    assert (dataset.y[0, :, 0] >= 0).sum() == 2
    assert "boxes without area, left out: 1" in dataset.notes
    assert "boxes that reach out of their picture, cut at its edge: 1" in dataset.notes


def test_a_picture_on_its_side_is_turned_as_it_is_shown(tmp_path):
    root = voc_folder(tmp_path / "data", {0: voc_xml("picture00", size=(20, 40), boxes=[("cat", 0, 0, 10, 40)])})
    picture = Image.open(root / "JPEGImages" / "picture00.png")
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(root / "JPEGImages" / "picture00.png", exif=exif)
    np.testing.assert_allclose(read("voc", root).y[0, 0], [0, 0, 0, 16, 32], atol=1e-4)


def test_a_class_that_no_box_has_is_noted(tmp_path):
    dataset = read("yolo", yolo_folder(tmp_path / "data", names="cat\ndog\nbird\n"))
    assert dataset.classes == ("cat", "dog", "bird")
    assert any("train has no box of class 'bird'" in note for note in dataset.notes)


def test_attributes_say_how_crowded_a_picture_is(tmp_path):
    many = {i: voc_xml(f"picture{i:02d}", BOXES * (1 + i % 3)) for i in range(N)}
    dataset = read("voc", voc_folder(tmp_path / "data", many))
    assert dataset.attributes["boxes"].tolist() == [2 * (1 + i % 3) for i in range(N)]
    assert set(dataset.attributes["crowding"]) == {"few", "some", "many"}
    assert set(dataset.attributes["rarest"]) == {"cat"}


def test_many_classes_leave_pictures_to_train_on(tmp_path):
    each = {i: f"{i} 0.5 0.5 0.2 0.2\n" for i in range(N)}
    dataset = read("yolo", yolo_folder(tmp_path / "data", each, "\n".join(f"thing {i}" for i in range(N))))
    assert (dataset.split == "train").sum() >= N / 2
    assert set(dataset.attributes["rarest"]) == set(dataset.classes)


def test_classes_of_coco_keep_their_names_whatever_order_documents_list_them_in(tmp_path):
    root = coco_folder(tmp_path / "data")
    document = json.loads((root / "annotations" / "instances.json").read_text())
    (root / "annotations" / "instances.json").unlink()
    for split, rows in {"train": slice(0, 8), "val": slice(8, 10), "test": slice(10, 12)}.items():
        own = {**document, "images": document["images"][rows]}
        ids = {each["id"] for each in own["images"]}
        own["annotations"] = [box for box in document["annotations"] if box["image_id"] in ids]
        own["categories"] = document["categories"][:: -1 if split == "train" else 1]
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(own))
    dataset = read("coco", root)
    assert dataset.classes == ("cat", "dog")
    assert all(np.array_equal(picture, dataset.y[0]) for picture in dataset.y)  # all have the same two boxes


def test_pictures_are_never_taken_from_around_the_folder(tmp_path):
    pictures(tmp_path / "others")
    root = coco_folder(
        tmp_path / "mine", lambda document: document["images"][0].update(file_name="others/picture01.png")
    )
    with pytest.raises(BadInput, match=r"there is no picture others/picture01\.png"):
        read("coco", root)
    document = coco_folder(tmp_path / "plain") / "annotations" / "instances.json"
    assert len(read("coco", document)) == N  # of a document alone also the folder above


def test_texts_of_other_systems_are_read_the_same(tmp_path):
    root = yolo_folder(tmp_path / "plain")
    plain = read("yolo", root)
    for file in (root / "classes.txt", *(root / "labels").glob("*.txt")):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    for file in sorted((root / "labels").glob("*.txt"))[:6]:
        file.rename(file.with_suffix(".TXT"))
    other = read("yolo", root)
    assert other.classes == ("cat", "dog") and np.array_equal(other.y, plain.y)
    lists = {"train": "\ufeffpicture00\r\npicture01\r\n", "val": "picture02", "test": "picture03"}
    root = voc_folder(tmp_path / "voc", lists=lists)
    (root / "Annotations" / "picture00.xml").rename(root / "Annotations" / "picture00.XML")
    assert list(read("voc", root).split) == ["train", "train", "val", "test"]


def test_pictures_of_12_bits_keep_their_shades(tmp_path):
    root = coco_folder(tmp_path / "data")
    for i, file in enumerate(sorted((root / "images").iterdir())):
        deep = np.random.default_rng(i).integers(0, 4096, SIZE[::-1]).astype(np.uint16)
        deep[0, :] = 4095
        Image.fromarray(deep).save(file)
    dataset = read("coco", root)
    assert dataset.x.max() == 255 and any("12 bits" in note for note in dataset.notes)


def test_crowding_is_that_of_the_pictures_whose_rules_are_given(tmp_path):
    few = read("voc", voc_folder(tmp_path / "few", {i: voc_xml(f"picture{i:02d}", BOXES[:1]) for i in range(N)}))
    mixed = read(
        "voc", voc_folder(tmp_path / "mixed", {i: voc_xml(f"picture{i:02d}", BOXES * (i + 1)) for i in range(N)})
    )
    assert set(few.attributes["crowding"]) == {"many"}  # by their own rules, which tell nothing apart
    again = attributes_of(few.y, mixed.classes, rules_of(mixed))
    assert set(again["crowding"]) == {"few"}
    assert attributes_of(mixed.y, mixed.classes, rules_of(mixed)).equals(mixed.attributes)


def test_two_sets_of_boxes_are_joined(tmp_path):
    first = read("voc", voc_folder(tmp_path / "one"))
    more = {i: voc_xml(f"picture{i:02d}", BOXES * 2) for i in range(3)}
    second = read("voc", voc_folder(tmp_path / "two", more))
    both = joined(first, second)
    assert len(both) == N + 3 and both.y.shape[1] == 4  # the same pictures with other boxes are rows of their own
    assert joined(first, read("coco", coco_folder(tmp_path / "three"))) is first


SPECIAL = {
    "bomb": '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><annotation><folder>&y;</folder></annotation>',
    "outside": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation><folder>&x;</folder></annotation>',
}


def of_box(**changes):
    def change(document):
        document["annotations"][5].update(changes)

    return change


def of_document(**changes):
    return lambda document: {**document, **changes}


WRONG = {
    "box outside": ("coco", of_box(bbox=[50, 2, 5, 5]), "lies outside the picture"),
    "negative size": ("coco", of_box(bbox=[10, 2, -5, 5]), "negative size"),
    "not a number": ("coco", of_box(bbox=[float("nan"), 2, 5, 5]), "not a number"),
    "infinite": ("coco", of_box(bbox=[1, 2, float("inf"), 5]), "not a number"),
    "unknown class id": ("coco", of_box(category_id=4), "class id 4, which is not among"),
    "unknown picture id": ("coco", of_box(image_id=4), "a picture with id 4"),
    "three numbers": ("coco", of_box(bbox=[1, 2, 3]), "no document of COCO boxes: 'annotations.5.bbox"),
    "a text for a number": ("coco", of_box(bbox=["a", 2, 3, 4]), "no document of COCO boxes: 'annotations.5.bbox"),
    "no boxes at all": ("coco", of_document(annotations=[]), "not one box"),
    "no pictures": ("coco", of_document(images=[], annotations=[]), "not one box"),
    "no categories": ("coco", of_document(categories=[], annotations=[]), "0 classes"),
    "a list": ("coco", lambda document: "[]", "no document of COCO boxes"),
    "broken JSON": ("coco", lambda document: '{"images": [', "no intact JSON"),
    "deep JSON": ("coco", lambda document: "[" * 100_000, "no intact JSON"),
    "a path out of the folder": (
        "coco",
        lambda document: document["images"][0].update(file_name="../../../etc/hostname"),
        "leads out of",
    ),
    "an absolute path": ("coco", lambda document: document["images"][0].update(file_name="/etc/hostname"), "leads out"),
    "a name no file can have": (
        "coco",
        lambda document: document["images"][0].update(file_name="a\0.png"),
        "character that no file's name can have",
    ),
    "a blank name": ("coco", lambda document: document["categories"][1].update(name="  "), "name of a class has 1 to"),
    "a name of two lines": ("coco", lambda document: document["categories"][1].update(name="a\nb"), "no line breaks"),
    "the same id twice": ("coco", lambda document: document["images"][1].update(id=7), "the same id"),
    "a class twice": ("coco", lambda document: document["categories"][1].update(name="cat"), "called 'cat'"),
    "another size": ("coco", lambda document: document["images"][0].update(width=41), "40 x 20 pixels, but its boxes"),
    "broken XML": ("voc", {0: "<annotation><object>"}, "no intact XML"),
    "entity bomb": ("voc", {0: SPECIAL["bomb"]}, "declares entities or a document type"),
    "entity of a file": ("voc", {0: SPECIAL["outside"]}, "declares entities or a document type"),
    "no name": ("voc", {0: voc_xml("picture00", [("", 1, 2, 3, 4)])}, "no name of a class"),
    "a corner missing": ("voc", {0: voc_xml("picture00", [("cat", "", 2, 3, 4)])}, "lacks a number"),
    "corners the wrong way round": ("voc", {0: voc_xml("picture00", [("cat", 9, 2, 3, 4)])}, "negative size"),
    "NaN in XML": ("voc", {0: voc_xml("picture00", [("cat", "nan", 2, 3, 4)])}, "not a number"),
    "no size": ("voc", {0: voc_xml("picture00", size=("", ""))}, "does not say how large"),
    "far outside": ("voc", {0: voc_xml("picture00", [("cat", 60, 2, 70, 4)])}, "lies outside the picture"),
    "four numbers a line": ("yolo", {0: "0 0.5 0.5 0.1\n"}, "line 1 of .* is no box"),
    "words": ("yolo", {0: "cat 0.5 0.5 0.1 0.1\n"}, "line 1 of .* is no box"),
    "a class beyond the names": ("yolo", {0: "2 0.5 0.5 0.1 0.1\n"}, "class that is not among the 2"),
    "a negative class": ("yolo", {0: "-1 0.5 0.5 0.1 0.1\n"}, "class that is not among the 2"),
    "half a class": ("yolo", {0: "0.5 0.5 0.5 0.1 0.1\n"}, "whole numbers from 0"),
    "pixels": ("yolo", {0: "0 20 10 10 5\n"}, "is in pixels"),
    "a negative width": ("yolo", {0: "0 0.5 0.5 -0.1 0.1\n"}, "negative size"),
    "NaN in a line": ("yolo", {0: "0 nan 0.5 0.1 0.1\n"}, "not a number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_boxes_are_refused_in_a_sentence(case, tmp_path):
    kind, change, words = WRONG[case]
    root = MAKERS[kind](tmp_path / "data", change)
    with pytest.raises(BadInput, match=words) as refused:
        read(kind, root)
    assert "\n" not in str(refused.value)


def removed(kind: str, root: Path, pattern: str) -> Path:
    made = MAKERS[kind](root)
    for file in made.glob(pattern):
        file.unlink()
    return made


MISSING = {
    "a picture of coco": ("coco", "images/picture03.png", "no picture picture03.png"),
    "a picture of voc": ("voc", "JPEGImages/picture03.png", "no picture the picture of picture03.xml"),
    "a picture of yolo": ("yolo", "images/picture03.png", "picture03.txt labels no picture"),
    "all pictures of yolo": ("yolo", "images/*", "picture00.txt labels no picture"),
    "the document": ("coco", "annotations/*", "holds no JSON document"),
    "all XML": ("voc", "Annotations/*", "holds no boxes in Annotations"),
    "all labels": ("yolo", "labels/*", "no label files"),
    "the names": ("yolo", "classes.txt", "does not say what its classes are called"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_is_named(case, tmp_path):
    kind, pattern, words = MISSING[case]
    with pytest.raises(BadInput, match=words):
        read(kind, removed(kind, tmp_path / "data", pattern))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: !!python/object/apply:os.system ['true']", "no intact YAML"),
        ("names: [" * 5000, "no intact YAML"),
        ("names: 3", "no list of class names"),
        ("names: {0: cat, 2: dog}", "no list of class names"),
        ("names: [[cat], [dog]]", "no list of class names"),
        ("just words", "no list of class names"),
        ("a: &a [x]\nb: &b [*a, *a]\nnames: [*b, *b]", "no list of class names"),
    ],
)
def test_yaml_that_names_no_classes_is_refused(text, words, tmp_path):
    root = yolo_folder(tmp_path / "data", names=None)
    (root / "data.yaml").write_text(text)
    with pytest.raises(BadInput, match=words):
        read("yolo", root)


def test_lists_of_voc_name_pictures_that_are_there_and_each_once(tmp_path):
    with pytest.raises(BadInput, match="names 'picture99'"):
        read("voc", voc_folder(tmp_path / "one", lists={"train": "picture00\npicture99\n"}))
    with pytest.raises(BadInput, match="'picture00' stands in two lists"):
        read("voc", voc_folder(tmp_path / "two", lists={"train": "picture00\n", "test": "picture00\n"}))


@pytest.mark.parametrize(
    ("kind", "module", "limit", "pattern"),
    [
        ("coco", coco, "MAX_JSON_BYTES", "annotations/instances.json"),
        ("voc", voc, "MAX_XML_BYTES", "picture00.xml"),
        ("yolo", yolo, "MAX_LABEL_BYTES", "picture00.txt"),
        ("yolo", yolo, "MAX_NAMES_BYTES", "classes.txt"),
    ],
)
def test_sizes_are_looked_at_before_anything_is_read(kind, module, limit, pattern, tmp_path, monkeypatch):
    root = MAKERS[kind](tmp_path / "data")
    monkeypatch.setattr(module, limit, 3)
    with pytest.raises(BadInput, match=rf"{pattern} has [\d,]+ bytes; at most 3"):
        read(kind, root)


def test_too_many_boxes_or_classes_are_refused(tmp_path, monkeypatch):
    root = yolo_folder(tmp_path / "data")
    with monkeypatch.context() as patch, pytest.raises(BadInput, match="has 2 boxes; at most 1"):
        patch.setattr(box_data, "MAX_BOXES", 1)
        read("yolo", root)
    with monkeypatch.context() as patch, pytest.raises(BadInput, match="have 2 classes; 1 to 1"):
        patch.setattr(box_data, "MAX_CLASSES", 1)
        read("yolo", root)
    with monkeypatch.context() as patch, pytest.raises(BadInput, match="more than fit into memory"):
        patch.setattr(box_data, "MAX_PLACES", 20)
        read("yolo", root)


def test_a_damaged_picture_is_named(tmp_path):
    root = voc_folder(tmp_path / "data")
    (root / "JPEGImages" / "picture04.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"picture04\.xml cannot be read"):
        read("voc", root)
