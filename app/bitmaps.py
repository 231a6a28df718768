"""Kernels of two tickets as one picture: what both keep, what either keeps alone."""

from __future__ import annotations

import numpy as np

from app.colours import rgb

TALLEST = 420  # pixels of a picture, so that it stays beside the matrix
SHOWN = 64  # filters and input channels at most; more would be dots too small to see


def kernels(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """int (height, width) codes: 0 neither, 1 only a, 2 only b, 3 both, -1 the gap between kernels.

    a, b   bool masks of one layer, flat; shape (out, in, kh, kw), or (out, in) for a linear layer
    One column of kernels per output, one row per input, at most SHOWN of each.
    """
    out, inputs, *size = shape
    height, width = size if len(size) == 2 else (1, 1)
    codes = (a.astype(int) + 2 * b.astype(int)).reshape(out, inputs, height, width)[:SHOWN, :SHOWN]
    gap = 1 if height * width > 1 else 0
    padded = np.pad(codes, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=-1)
    rows, columns = codes.shape[1] * (height + gap), codes.shape[0] * (width + gap)
    return padded.transpose(1, 2, 0, 3).reshape(rows, columns)


def picture(codes: np.ndarray, colours: tuple[str, str, str, str], gap: str, width: int) -> np.ndarray:
    """uint8 (h, w, 3): the codes in colours (neither, only a, only b, both), enlarged to about `width`, or TALLEST."""
    table = np.array([rgb(colour) for colour in (*colours, gap)], dtype=np.uint8)  # code -1 is the last one
    scale = max(1, min(12, width // codes.shape[1], TALLEST // codes.shape[0]))
    return table[codes].repeat(scale, axis=0).repeat(scale, axis=1)
