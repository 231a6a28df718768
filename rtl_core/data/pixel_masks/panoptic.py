"""COCO's panoptic format: a JSON file, and a PNG for each picture whose colours number segments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from rtl_core.data.class_folders import Names, class_name, is_picture
from rtl_core.data.dataset import IGNORED
from rtl_core.data.file_tree import FileTree
from rtl_core.data.pixel_masks.label_table import MOST_CLASSES, LabelTable
from rtl_core.data.split_words import splits_in
from rtl_core.errors import BadInput

MAX_JSON_BYTES = 64 * 2**20  # in memory some ten times as much


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Segment(_Lenient):
    id: int
    category_id: int


class _Annotation(_Lenient):
    image_id: int
    file_name: str
    segments_info: list[_Segment]


class _Image(_Lenient):
    id: int
    file_name: str


class _Category(_Lenient):
    id: int
    name: str


class _Panoptic(_Lenient):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def is_panoptic(paths: Iterable[Names]) -> bool:
    return any(_is_description(path) for path in paths)


def panoptic_pairs(tree: FileTree) -> tuple[list[tuple[Names, Names, str | None]], dict[Names, LabelTable]]:
    """((picture, mask, split) of each annotation, mask -> what its colours mean). The classes are the categories that
    some segment has; pixels of no segment do not count."""
    files = {path[-1]: path for path in tree if is_picture(path)}
    described = [(path, _read(tree, path)) for path in sorted(tree) if _is_description(path)]
    categories = _categories(tree, described)
    index = {category: c for c, category in enumerate(categories)}
    pairs: list[tuple[Names, Names, str | None]] = []
    tables, absent = {}, []
    for path, document in described:
        (split,) = splits_in(PurePosixPath(path[-1]).stem) or {None}
        images = {image.id: PurePosixPath(image.file_name).name for image in document.images}
        for annotation in document.annotations:
            name = images.get(annotation.image_id, f"number {annotation.image_id}")
            picture, mask = files.get(name), files.get(PurePosixPath(annotation.file_name).name)
            if picture is None or mask is None:
                absent.append(name)
                continue
            pairs.append((picture, mask, split))
            colours = {_colour(segment.id): index[segment.category_id] for segment in annotation.segments_info}
            of = {(0, 0, 0): IGNORED, **colours}
            tables[mask] = LabelTable(tuple(categories.values()), of, tree.called(path))
    if absent:
        raise BadInput(
            f"{len(absent):,} annotated pictures are not there with their masks, such as '{absent[0]}'; put pictures "
            "and the PNGs of the panoptic folder beside the JSON"
        )
    return pairs, tables


def _is_description(path: Names) -> bool:
    return path[-1].lower().endswith(".json") and "panoptic" in path[-1].lower()


def _read(tree: FileTree, path: Names) -> _Panoptic:
    try:
        return TypeAdapter(_Panoptic).validate_json(tree.content(path, MAX_JSON_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{tree.called(path)} is no panoptic JSON of COCO: {where}: {first['msg'].lower()}") from None


def _categories(tree: FileTree, described: list[tuple[Names, _Panoptic]]) -> dict[int, str]:
    """Category that occurs -> its name."""
    known = {category.id: category.name for _, document in described for category in document.categories}
    used = {
        segment.category_id
        for _, document in described
        for annotation in document.annotations
        for segment in annotation.segments_info
    }
    unknown = sorted(used - known.keys())
    if unknown:
        raise BadInput(f"{tree.called(described[0][0])} has segments of category {unknown[0]}, which it does not name")
    if not 2 <= len(used) <= MOST_CLASSES:
        raise BadInput(
            f"{tree.called(described[0][0])} has segments of {len(used)} categories; 2 to {MOST_CLASSES} work"
        )
    return {number: class_name(known[number]) for number in sorted(used)}


def _colour(segment: int) -> tuple[int, int, int]:
    return segment % 256, segment // 256 % 256, segment // 65536 % 256
