"""How inputs are shown, listed and brought: an entry for each kind of input (`rtl_core.data.kinds`).

Pages read the fields of an entry and never the name of a kind, so that another kind is one entry more.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rtl_core.data.class_folders import SUFFIXES
from rtl_core.data.kinds import KINDS as KINDS_OF_DATA
from rtl_core.data.picture_files import read_picture
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset

MAX_BYTES = 20 * 2**20  # of an upload


@dataclass(frozen=True)
class Upload:
    """How an input of one's own is brought.

    label, help  of the uploader
    endings      of the files that it takes
    read         (bytes of a file, shape of an input) -> the input as the data hold theirs, (1, *shape); BadInput
    """

    label: str
    help: str
    endings: tuple[str, ...]
    read: Callable[[bytes, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """One kind of input. An input without a picture and without columns is listed by its number and attributes.

    picture   an input as stored -> uint8 (h, w, 3), by which it is known at a glance; None: there is none
    maps      whether a map of attributions is a picture that lies over the input's own
    columns   whether inputs have named columns, which are read, changed and explained one by one
    upload    None: an input of one's own cannot be brought
    """

    picture: Callable[[np.ndarray], np.ndarray] | None = None
    maps: bool = False
    columns: bool = False
    upload: Upload | None = None


def pixels(picture: np.ndarray) -> np.ndarray:
    """uint8 (c, h, w), grey or in colours -> (h, w, 3)."""
    return np.broadcast_to(picture.transpose(1, 2, 0), (*picture.shape[1:], 3)).astype(np.uint8)


def read_upload(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 (1, c, h, w) from the bytes of a picture file; BadInput where it is none or too large."""
    if len(content) > MAX_BYTES:
        raise BadInput(f"the picture is larger than {MAX_BYTES // 2**20} MB; save it smaller")
    channels, side, _ = shape
    read = read_picture(io.BytesIO(content), side, "the picture").pixels
    if channels == 1:
        read = np.asarray(Image.fromarray(read.transpose(1, 2, 0)).convert("L"))[None]
    return read[None]


_PICTURE_FILE = Upload(
    "A picture of any size and colour",
    "It is cut to its middle square, resized and, where the data are grey, made grey, as the training pictures were. "
    "It stays on this machine and is not kept.",
    tuple(sorted(suffix[1:] for suffix in SUFFIXES)),
    read_upload,
)

KINDS: dict[str, Kind] = {
    "image": Kind(picture=pixels, maps=True, upload=_PICTURE_FILE),
    "table": Kind(columns=True),
    "signal": Kind(),
    "coordinates": Kind(),
}


def kind_of(dataset: Dataset) -> Kind:
    return KINDS[dataset.kind]


def nouns(dataset: Dataset) -> tuple[str, str]:
    """Of one input and of several: "picture", "pictures"."""
    return KINDS_OF_DATA[dataset.kind].noun
