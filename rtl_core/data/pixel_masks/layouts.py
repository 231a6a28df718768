"""Which mask belongs to which picture, told by the folders and names of files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from rtl_core.data.class_folders import Names, is_picture
from rtl_core.data.dataset import IGNORED
from rtl_core.data.file_tree import FileTree
from rtl_core.data.pixel_masks.label_table import LabelTable, label_table
from rtl_core.data.pixel_masks.panoptic import is_panoptic, panoptic_pairs
from rtl_core.data.split_words import split_of
from rtl_core.errors import BadInput

IMAGE_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "leftimg8bit", "pictures", "frames"}
MASK_FOLDERS = {"masks", "mask", "labels", "label", "annotations", "segmentationclass", "gtfine", "gtcoarse", "gt"}
_ENDINGS = re.compile(r"[_-](masks?|labels?|seg|gt|L|gt(Fine|Coarse)_labelIds)$")
CAMVID = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)
CITYSCAPES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
# (names of files, what their masks mean)
_DATA_SETS = (
    (
        re.compile(r"(?P<city>[a-z-]+)_\d{6}_\d{6}_leftImg8bit"),
        LabelTable(
            tuple(CITYSCAPES),
            dict.fromkeys(range(256), IGNORED) | {value: c for c, value in enumerate(CITYSCAPES.values())},
            "Cityscapes",
        ),
    ),
    (
        re.compile(r"(?P<sequence>0001TP|0006R0|0016E5|Seq05VD)_f?\d+"),
        LabelTable(CAMVID, {c: c for c in range(len(CAMVID))} | {len(CAMVID): IGNORED, IGNORED: IGNORED}, "CamVid"),
    ),
)


@dataclass(frozen=True)
class Pair:
    """A picture and its mask.

    split       that its folders say; None: none
    attributes  that folders and names say
    """

    image: Names
    mask: Names
    split: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """The pairs of a folder or zip in the order of splits and names, and what the values of its masks mean.

    table     None: nothing says what they mean
    per_mask  of masks whose values mean something else in each: mask -> table
    """

    pairs: tuple[Pair, ...]
    table: LabelTable | None
    per_mask: Mapping[Names, LabelTable] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def has_masks(paths: Iterable[Names]) -> bool:
    """Whether a folder of pictures stands beside a folder of masks, by their names."""
    paths = list(paths)
    if is_panoptic(paths):
        return True
    keys = _by_key(path for path in paths if is_picture(path))
    return any(image and mask for image, mask in keys.values())


def layout_of(tree: FileTree) -> Layout:
    """BadInput where pictures and masks do not pair."""
    if is_panoptic(tree):
        pairs, per_mask = panoptic_pairs(tree)
        return Layout(tuple(Pair(*pair) for pair in pairs), None, per_mask)
    pictures = [path for path in tree if is_picture(path)]
    keys = _by_key(path for path in pictures if "_gtFine_" not in path[-1] or path[-1].endswith("_labelIds.png"))
    if not any(image for image, _ in keys.values()) or not any(mask for _, mask in keys.values()):
        raise BadInput(
            f"{tree.root} holds no pictures in a folder `images` with their masks in a folder `masks`, such as "
            "images/1.jpg and masks/1.png"
        )
    pairs, notes = _pairs(tree, keys)
    table, pairs = _known(label_table(tree, list(tree)), pairs)
    return Layout(pairs, table, notes=notes)


def _known(table: LabelTable | None, pairs: tuple[Pair, ...]) -> tuple[LabelTable | None, tuple[Pair, ...]]:
    """The table and attributes of data sets that are known by the names of their files; a table that is there counts
    before theirs."""
    for names, usual in _DATA_SETS:
        matches = [names.fullmatch(PurePosixPath(pair.image[-1]).stem) for pair in pairs]
        if all(matches):
            named = zip(pairs, matches, strict=True)
            return table or usual, tuple(replace(pair, attributes=match.groupdict()) for pair, match in named)
    return table, pairs


def _by_key(pictures: Iterable[Names]) -> dict[Names, tuple[list[Names], list[Names]]]:
    """Key -> (pictures, masks): the folders but those of pictures and masks, and the name without its ending."""
    placed: list[tuple[bool, Names, str, Names]] = []
    for path in pictures:
        folders = [folder.lower() for folder in path[:-1]]
        at = next((i for i in reversed(range(len(folders))) if folders[i] in IMAGE_FOLDERS | MASK_FOLDERS), None)
        if at is not None:
            # A split may stand above or below: images/train/1.png is train/images/1.png.
            others = sorted(folder for i, folder in enumerate(folders) if i != at)
            placed.append((folders[at] in MASK_FOLDERS, tuple(others), PurePosixPath(path[-1]).stem, path))
    stems = {(*others, stem) for is_mask, others, stem, _ in placed if not is_mask}
    keys: dict[Names, tuple[list[Names], list[Names]]] = defaultdict(lambda: ([], []))
    for is_mask, others, stem, path in placed:
        key = (*others, stem)
        if is_mask and key not in stems:
            shorter = _ENDINGS.sub("", stem)
            key = next((k for k in ((*others, shorter), (*others, f"{shorter}_leftImg8bit")) if k in stems), key)
        keys[key][is_mask].append(path)
    return keys


def _pairs(
    tree: FileTree, keys: Mapping[Names, tuple[list[Names], list[Names]]]
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    for several, what in [
        (each[is_mask], ("pictures", "masks")[is_mask]) for each in keys.values() for is_mask in (0, 1)
    ]:
        if len(several) > 1:
            first, second = map(tree.called, several[:2])
            raise BadInput(f"two {what} have one name: '{first}' and '{second}'; keep one of them")
    unlabelled = _splits_without_masks(keys)
    left_out = [image for image, mask in keys.values() if image and not mask and _split(image[0]) in unlabelled]
    alone = [image[0] for image, mask in keys.values() if image and not mask and _split(image[0]) not in unlabelled]
    _check_pairs(tree, alone, "pictures have no mask", "give each a mask of the same name")
    masks = [mask[0] for image, mask in keys.values() if mask and not image]
    _check_pairs(tree, masks, "masks have no picture", "give each a picture of the same name")
    pairs = [Pair(image[0], mask[0], _split(image[0])) for image, mask in keys.values() if image and mask]
    within = {pair.image: _within(pair.image) for pair in pairs}
    if len(set(within.values())) > 1:
        pairs = [replace(pair, attributes={"folder": within[pair.image]}) for pair in pairs]
    order = ("train", "val", "test", None)
    pairs.sort(key=lambda pair: (order.index(pair.split), pair.image))
    notes = (
        (f"{len(left_out):,} skipped: pictures of {', '.join(sorted(unlabelled))} without masks",) if left_out else ()
    )
    return tuple(pairs), notes


def _splits_without_masks(keys: Mapping[Names, tuple[list[Names], list[Names]]]) -> set[str]:
    """val or test where none of its pictures has a mask, as in sets for a challenge."""
    pictures = [(_split(image[0]), bool(mask)) for image, mask in keys.values() if image]
    return {split for split, _ in pictures if split in ("val", "test")} - {split for split, has in pictures if has}


def _check_pairs(tree: FileTree, alone: Sequence[Names], what: str, advice: str) -> None:
    if alone:
        shown = ", ".join(f"'{tree.called(path)}'" for path in sorted(alone)[:3])
        raise BadInput(f"{len(alone):,} {what}, such as {shown}; {advice}, or take them out")


def _split(path: Names) -> str | None:
    return next((split for folder in path[:-1] if (split := split_of(folder))), None)


def _within(path: Names) -> str:
    """The folders below that of the pictures which say no split."""
    lower = [folder.lower() for folder in path[:-1]]
    at = max(i for i, folder in enumerate(lower) if folder in IMAGE_FOLDERS)
    return "/".join(folder for folder in path[at + 1 : -1] if not split_of(folder))
