"""One mask's file as the values of its pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rtl_core.data.picture_files import DamagedPicture, check_pixels, opened
from rtl_core.errors import BadInput

FORMATS = ("PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_ORIENTATION = 0x0112
_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads grey values of 2 or 4 bits over 0 to 255


def upright_size(source: Path | io.BytesIO, called: str) -> tuple[int, int]:
    """(height, width) of a picture or mask as it is shown, from its header alone; BadInput for too many pixels,
    `DamagedPicture` where it is none."""
    try:
        with Image.open(source, formats=FORMATS) as picture:
            check_pixels(picture, called)
            # Of a TIFF Pillow says the upright size by itself, and a PNG without EXIF in front would be decoded.
            says = picture.format in ("JPEG", "WEBP") or (picture.format != "TIFF" and "exif" in picture.info)
            turned = says and picture.getexif().get(_ORIENTATION) in _TURNED
            return (picture.width, picture.height) if turned else (picture.height, picture.width)
    except BadInput:
        raise
    except Image.DecompressionBombError:
        raise BadInput(f"{called} has too many pixels; make it smaller") from None
    except Exception:  # decoders raise whatever comes up in a damaged file
        raise DamagedPicture(f"{called} cannot be read as a picture; repair it or take it out") from None


def read_mask(source: Path | io.BytesIO, shape: tuple[int, int], called: str, colours: bool) -> np.ndarray:
    """The values of a mask at (height, width), each from the nearest pixel: uint8 (h, w), or (h, w, 3) in colours.

    It is scaled and cut as its picture is. BadInput: a JPEG, whose compression changes values; more than 8 bits a
    value; colours where values are wanted, unless they are all shades of grey.
    """
    try:
        with opened(source) as file, Image.open(file, formats=FORMATS) as mask:
            if mask.format == "JPEG":
                raise BadInput(
                    f"{called} is a JPEG, which changes the values of a mask when it packs it; save it as PNG"
                )
            if mask.mode.startswith(("I", "F")):
                raise BadInput(
                    f"{called} has more than 8 bits a value, as masks have that number single objects; save the index "
                    "of each pixel's class in 8 bits"
                )
            step = _STEPS.get(mask.tile[0].args) if mask.mode == "L" and mask.tile else None
            upright = ImageOps.exif_transpose(mask)
            if step:
                upright = Image.fromarray(np.asarray(upright) // step)
            if colours or upright.mode not in ("1", "L", "P"):
                upright = upright.convert("RGB")
            elif upright.mode == "1":
                upright = Image.fromarray(np.asarray(upright).astype(np.uint8))
            values = np.asarray(ImageOps.fit(upright, shape[::-1], Image.Resampling.NEAREST))
    except BadInput:
        raise
    except Exception:
        raise DamagedPicture(f"{called} cannot be read as a mask; repair it or take it out") from None
    if colours or values.ndim == 2:
        return values
    if (values != values[..., :1]).any():
        raise BadInput(
            f"{called} is in colours, and nothing says what they mean; put a classes.csv with the columns name, r, g, "
            "b beside the folders"
        )
    return values[..., 0]
