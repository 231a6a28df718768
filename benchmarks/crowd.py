"""Many threads that ask the same things at once, and what the process looks like before and after."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_info
from torch import nn

TIMES = {"seconds", "made"}  # of a document: how long it took, and when
Jobs = Mapping[str, Callable[[], Any]]


def crowd(jobs: Jobs, threads: int, calls: int) -> list[str]:
    """What went wrong when so many threads each made so many calls: all jobs in turn, neighbours at the same one.

    An answer must be the one that the job gave when it was called alone, and the process must be as it was.
    """
    alone, names = {name: values(job()) for name, job in jobs.items()}, list(jobs)
    before, begin, wrong = process_state(), Barrier(threads), []

    def visitor(k: int) -> None:
        begin.wait()
        for i in range(calls):
            name = names[(k // 2 * 2 * len(names) // threads + i) % len(names)]
            try:
                differing = [key for key, value in _paired(values(jobs[name]()), alone[name]) if not _same(*value)]
            except BaseException as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
            else:
                wrong.extend(f"{name}: another answer at {key}" for key in differing[:1])

    with often_interrupted():
        visitors = [Thread(target=visitor, args=(i,)) for i in range(threads)]
        for one in visitors:
            one.start()
        for one in visitors:
            one.join()
    after = process_state()
    return wrong + [f"the process is left with other {name}" for name, value in before.items() if after[name] != value]


@contextmanager
def often_interrupted() -> Iterator[None]:
    """Threads take turns 250 times as often as usual, so that what can go wrong between two lines does.

    Not oftener: at a microsecond, 32 threads on idle cores do little but hand the interpreter's lock around.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def process_state() -> dict[str, Any]:
    """What all threads of the process share and no computation may change. Filters of warnings are not here: pandas and
    scikit-learn exchange them at every turn."""
    from torch.nn.modules import module
    from torch.utils import _device

    return {
        "methods of nn.Module": (nn.Module.__call__, nn.Module.__getattr__),
        "hooks of all modules": (len(module._global_forward_hooks), len(module._global_forward_pre_hooks)),
        "default device": _device.CURRENT_DEVICE,
        "error handling of numpy": np.geterr(),
        "states of generators": (torch.random.get_rng_state().numpy().tobytes(), np.random.get_state()[1].tobytes()),
        "limits of thread pools": [(one["filepath"], one["num_threads"]) for one in threadpool_info()],
        "environment": dict(os.environ),
    }


def values(result: Any, place: str = "") -> dict[str, Any]:
    """Everything that an answer holds, each by its place in it, but not how long it took."""
    if torch.is_tensor(result):
        return {place: result.detach().numpy()}
    if isinstance(result, pd.DataFrame):
        return values(result.to_dict("list"), place)
    if is_dataclass(result) and not isinstance(result, type):
        return values({field.name: getattr(result, field.name) for field in fields(result)}, place)
    if isinstance(result, Mapping):
        inner = ((key, value) for key, value in result.items() if key not in TIMES)
    elif isinstance(result, list | tuple):
        inner = enumerate(result)
    else:
        return {place: result}
    return {where: one for key, value in inner for where, one in values(value, f"{place}/{key}").items()}


def _paired(rows: dict[str, Any], alone: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in rows.keys() | alone.keys():
        yield key, (rows.get(key, "missing"), alone.get(key, "missing"))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray | float | np.floating) and isinstance(other, np.ndarray | float | np.floating):
        if np.shape(one) != np.shape(other):
            return False
        if np.asarray(one).dtype.kind == "f":
            return np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
        return np.array_equal(one, other)
    return bool(one == other)
