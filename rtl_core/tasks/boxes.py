"""Boxes as arrays: from a detector's maps to boxes and back, how far two boxes overlap, and which of them stay.

True boxes are float (n, most, 5): class, x0, y0, x1, y1 in pixels; answered boxes are float (n, MOST, 6): class, score,
x0, y0, x1, y1, the surest first. A place without a box has class -1. The maps are those of CenterNet ("Objects as
Points", Zhou et al. 2019): per class the heat of a centre, then width, height (as logarithms) and what is left of the
centre below a whole cell, in x and y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, special

from rtl_core.models.detector_maps import GEOMETRY, STRIDE

if TYPE_CHECKING:
    import torch

MOST = 100  # answered boxes a picture, as COCO counts
LEAST_SCORE = 0.05  # below it a local maximum is no answer
OVERLAP_OF_ANSWERS = 0.6  # IoU above which the less sure of two boxes of a class is dropped
_LARGEST_LOG_SIZE = 8.0  # e^8 cells: larger than any picture here, and finite
_MIN_OVERLAP = 0.7  # IoU with the true box that a box keeps whose corners are shifted by a peak's radius


def decoded(outputs: np.ndarray, classes: int) -> np.ndarray:
    """Maps (n, classes + 4, h, w) -> answered boxes float32 (n, MOST, 6): local maxima of the heat, after NMS."""
    n, _, h, w = outputs.shape
    heat, geometry = outputs[:, :classes], outputs[:, classes:].astype(np.float64)
    peak = ndimage.maximum_filter(heat, size=(1, 1, 3, 3), mode="constant", cval=-np.inf) == heat
    heat = np.where(peak, heat, -np.inf).reshape(n, classes * h * w)
    chosen = np.argsort(-heat, axis=1, kind="stable")[:, :MOST]
    score = special.expit(np.take_along_axis(heat, chosen, axis=1).astype(np.float64))
    class_, cell = np.divmod(chosen, h * w)
    at = geometry.reshape(n, GEOMETRY, h * w)
    width, height, dx, dy = (np.take_along_axis(at[:, i], cell, axis=1) for i in range(GEOMETRY))
    x, y = (cell % w + dx) * STRIDE, (cell // w + dy) * STRIDE
    half = [np.exp(np.minimum(size, _LARGEST_LOG_SIZE)) * STRIDE / 2 for size in (width, height)]
    corners = np.stack([x - half[0], y - half[1], x + half[0], y + half[1]], axis=2)
    corners = np.clip(corners, 0, np.array([w, h, w, h]) * STRIDE)
    boxes = np.full((n, MOST, 6), -1.0)
    boxes[:, : chosen.shape[1]] = np.concatenate([class_[..., None], score[..., None], corners], axis=2)
    boxes[:, :, 0] = np.where(boxes[:, :, 1] >= LEAST_SCORE, boxes[:, :, 0], -1)
    return _packed(_suppressed(boxes)).astype(np.float32)


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Corners (..., a, 4) and (..., b, 4) -> IoU float64 (..., a, b); 0 where both have no area."""
    one, other = one[..., :, None, :].astype(np.float64), other[..., None, :, :].astype(np.float64)
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=-1)
    either = areas(one) + areas(other) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def areas(corners: np.ndarray) -> np.ndarray:
    """(..., 4) -> (...)."""
    return np.prod(corners[..., 2:] - corners[..., :2], axis=-1)


def _suppressed(boxes: np.ndarray) -> np.ndarray:
    """Non-maximum suppression: a box goes that overlaps a surer one of its class which stays."""
    boxes = boxes.copy()
    same = boxes[:, :, None, 0] == boxes[:, None, :, 0]
    close = same & (overlaps(boxes[:, :, 2:], boxes[:, :, 2:]) > OVERLAP_OF_ANSWERS)
    stays = boxes[:, :, 0] >= 0
    for i in range(int(stays.sum(axis=1).max(initial=0))):  # answers stand in the order of their scores
        stays[:, i + 1 :] &= ~(close[:, i, i + 1 :] & stays[:, i, None])
    boxes[~stays] = -1
    return boxes


def _packed(boxes: np.ndarray) -> np.ndarray:
    """The boxes that stay first, in their order; the other places all alike."""
    order = np.argsort(boxes[:, :, 0] < 0, axis=1, kind="stable")
    boxes = np.take_along_axis(boxes, order[..., None], axis=1)
    boxes[boxes[:, :, 0] < 0] = (-1, 0, 0, 0, 0, 0)
    return boxes


def encoded(
    boxes: torch.Tensor, classes: int, shape: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True boxes (n, most, 5) -> (heat (n, classes, h, w), cell (n, most), geometry (n, most, 4)) for maps of `shape`.

    The heat of a class is 1 in the cell of each centre and falls off as a Gaussian whose width follows the box, the
    larger one where two meet. `cell` is where a box's geometry is learned. Places without a box have no heat; their
    cell is 0 and their geometry of no account.
    """
    import torch

    h, w = shape
    there = boxes[:, :, 0] >= 0
    centre = (boxes[:, :, 1:3] + boxes[:, :, 3:5]) / (2 * STRIDE)
    size = ((boxes[:, :, 3:5] - boxes[:, :, 1:3]) / STRIDE).clamp_min(1e-3)
    column = centre[..., 0].floor().clamp(0, w - 1)
    row = centre[..., 1].floor().clamp(0, h - 1)
    sigma = (2 * peak_radius(size[..., 0], size[..., 1]) + 1) / 6
    across = (torch.arange(w, device=boxes.device) - column[..., None]).square()
    down = (torch.arange(h, device=boxes.device) - row[..., None]).square()
    squared = down[..., :, None] + across[..., None, :]  # (n, most, h, w), from a box's centre to each cell
    heat = torch.exp(-squared / (2 * sigma.square())[..., None, None])
    heat = torch.stack(
        [torch.where((boxes[:, :, 0] == c)[..., None, None], heat, 0.0).amax(dim=1) for c in range(classes)], dim=1
    )
    cell = torch.where(there, row * w + column, 0.0).long()
    return heat, cell, torch.cat([size.log(), centre - torch.stack([column, row], dim=-1)], dim=-1)


def peak_radius(width: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
    """How far, in cells, both corners may move the same way until the IoU with the box falls to `_MIN_OVERLAP`.

    The one of the three cases of CornerNet (Law and Deng 2018) that moves a centre: r solves
    (w - r)(h - r) / (2wh - (w - r)(h - r)) = overlap.
    """
    total = width + height
    kept = width * height * (1 - _MIN_OVERLAP) / (1 + _MIN_OVERLAP)
    return (total - (total.square() - 4 * kept).clamp_min(0).sqrt()) / 2
