"""DOMAIN/CLASS/file folders: which pictures are taken, in which split, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data.domain_folders import uneven_notes
from rtl_core.data.sources import load
from rtl_core.errors import BadInput

DRAW = np.random.default_rng(0)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAW.integers(0, 256, (12, 12, 3), np.uint8)).save(path)


@pytest.fixture
def pets(tmp_path):
    """photo: 8 cats, 8 dogs, 8 owls; sketch: 8 cats, 8 dogs."""
    for domain, classes in (("photo", ("cat", "dog", "owl")), ("sketch", ("cat", "dog"))):
        for label in classes:
            for i in range(8):
                picture(tmp_path / domain / label / f"{i}.png")
    return tmp_path


def loaded(root: Path, **settings):
    return load(DataSettings(spec=f"domain:{root}", **settings), 0)


def test_classes_of_all_domains_with_the_domain_as_attribute(pets):
    dataset = loaded(pets)
    assert dataset.classes == ("cat", "dog") and len(dataset) == 32
    assert dataset.attributes["domain"].value_counts().to_dict() == {"photo": 16, "sketch": 16}
    assert "8 skipped: pictures of classes that not every domain has" in dataset.notes
    for domain in ("photo", "sketch"):  # the split is drawn within every domain and class
        for label in (0, 1):
            mine = (dataset.attributes["domain"] == domain).to_numpy() & (dataset.y == label)
            assert set(dataset.split[mine]) == {"train", "val", "test"}


def test_classes_of_any_domain(pets):
    dataset = loaded(pets, domain_classes="all")
    assert dataset.classes == ("cat", "dog", "owl") and len(dataset) == 40
    assert any("sketch has no 'owl'" in note for note in dataset.notes)


@pytest.mark.parametrize(("begin", "end"), [("", "\n"), ("\ufeff", "\r\n")])
def test_lists_give_the_split(pets, begin, end):
    for domain in ("photo", "sketch"):
        rows = {
            split: [f"{domain}/{label}/{i}.png {number}" for number, label in enumerate(("cat", "dog")) for i in places]
            for split, places in (("train", range(5)), ("test", range(5, 7)))
        }
        for split, lines in rows.items():
            (pets / f"{domain}_{split}.txt").write_bytes((begin + end.join(lines) + end).encode())
    dataset = loaded(pets)
    assert len(dataset) == 28 and len(dataset.rows("test")) == 8  # the eighth of each is in no list
    assert any("photo: 10 skipped: pictures that the domain's lists do not name" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("photo/cat/99.png 0", r"the lists of domain 'photo' name photo/cat/99\.png, which is not there"),
        ("cat/1.png 0", "line 1: 'cat/1.png' should begin with 'photo/'"),
    ],
)
def test_lists_that_do_not_fit(pets, line, sentence):
    (pets / "photo_train.txt").write_text(line)
    with pytest.raises(BadInput, match=sentence):
        loaded(pets)


def test_a_picture_in_both_lists(pets):
    for split in ("train", "test"):
        (pets / f"photo_{split}.txt").write_text("photo/cat/1.png 0")
    with pytest.raises(BadInput, match=r"photo/cat/1\.png stands in the train list and in the test list of 'photo'"):
        loaded(pets)


def test_what_is_refused(pets, tmp_path):
    picture(pets / "sketch" / "test" / "cat" / "1.png")
    with pytest.raises(BadInput, match="domain 'sketch': "):
        loaded(pets)
    with pytest.raises(BadInput, match=r"holds 0 folder\(s\); wanted are two domains or more"):
        loaded(pets / "photo" / "cat")
    for domain in ("a", "b"):
        picture(tmp_path / "apart" / domain / f"only-{domain}" / "1.png")
    with pytest.raises(BadInput, match=r"the domains share 0 class\(es\)"):
        loaded(tmp_path / "apart")


def test_splits_in_some_domains_only(pets):
    for split, count in (("train", 6), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(count):
                picture(pets / "toys" / split / label / f"{i}.png")
    with pytest.raises(BadInput, match="some domains bring test pictures and photo, sketch none"):
        loaded(pets)


def test_uneven_shares_are_told():
    classes = ("cat", "dog")
    domain = np.repeat(["photo", "sketch"], 10)
    even, uneven = np.tile([0, 1], 10), np.r_[np.repeat([0, 1], 5), [0], np.ones(9, int)]
    assert uneven_notes(even, domain, classes) == ()
    (note,) = uneven_notes(uneven, domain, classes)
    assert note == "'cat' is 10.0% of sketch and 50.0% of photo: the domain tells something of the class"
