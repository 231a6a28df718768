"""Pictures of the same classes in several domains: DOMAIN/CLASS/file, as DomainNet, PACS and Office-Home are laid out.

Within a domain the rules of class folders hold (class_folders.py), splits above the classes too. Lists beside the
domains, `DOMAIN_train.txt` and `DOMAIN_test.txt` with a path and perhaps a number on each line, give the split where
they are there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rtl_core.comma_lists import joined
from rtl_core.config import DataSettings
from rtl_core.data.class_folders import Place, is_hidden, left_out_notes, places
from rtl_core.data.dataset import Dataset
from rtl_core.data.folders import DEFAULT_SIDE, PictureFile, entries, pixels
from rtl_core.data.limits import read_text
from rtl_core.data.pictures import Pictures, picture_dataset
from rtl_core.data.repeated_pictures import repeated_notes
from rtl_core.data.splits import complete_split, limited_rows
from rtl_core.errors import BadInput

MAX_LIST_BYTES = 64 * 2**20  # DomainNet's longest list has 6 MB
UNEVEN = 2.0  # times as large a share of a class in one domain as in another is told


@dataclass(frozen=True)
class _Domain:
    """What one domain's folder holds; notes are of its folders."""

    name: str
    pictures: list[Place]
    notes: tuple[str, ...]


def load_domain_folders(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """Pictures with the attribute `domain`; classes are those that all domains have, or all that any has
    (`data.domain_classes`). BadInput for fewer than two domains, and whatever is wrong in one of them."""
    if not path.is_dir():
        raise BadInput(f"domain: wants a folder with one folder per domain and class folders in each; {path} is a file")
    names = sorted(one.name for one in path.iterdir() if one.is_dir() and not is_hidden((one.name, "")))
    if len(names) < 2:
        raise BadInput(
            f"{path} holds {len(names)} folder(s); wanted are two domains or more, such as photo/ and sketch/"
        )
    domains = [_domain(path, name) for name in names]
    _check_same_kind_of_split(domains)
    classes = _classes(domains, settings)
    placed = [(domain.name, one) for domain in domains for one in domain.pictures if one.label in classes]
    kept_out = sum(len(domain.pictures) for domain in domains) - len(placed)
    y = np.array([classes.index(one.label) for _, one in placed])
    domain = np.array([name for name, _ in placed])
    given = np.array([one.split for _, one in placed])
    strata = np.unique(np.stack([np.unique(domain, return_inverse=True)[1], y]), axis=1, return_inverse=True)[1]
    split = complete_split(strata, given, settings, seed)
    keep = limited_rows(strata, split, settings.limit, seed)
    y, split, domain, placed = y[keep], split[keep], domain[keep], [placed[row] for row in keep]
    files = [
        PictureFile(f"{name}/{'/'.join(one.path)}", partial((path / name).joinpath, *one.path)) for name, one in placed
    ]
    side = settings.image_size or DEFAULT_SIDE
    x, how_read = pixels(files, split, (side, side))
    notes = [note for one in domains for note in one.notes]
    if kept_out:
        notes.append(f"{kept_out:,} skipped: pictures of classes that not every domain has")
    repeated = repeated_notes(x, y, split, [file.called for file in files])
    pictures = Pictures(x, y, classes, split, notes=(*notes, *how_read, *repeated, *uneven_notes(y, domain, classes)))
    attributes = pd.DataFrame({"domain": pd.Categorical(domain, categories=names)})
    return picture_dataset(settings.spec, pictures, attributes)


def _domain(root: Path, name: str) -> _Domain:
    try:
        placed = places(entries(root / name))
    except BadInput as error:
        raise BadInput(f"domain '{name}': {error}") from None
    if not placed.pictures:
        raise BadInput(f"domain '{name}' holds no pictures in class folders, such as {name}/cats/1.jpg")
    split_of = _listed_split(root, name)
    left_out, pictures = Counter(placed.left_out), placed.pictures
    if split_of:
        known = {"/".join(one.path): one for one in pictures}
        lost = next((path for path in split_of if path not in known), None)
        if lost is not None:
            raise BadInput(f"the lists of domain '{name}' name {name}/{lost}, which is not there")
        left_out["pictures that the domain's lists do not name"] += len(known) - len(split_of)
        pictures = [replace(known[path], split=split) for path, split in split_of.items()]
    notes = (*placed.notes, *left_out_notes(+left_out))
    return _Domain(name, pictures, tuple(f"{name}: {note}" for note in notes))


def _listed_split(root: Path, name: str) -> dict[str, str]:
    """Path below the domain's folder -> split, of its lists; empty where there are none."""
    splits: dict[str, str] = {}
    for split in ("train", "test"):
        file = root / f"{name}_{split}.txt"
        if not file.is_file():
            continue
        lines = read_text(file, MAX_LIST_BYTES, "names of pictures").splitlines()
        for number, line in enumerate(lines, start=1):
            head, _, last = line.strip().rpartition(" ")
            path = head if head and last.isdecimal() else line.strip()
            if not path:
                continue
            domain, _, below = path.partition("/")
            if domain != name or not below:
                raise BadInput(f"{file.name}, line {number}: '{path:.80}' should begin with '{name}/'")
            if splits.setdefault(below, split) != split:
                raise BadInput(f"{path:.80} stands in the train list and in the test list of '{name}'")
    return splits


def _check_same_kind_of_split(domains: list[_Domain]) -> None:
    """BadInput where some domains bring test rows and others none: the missing ones would never be drawn."""
    has_test = {domain.name: any(one.split == "test" for one in domain.pictures) for domain in domains}
    if len(set(has_test.values())) > 1:
        without = [name for name, has in has_test.items() if not has]
        raise BadInput(
            f"some domains bring test pictures and {joined(without)} none; give every domain a split, or none of them"
        )


def _classes(domains: list[_Domain], settings: DataSettings) -> tuple[str, ...]:
    sets = [{one.label for one in domain.pictures} for domain in domains]
    classes = set.union(*sets) if settings.domain_classes == "all" else set.intersection(*sets)
    if len(classes) < 2:
        raise BadInput(
            f"the domains share {len(classes)} class(es); name the class folders alike, or set data.domain_classes=all"
        )
    return tuple(sorted(classes))


def uneven_notes(y: np.ndarray, domain: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence on the class whose share differs most between domains, since whoever knows the domain then knows
    something of the class; none where no share differs by a factor of `UNEVEN`."""
    table = pd.crosstab(domain, y)
    shares = table.div(table.sum(axis=1), axis=0)
    low, high = shares.min(), shares.max()
    ratio = high / low.where(low > 0, np.nan)
    if (low == 0).any():
        label = int(low[low == 0].index[0])
        return (f"{shares[label].idxmin()} has no '{classes[label]}': the domain tells something of the class",)
    label = int(ratio.idxmax())
    if ratio[label] < UNEVEN:
        return ()
    return (
        f"'{classes[label]}' is {low[label]:.1%} of {shares[label].idxmin()} and {high[label]:.1%} of "
        f"{shares[label].idxmax()}: the domain tells something of the class",
    )
