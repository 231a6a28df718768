"""Maps as pictures: over the input or alone, on a scale that is neutral at 0. No Streamlit in here."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from app.colours import DARK, Tone, rgb

_QUANTILE = 0.98  # of the absolute values of all maps: where the colour scale ends, so that a few do not pale the rest
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue
_PAPER = {True: (0.0, 0.38), False: (0.66, 1.0)}  # darkest and lightest grey under a map: dark theme, light theme


def planes(attributions: np.ndarray, signed: bool) -> np.ndarray:
    """Maps (m, c, h, w) -> (m, h, w): summed over the channels, or their absolute values summed."""
    return attributions.sum(axis=1) if signed else np.abs(attributions).sum(axis=1)


def limits(flat: np.ndarray, shared: bool) -> np.ndarray:
    """(m,): the value at which the colours end, of maps (m, ...), one for all where they share it; never 0."""
    sizes = np.abs(flat.reshape(len(flat), -1))
    limit = np.full(len(sizes), np.quantile(sizes, _QUANTILE)) if shared else np.quantile(sizes, _QUANTILE, axis=1)
    largest = sizes.max(axis=1)
    return np.where(limit > 0, limit, np.where(largest > 0, largest, 1.0))


def alone(plane: np.ndarray, limit: float, signed: bool, tone: Tone) -> np.ndarray:
    """uint8 (h, w, 3)."""
    return _on_scale(tone.diverging if signed else tone.sequential, _place(plane, limit, signed))


def over(picture: np.ndarray, plane: np.ndarray, limit: float, signed: bool, opacity: float, tone: Tone) -> np.ndarray:
    """uint8 (h, w, 3): colours that grow denser with the size of the map, over the picture (c, h, w) in pale grey."""
    paper = _pale(picture, tone)
    ends = (tone.diverging[0], tone.diverging[-1]) if signed else (tone.sequential[-1],) * 2
    colour = np.where((plane < 0)[..., None], rgb(ends[0]), rgb(ends[1]))
    dense = opacity * np.sqrt(np.clip(np.abs(plane) / limit, 0, 1))[..., None]
    return np.rint((1 - dense) * paper + dense * colour).astype(np.uint8)


def address(pixels: np.ndarray) -> str:
    """A data: address of a picture uint8 (h, w, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def gradient(signed: bool, tone: Tone) -> str:
    """The colour scale as CSS."""
    return f"linear-gradient(to right, {', '.join(tone.diverging if signed else tone.sequential)})"


def _place(plane: np.ndarray, limit: float, signed: bool) -> np.ndarray:
    """Positions on the scale in [0, 1]; 0 is in the middle of a signed one."""
    share = np.clip(plane / limit, -1, 1)
    return (share + 1) / 2 if signed else share


def _on_scale(scale: tuple[str, ...], place: np.ndarray) -> np.ndarray:
    stops = np.array([rgb(colour) for colour in scale], float)
    at = place * (len(stops) - 1)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _pale(picture: np.ndarray, tone: Tone) -> np.ndarray:
    """(h, w, 3) grey levels of little contrast, so that colours stand out on it."""
    grey = picture[0] if len(picture) == 1 else np.tensordot(_LUMINANCE, picture, axes=1)
    low, high = _PAPER[tone is DARK]
    return np.repeat((255 * low + (high - low) * grey.astype(float))[..., None], 3, axis=2)
