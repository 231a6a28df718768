"""How many threads torch computes an operation with: results depend on it bit for bit.

torch keeps the count for each thread apart, but a thread that has computed nothing yet takes over what any thread of
the process has set last. So nobody relies on it: whoever computes says first how many, and a pool's threads say what
the thread that fills the pool has said.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch


def use_threads(count: int) -> None:
    """From now on the calling thread, and it alone, computes with so many."""
    if torch.get_num_threads() != count:  # looked up first: that ends this thread's taking over from others
        torch.set_num_threads(count)


def pool(workers: int, count: int | None = None) -> ThreadPoolExecutor:
    """A pool whose threads compute with `count`, or with as many as the calling thread does."""
    return ThreadPoolExecutor(workers, initializer=use_threads, initargs=(count or torch.get_num_threads(),))
