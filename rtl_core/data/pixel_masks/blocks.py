"""Frames of films: neighbours are nearly equal, so they are split, and resampled, in blocks."""

from __future__ import annotations

import numpy as np

from rtl_core.config import DataSettings
from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator

FRAMES = 20  # of a block, about
GAP = 2  # frames dropped on either side of where two splits meet
LEAST = 3 * (2 * GAP + 1)  # frames of a sequence: three blocks of which something is left


def block_of_each(sequence: np.ndarray) -> np.ndarray:
    """int64 (n,): the block that each frame belongs to. sequence (n,): the film that it is of, in order of frames."""
    block, count = np.empty(len(sequence), np.int64), 0
    for name in np.unique(sequence):
        rows = np.flatnonzero(sequence == name)
        pieces = max(1, round(len(rows) / FRAMES))
        block[rows] = count + np.arange(len(rows)) * pieces // len(rows)
        count += pieces
    return block


def split_by_blocks(sequence: np.ndarray, settings: DataSettings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(split (n,), "" for frames that are dropped; block (n,)): of every film some blocks are val and some test.

    BadInput where a film is too short to be cut.
    """
    split, block, count = np.full(len(sequence), "train", "<U5"), np.empty(len(sequence), np.int64), 0
    for name in np.unique(sequence):
        rows = np.flatnonzero(sequence == name)
        if len(rows) < LEAST:
            raise BadInput(
                f"data.split blocks: sequence '{name}' has {len(rows)} frames, {LEAST} are needed for its blocks; "
                "leave it out, or take data.split=given"
            )
        pieces = max(3, round(len(rows) / FRAMES))
        within = np.arange(len(rows)) * pieces // len(rows)
        order = numpy_generator(seed, "data", "blocks", str(name)).permutation(pieces)
        test = min(max(1, round(settings.test_share * pieces)), pieces - 2)
        val = min(max(1, round(settings.val_share * pieces)), pieces - 1 - test)
        of_block = np.full(pieces, "train", "<U5")
        of_block[order[:test]], of_block[order[test : test + val]] = "test", "val"
        split[rows], block[rows] = of_block[within], count + within
        meets = np.flatnonzero(split[rows][1:] != split[rows][:-1])  # the last frame before another split
        for shift in range(-GAP + 1, GAP + 1):
            split[rows[meets + shift]] = ""
        count += pieces
    return split, block
