"""Trainings take turns: at most `slots()` of a runs folder compute at once; the others wait, first come, first served.

A training that computes holds a lock on one of the files `.queue/slot-0`, `.queue/slot-1`, ... beside the runs. The
kernel gives the lock up with the process, however that ends, so a killed training frees its place at once. A training
that waits says so in its status, and those that do are the queue, in the order in which they were started.

Until its turn comes the process is this module run as a program (`python -m rtl_core.runs.queue`), which knows
nothing of torch. Then it becomes the training: same process, same lock. Systems without `flock` (Windows) have no
queue, and every training computes at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs.status import (
    HEARTBEAT_SECONDS,
    STATUS_FILE,
    effective_status,
    process_start,
    read_status,
    write_status,
)
from rtl_core.runs.store import clear_stop, stop_requested

try:
    import fcntl
except ImportError:
    fcntl = None

QUEUED = "queued"  # the phase that the status of a waiting training shows
_FOLDER = ".queue"
_LOOK_SECONDS = 0.3  # a waiting process looks so often whether its turn has come


def slots() -> int:
    """How many trainings may compute at once: RTL_SLOTS, or the number of cores. Raises BadInput."""
    named = os.environ.get("RTL_SLOTS")
    if named is None:
        return os.cpu_count() or 1
    if not named.isdecimal() or int(named) < 1:
        raise BadInput(f"RTL_SLOTS is '{named}'; it should be the number of trainings at once, 1 or more")
    return int(named)


def waiting(root: Path) -> list[str]:
    """The names of the runs that wait for their turn, next one first."""
    names = []
    for file in root.glob(f"*/{STATUS_FILE}"):
        status = effective_status(file.parent)
        if status is not None and status.active and status.phase == QUEUED:
            names.append((status.started or 0.0, file.parent.name))
    return [name for _, name in sorted(names)]


def place(folder: Path) -> int | None:
    """How many turns until a run's training computes (1: it is next); None where it does not wait."""
    names = waiting(folder.parent)
    return names.index(folder.name) + 1 if folder.name in names else None


@refused_in_public("queueing a training")
@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Alone with a root's queue; everybody else waits. Not to be nested. BadInput where its folder cannot be used."""
    with _lock_file(root) as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(root: Path) -> BinaryIO:
    try:
        (root / _FOLDER).mkdir(parents=True, exist_ok=True)
        return open(root / _FOLDER / "lock", "wb")
    except OSError as error:
        raise BadInput(
            f"the queue of trainings cannot be used: {error.filename}: {error.strerror}; {root / _FOLDER} should be a "
            "folder that this program can write to"
        ) from None


def in_turn(folder: Path, command: list[str]) -> list[str]:
    """The command line that waits for its turn and then becomes `command`. BadInput where RTL_SLOTS is no number."""
    slots()
    return [sys.executable, "-m", "rtl_core.runs.queue", str(folder), *command] if fcntl else command


@refused_in_public("training a run")
def main(folder: Path, command: list[str]) -> None:
    """Waits for a slot, then becomes the command."""
    pid = os.getpid()
    status = replace(read_status(folder), phase=QUEUED, pid=pid, process_started=process_start(pid))
    beat = float("-inf")
    while (slot := _slot(folder)) is None:
        if stop_requested(folder):
            clear_stop(folder)
            write_status(folder, replace(status, state="stopped", phase="", heartbeat=time.time()))
            return
        if time.monotonic() - beat >= HEARTBEAT_SECONDS:
            write_status(folder, replace(status, heartbeat=time.time()))
            beat = time.monotonic()
        time.sleep(_LOOK_SECONDS)
    os.set_inheritable(slot, True)  # the training keeps it locked
    status = replace(status, phase="", pid=None, process_started=None)  # the training says itself who it is
    write_status(folder, replace(status, heartbeat=time.time()))
    os.execv(command[0], command)


def _slot(folder: Path) -> int | None:
    """A free slot, locked; None where there is none, or where it is another run's turn."""
    for number in range(slots()):
        slot = os.open(folder.parent / _FOLDER / f"slot-{number}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if place(folder) == 1:
                return slot
        except BlockingIOError:
            pass
        os.close(slot)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
