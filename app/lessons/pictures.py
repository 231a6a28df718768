"""A picture of one's own: one of the test pictures, a drawing or an upload, as the network takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from app import demonstration, terms
from app.attribution import heatmaps
from app.kinds import kind_of, pixels, read_upload
from app.lessons import canvas
from app.lessons.frame import keep, state
from app.markdown import plain
from app.segmented import one_of
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from rtl_core.data.dataset import Dataset

CHOOSE, DRAW, UPLOAD = "Choose", "Draw", "Upload"
_TILES = 20
_READ_AT = 256  # pixels a side at which an upload is centred, before it becomes as small as the training pictures
_FAINT = 0.15  # of full ink: fainter is ground


def own_picture(key: str, dataset: Dataset) -> np.ndarray | None:
    """The picture that was chosen, drawn or uploaded: float32 (c, h, w) in [0, 1], before normalisation.

    None while there is none yet. Draws the control with the picture as the network sees it beside. The choice and
    a drawing stay in the address (`key`, `key-from`, `key-drawn`); an upload does not and says so.
    """
    with st.container(horizontal=True, gap="large", key=f"own-{key}"):
        with st.container(width=420):
            ways = (CHOOSE, DRAW, UPLOAD)
            way = one_of("Your picture", ways, key=f"{key}-from")
            x = {CHOOSE: _chosen, DRAW: _drawn, UPLOAD: _uploaded}[way](key, dataset)
        if x is not None:
            with st.container(width=180):
                _shown(x)
    return None if x is None else x.astype(np.float32) / 255


def inputs(dataset: Dataset, picture: np.ndarray) -> torch.Tensor:
    """The network's float32 input (1, c, h, w) for a picture (c, h, w) in [0, 1], normalised as its data are."""
    x = np.rint(picture[None] * 255).astype(np.uint8)
    return replace(dataset, x=x).inputs(np.array([0]))


def chosen_row(key: str, dataset: Dataset) -> int | None:
    """The row of `dataset` behind `own_picture(key, dataset)`; None for a drawing or an upload, of unknown class."""
    if (st.session_state.get(f"{key}-from") or CHOOSE) != CHOOSE:
        return None
    tiles = _tiles(dataset)
    return tiles[st.session_state.get(key) or next(iter(tiles))]


def _tiles(dataset: Dataset) -> dict[str, int]:
    """Test pictures to choose from, the same number of each class, by what a screen reader says: class and row."""
    test = dataset.rows("test")
    each = max(1, _TILES // len(dataset.classes))
    rows = [row for c in range(len(dataset.classes)) for row in test[dataset.y[test] == c][:each]][:_TILES]
    return {f"{dataset.classes[dataset.y[row]]} {row}": int(row) for row in rows}


def _chosen(key: str, dataset: Dataset) -> np.ndarray:
    tiles = _tiles(dataset)
    rules = "".join(
        f".st-key-{key} button:nth-of-type({i}) {{ background-image: url({address(dataset.x[row])}); }}"
        for i, row in enumerate(tiles.values(), 1)
    )
    st.html(f"<style>{rules}</style>")
    with st.container(key=f"learn-tiles-{key}"):
        name = one_of(
            "Test pictures",
            list(tiles),
            key=key,
            wrap=True,
            label_visibility="collapsed",
        )
    return dataset.x[tiles[name]]


def _drawn(key: str, dataset: Dataset) -> np.ndarray | None:
    """Short drawings live in the address, longer ones in this browser tab only."""
    place, longer = f"{key}-drawn", f"{key}-longer"

    def changed() -> None:
        strokes = st.session_state[f"{key}-canvas"].strokes or ""
        fits = len(strokes) <= canvas.LONGEST
        keep(place, strokes if fits and strokes else None)
        st.session_state[longer] = "" if fits else strokes

    strokes = st.session_state.get(longer) or state(place, "")
    if not canvas.is_drawing(strokes):
        st.warning("The drawing in the address is damaged; draw it again.")
        strokes = ""
    canvas.draw(f"{key}-canvas", strokes, changed)
    if len(strokes) > canvas.LONGEST:
        st.caption("This drawing is too long for a link; a simpler one is kept in it.")
    if not strokes:
        return None
    return _as_trained_on(canvas.picture(strokes) / 255, dataset.input_shape)


def _uploaded(key: str, dataset: Dataset) -> np.ndarray | None:
    taken = kind_of(dataset).upload
    file = demonstration.upload(
        taken.label,
        taken.endings,
        key=f"{key}-upload",
        help="It stays on this machine, is not kept, and is not in the link.",
    )
    if file is None:
        return None
    try:
        return from_upload(file.getvalue(), dataset)
    except BadInput as error:
        st.error(plain(terms.sentence(str(error))))
        return None


def from_upload(content: bytes, dataset: Dataset) -> np.ndarray:
    """uint8 (c, h, w) of an uploaded picture, its middle square. BadInput where it is no picture or too large.

    Grey data that are light on dark get it so too, centred and scaled as they are: a pen on paper turns into light ink.
    """
    if dataset.input_shape[0] != 1 or not _light_on_dark(dataset):
        return read_upload(content, dataset.input_shape)[0]
    grey = read_upload(content, (1, _READ_AT, _READ_AT))[0, 0] / 255
    ground = np.median(_edge(grey))
    ink = grey - ground if ground < 0.5 else ground - grey
    return _as_trained_on(np.clip(ink / max(ink.max(), _FAINT), 0, 1), dataset.input_shape)


def _as_trained_on(ink: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 of the input's shape: ink (h, w) in [0, 1] cut to its box, in the middle of a square that it fills.

    Both the digits and the Fashion pictures touch the frame with their longer side and lie in its middle.
    """
    side = shape[1]
    seen = ink > _FAINT
    if not seen.any():
        return np.zeros(shape, np.uint8)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longer = max(box.shape)
    square = np.zeros((longer, longer))
    top, left = ((longer - length) // 2 for length in box.shape)
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    small = Image.fromarray(np.rint(255 * square).astype(np.uint8)).resize((side, side), Image.Resampling.BOX)
    return np.broadcast_to(np.asarray(small), shape).copy()


def _light_on_dark(dataset: Dataset) -> bool:
    """Whether nearly all test pictures are: their edge is dark. Data with inverted copies are not."""
    test = dataset.rows("test")
    some = dataset.x[test[:: -(-len(test) // 500)], 0] / 255  # spread out: copies of a domain may lie together
    return np.mean([np.median(_edge(picture)) < 0.5 for picture in some]) > 0.95


def _edge(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _shown(x: np.ndarray) -> None:
    caption = f"As the network sees it: {x.shape[2]} × {x.shape[1]} pixels"
    st.html(
        f'<figure class="learn-seen"><img src="{address(x)}" alt="Your picture, enlarged">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def address(x: np.ndarray) -> str:
    """A data: address of a picture uint8 (c, h, w)."""
    return heatmaps.address(pixels(x))
