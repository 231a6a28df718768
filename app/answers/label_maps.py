"""Label maps in colours over their picture, and places where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from app import colours
from app.answers.drawing import OPACITY, WRONG, Answer, Region, called, grey
from rtl_core.data.dataset import IGNORED


def labels(values: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    """A label map int (h, w) in the labels' colours; the picture alone where nobody has labelled it."""
    labelled = values != IGNORED
    most = int(values[labelled].max(initial=0))
    palette = np.array([colours.rgb(colour) for colour in colours.of_labels(most + 1)])
    return _over(picture, palette[np.where(labelled, values, 0)], labelled)


def _wrong(outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """bool (h, w): labelled pixels that are answered otherwise."""
    return (outputs.argmax(axis=0) != truth) & (truth != IGNORED)


def _wrong_labels(outputs: np.ndarray, truth: np.ndarray, picture: np.ndarray | None) -> np.ndarray:
    wrong = _wrong(outputs, truth)
    return _over(picture, np.broadcast_to(colours.rgb(WRONG), (*wrong.shape, 3)), wrong)


def _over(picture: np.ndarray | None, colour: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Colours (h, w, 3) over a picture in grey, of any size, where bool (h, w) says; over mid-grey without one."""
    paper, shines_through = grey(picture, where.shape)
    dense = (OPACITY if shines_through else 1.0) * where[..., None]
    return np.rint((1 - dense) * paper + dense * colour).astype(np.uint8)


def _names(outputs: np.ndarray, names: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(called(len(outputs), names), colours.of_labels(len(outputs)), strict=True))


def wrong_regions(outputs: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> list[Region]:
    """Touching pixels with the same true label and the same wrong answer, the largest first."""
    p, answer = softmax(outputs.astype(float), axis=0), outputs.argmax(axis=0)
    words, wrong, regions = called(len(outputs), names), _wrong(outputs, truth), []
    for true, answered in np.unique(np.stack([truth[wrong], answer[wrong]]), axis=1).T:
        pieces, _ = ndimage.label(wrong & (truth == true) & (answer == answered))
        for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
            at = rows, columns
            inside = pieces[at] == number
            pixels = int(inside.sum())
            numbers = {
                "true": words[true],
                "answered": words[answered],
                "pixels": pixels,
                "share of the picture": pixels / wrong.size,
                "probability of the answer": float(p[answered][at][inside].mean()),
                "probability of the truth": float(p[true][at][inside].mean()),
            }
            box = columns.start, rows.start, columns.stop, rows.stop
            regions.append((pixels, Region(box, "wrong", numbers)))
    return [region for _, region in sorted(regions, key=lambda one: -one[0])]


LABEL_MAP = Answer(
    of_answer=lambda outputs, picture: labels(outputs.argmax(axis=0), picture),
    of_truth=labels,
    of_error=_wrong_labels,
    reading="red: pixels with another label than the true one",
    legend=_names,
    regions=wrong_regions,
)
