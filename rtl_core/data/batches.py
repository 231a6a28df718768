"""Batches as a pure function of the step, so that a resumed run needs only the step's number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator

BatchAt = Callable[[int], np.ndarray]  # step (0, 1, ...) -> row indices of its batch
ROWS_A_PASS = 128  # in a forward pass outside training: larger batches leave the processor's cache and are slower
NUMBERS_A_PASS = 2**20  # and of what such a pass is given or gives: answers for every pixel fill the memory otherwise

Rows = TypeVar("Rows")  # an array or a tensor, a row each


def rows_a_pass(numbers: int) -> int:
    """How many rows pass at once, where each is, or is answered with, so many numbers."""
    return max(1, min(ROWS_A_PASS, NUMBERS_A_PASS // numbers))


def pieces(rows: Rows, size: int = ROWS_A_PASS) -> Iterator[Rows]:
    """The rows in stretches of at most `size`, for a pass each."""
    return (rows[i : i + size] for i in range(0, len(rows), size))


def cyclic(rows: np.ndarray, size: int, seed: int, *names: str | int) -> BatchAt:
    """Batches of `size` rows that run through `rows` again and again, shuffled anew each time.

    The paper repeats a smaller subset's batches in the same order until the largest subset is through
    ("balanced creation", Algorithm 2); a new order in every pass is our one difference.
    """
    if len(rows) == 0:
        raise BadInput("a batch needs rows to draw from, but the subset is empty; choose another partition")
    orders: dict[int, np.ndarray] = {}

    def order(turn: int) -> np.ndarray:
        if turn not in orders:
            if len(orders) > 2:
                orders.clear()  # passes are visited in ascending order: the old ones are not needed again
            orders[turn] = numpy_generator(seed, "batches", *names, turn).permutation(rows)
        return orders[turn]

    def at(step: int) -> np.ndarray:
        first, last = step * size, (step + 1) * size
        turns = range(first // len(rows), (last - 1) // len(rows) + 1)
        stretch = np.concatenate([order(turn) for turn in turns])
        start = first - turns[0] * len(rows)
        return stretch[start : start + size]

    return at


def balanced(pools: Sequence[np.ndarray], size: int, seed: int, *names: str | int) -> BatchAt:
    """Batches with equal shares of each pool, as one-vs-rest tickets train (class and rest, half and half)."""
    shares = [size // len(pools) + (i < size % len(pools)) for i in range(len(pools))]
    streams = [cyclic(pool, share, seed, *names, i) for i, (pool, share) in enumerate(zip(pools, shares, strict=True))]

    def at(step: int) -> np.ndarray:
        return np.concatenate([stream(step) for stream in streams])

    return at


def reweighed(rows: np.ndarray, group: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same number of rows, some repeated and some left out, so that group and class are independent among them.

    rows (n,) indices; group, y (n,) what each row is. A row of group g and class y counts n_g n_y / (n n_gy) times
    (reweighing, Kamiran and Calders 2012, section 5.3), rounded so that no combination is off by more than one row.
    """
    _, g = np.unique(group, return_inverse=True)
    _, c = np.unique(y, return_inverse=True)
    together = np.zeros((g.max() + 1, c.max() + 1))
    np.add.at(together, (g, c), 1)
    weight = (together.sum(axis=1)[g] * together.sum(axis=0)[c]) / (len(rows) * together[g, c])
    cells = np.lexsort((np.arange(len(rows)), c, g))  # rows of one combination side by side share its remainder
    counts = np.diff(np.floor(np.cumsum(weight[cells]) + 0.5), prepend=0).astype(int)
    return np.repeat(rows[cells], counts)
