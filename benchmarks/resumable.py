"""Studies of many runs that go on where they were interrupted: every run's figures are kept as soon as it has ended."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rtl_core.files import replacing

Job = TypeVar("Job")
Figures = dict[str, Any]


def kept(
    path: Path, jobs: dict[str, Job], digest: Callable[[Job], str], work: Callable[[Job], Figures], workers: int
) -> dict[str, Figures]:
    """Name -> what `work`, a function of a module, makes of the job of that name.

    What `path` holds under the same name and digest of the job is not made again; other entries of the file stay.
    """
    finished = json.loads(path.read_text("utf-8")) if path.exists() else {}
    missing = [(name, job, work) for name, job in jobs.items() if finished.get(name, {}).get("config") != digest(job)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for name, figures in pool.imap_unordered(_work, missing):
            finished[name] = {"config": digest(jobs[name]), **figures}
            with replacing(path) as draft:
                draft.write_text(json.dumps(finished, indent=1, sort_keys=True), "utf-8")
            print(f"{name}: {figures['seconds']:.0f} s", flush=True)
    return {name: finished[name] for name in jobs}


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _work(task: tuple[str, Job, Callable[[Job], Figures]]) -> tuple[str, Figures]:
    name, job, work = task
    began = time.monotonic()
    return name, {**work(job), "seconds": time.monotonic() - began}
