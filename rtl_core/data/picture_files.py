"""One picture's file as pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from rtl_core.data.class_folders import KINDS
from rtl_core.data.pictures import cover
from rtl_core.errors import BadInput

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
# A JPEG is decoded at the size that is needed; anything else, and a progressive JPEG, lies in memory whole first.
MAX_PIXELS, MAX_PIXELS_WHOLE = 64_000_000, 25_000_000


class DamagedPicture(BadInput):
    """A file that is no picture, or a damaged one."""


@dataclass(frozen=True)
class ReadPicture:
    """A picture's file as pixels.

    pixels     uint8 (3, height, width)
    brightest  the largest value before scaling, of a picture with more than 8 bits a value; None for others
    several    whether the file holds more than this picture (frames, pages)
    """

    pixels: np.ndarray
    brightest: int | None = None
    several: bool = False


def read_picture(
    source: Path | BinaryIO,
    shape: int | tuple[int, int],
    called: str = "",
    bits: int = 16,
    shaped: Callable[[Image.Image, tuple[int, int]], Image.Image] = cover,
) -> ReadPicture:
    """The first picture of a file at (height, width), or as a square of one side; `called`: its name in sentences, the
    path unless given.

    Turned as its EXIF data says, laid on white where transparent, and brought to the shape by `shaped`: scaled and cut
    to it in its centre, unless another way is given. Of grey values with more than 8 bits the upper 8 of `bits` are
    kept; larger values become white. BadInput where it has too many pixels or values that are no shades,
    `DamagedPicture` where it is none.
    """
    called = called or str(source)
    height, width = (shape, shape) if isinstance(shape, int) else shape
    try:
        with opened(source) as file, Image.open(file, formats=FORMATS) as picture:
            check_pixels(picture, called)
            several = getattr(picture, "is_animated", False)
            deep_colour = _is_deep_colour(picture)
            # JPEG can be decoded at a half, quarter or eighth of its size: much faster for large photographs.
            picture.draft(None, (2 * width, 2 * height))
            upright = ImageOps.exif_transpose(picture)
            plain, brightest = _eight_bits(upright, bits, called)
            if deep_colour:
                brightest = 256 * max(high for _, high in _extrema(plain)) + 255  # the lower 8 bits are gone
            small = shaped(_rgb_on_white(plain), (height, width))
    except BadInput:
        raise
    except Image.DecompressionBombError:
        raise BadInput(f"{called} has more than {MAX_PIXELS:,} pixels; make it smaller") from None
    except Exception:  # decoders raise whatever comes up in a damaged file
        raise DamagedPicture(f"{called} cannot be read as a {KINDS} picture; repair it or take it out") from None
    return ReadPicture(np.asarray(small).transpose(2, 0, 1), brightest, several)


def opened(source: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """A file as bytes: given a path, Pillow maps TIFFs into memory, and mixes up the pixels of those on their side."""
    return open(source, "rb") if isinstance(source, Path) else nullcontext(source)


def used_bits(brightest: Sequence[int]) -> int:
    """How many bits the values of pictures use, by the largest of each: 8 at least, 16 for none."""
    return max(8, int(max(brightest)).bit_length()) if brightest else 16


def check_colours(files: Iterable[tuple[Path | BinaryIO, str]]) -> None:
    """BadInput for colour pictures of 16 bits a channel: only their upper 8 are read, which says nothing here.

    files: (what is read, its name in sentences)
    """
    for file, called in files:
        with Image.open(file, formats=FORMATS) as picture:
            if _is_deep_colour(picture):
                raise BadInput(
                    f"{called} has colours of 16 bits, of which the training pictures use fewer; save them with 8 bits"
                )


def check_pixels(picture: Image.Image, called: str) -> None:
    """BadInput for a picture, opened and not decoded yet, that has more pixels than are read."""
    in_pieces = picture.format in ("JPEG", "MPO") and not picture.info.get("progressive")
    most = MAX_PIXELS if in_pieces else MAX_PIXELS_WHOLE
    if picture.width * picture.height > most:
        kind = "JPEG" if in_pieces else "progressive JPEG" if picture.format == "JPEG" else picture.format
        raise BadInput(f"{called} has more than {most:,} pixels, too many for a {kind}; make it smaller")


def _is_deep_colour(picture: Image.Image) -> bool:
    """Whether it has several channels of 16 bits, of which Pillow keeps the upper 8."""
    return picture.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile[3]) for tile in picture.tile)


def _extrema(picture: Image.Image) -> tuple[tuple[int, int], ...]:
    """(least, largest) value of each channel."""
    extrema = picture.getextrema()
    return extrema if isinstance(extrema[0], tuple) else (extrema,)


def _eight_bits(picture: Image.Image, bits: int, called: str) -> tuple[Image.Image, int | None]:
    """The picture with 8 bits a value; its largest value before, if it had more."""
    if picture.mode == "F":
        raise BadInput(f"{called} holds fractions instead of shades; save it with 8 or 16 bits a value")
    if not picture.mode.startswith("I"):
        return picture, None
    values = np.asarray(picture)
    if values.min() < 0:
        raise BadInput(f"{called} holds values below 0 instead of shades; save it with 8 or 16 bits a value")
    shades = np.minimum(values.astype(np.uint32) >> (bits - 8), 255)
    return Image.fromarray(shades.astype(np.uint8)), int(values.max())


def _rgb_on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
