"""One picture's file as pixels."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from rtl_core.data.pictures import cover_square
from rtl_core.errors import BadInput

# A JPEG is decoded at the size that is needed; anything else, and a progressive JPEG, lies in memory whole first.
MAX_PIXELS, MAX_PIXELS_WHOLE = 64_000_000, 25_000_000


def read_picture(source: Path | BinaryIO, side: int, called: str = "") -> np.ndarray:
    """A JPEG or PNG as uint8 (3, side, side); `called`: its name in sentences, the path unless given.

    Turned as its EXIF data says, laid on white where transparent, scaled and cut to the square in its centre. BadInput
    where it is no such picture, or has too many pixels.
    """
    called = called or str(source)
    try:
        with Image.open(source, formats=("JPEG", "PNG")) as picture:
            _check_pixels(picture, called)
            # JPEG can be decoded at a half, quarter or eighth of its size: much faster for large photographs.
            picture.draft(None, (2 * side, 2 * side))
            upright = ImageOps.exif_transpose(picture)
            small = cover_square(_rgb_on_white(upright), side)
    except BadInput:
        raise
    except Image.DecompressionBombError:
        raise BadInput(f"{called} has more than {MAX_PIXELS:,} pixels; make it smaller") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error):
        raise BadInput(f"{called} cannot be read as a JPEG or PNG picture; repair it or take it out") from None
    return np.asarray(small).transpose(2, 0, 1)


def _check_pixels(picture: Image.Image, called: str) -> None:
    in_pieces = picture.format != "PNG" and not picture.info.get("progressive")
    most = MAX_PIXELS if in_pieces else MAX_PIXELS_WHOLE
    if picture.width * picture.height > most:
        kind = "a PNG" if picture.format == "PNG" else "a JPEG" if in_pieces else "a progressive JPEG"
        raise BadInput(f"{called} has more than {most:,} pixels, too many for {kind}; make it smaller")


def _rgb_on_white(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits per pixel: keep the upper 8, which `convert` would clip
        return Image.fromarray((np.asarray(picture, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
