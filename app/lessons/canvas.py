"""Drawing by mouse, finger or pen. A drawing is its strokes, so that it fits into an address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

SIDE = 64  # cells of the grid that points lie on
BRUSH = 8  # cells: about as thick as the strokes of the digits
LONGEST = 1_500  # characters of strokes that an address carries
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # one a cell, safe in an address
_STROKES = re.compile(r"(?:(?:[\w-]{2})+(?:\.(?:[\w-]{2})+)*)?", re.ASCII)
_FINER = 4  # pixels a cell while strokes are drawn, so that their edges come out smooth
_HERE = Path(__file__).parent
_HTML = (
    '<canvas width="512" height="512" role="img" aria-label="Drawing area for mouse, finger or pen. '
    'Without them, choose a picture or upload one."></canvas>'
    '<div class="tools"><button type="button">Undo</button><button type="button">Clear</button></div>'
)
_canvas = st.components.v2.component(
    "rtl_lab_canvas",
    html=_HTML,
    css=(_HERE / "canvas.css").read_text("utf-8"),
    js=(_HERE / "canvas.js").read_text("utf-8"),
)


def draw(key: str, strokes: str, on_change: Callable[[], None]) -> None:
    """The canvas, showing `strokes`; after each stroke `st.session_state[key].strokes` is what is drawn."""
    _canvas(key=key, data={"strokes": strokes, "brush": BRUSH}, on_strokes_change=on_change)


def is_drawing(strokes: str) -> bool:
    """Whether a text is strokes as the canvas writes them: two letters a point, a full stop between strokes."""
    return _STROKES.fullmatch(strokes) is not None


def picture(strokes: str) -> np.ndarray:
    """uint8 (SIDE, SIDE), light on dark: the strokes with a round brush."""
    fine = Image.new("L", (SIDE * _FINER, SIDE * _FINER))
    pen = ImageDraw.Draw(fine)
    radius = BRUSH * _FINER / 2
    for stroke in filter(None, strokes.split(".")):
        points = [
            (np.array([_LETTERS.index(c) for c in stroke[i : i + 2]]) + 0.5) * _FINER for i in range(0, len(stroke), 2)
        ]
        pen.line([tuple(point) for point in points], fill=255, width=BRUSH * _FINER)
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(fine.resize((SIDE, SIDE), Image.Resampling.BOX))
