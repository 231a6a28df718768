"""Who trains next where several want to: at most `slots()` trainings of a runs folder compute at once.

The queue is the folder `.queue/` beside the runs of a root, so it is common to all processes that keep runs there.
A training has an entry in it from the moment it is launched: a file with a number, locked by the training's own
process. The lock is what counts. The kernel gives it up with the process, however that ends, so a killed training
frees its place at once and the file it leaves means nothing; whoever looks next removes it.

Until its turn comes the process is this module run as a program (`python -m rtl_core.runs.queue`), which knows
nothing of torch. Then it becomes the training: same process, same lock. Systems without `flock` (Windows) have no
queue, and every training computes at once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from rtl_core.errors import BadInput
from rtl_core.runs.status import HEARTBEAT_SECONDS, process_start, read_status, write_status
from rtl_core.runs.store import clear_stop, stop_requested

try:
    import fcntl
except ImportError:
    fcntl = None

QUEUED = "queued"  # the phase that the status of a waiting training shows
_FOLDER = ".queue"
_LOOK_SECONDS = 0.3  # a waiting process looks so often whether its turn has come


@dataclass(frozen=True)
class Entry:
    """A training that waits or computes.

    number  of arrival; run: the name of its folder
    owner   for whom it trains, such as a browser session; empty: nobody in particular
    turn    lower ones compute first, and among equal ones who came first
    """

    number: int
    run: str
    owner: str = ""
    turn: int = 0
    computing: bool = False


_ENTRY = TypeAdapter(Entry)


def slots() -> int:
    """How many trainings may compute at once: RTL_SLOTS, or the number of cores. Raises BadInput."""
    named = os.environ.get("RTL_SLOTS")
    if named is None:
        return os.cpu_count() or 1
    if not named.isdecimal() or int(named) < 1:
        raise BadInput(f"RTL_SLOTS is '{named}'; it should be the number of trainings at once, 1 or more")
    return int(named)


def waiting(root: Path) -> list[Entry]:
    """The trainings that wait, next one first."""
    if not (root / _FOLDER).is_dir():
        return []
    with locked(root):
        return in_order(_living(root))


def place(folder: Path) -> int | None:
    """How many turns until a run's training computes (1: it is next); None where it does not wait."""
    names = [entry.run for entry in waiting(folder.parent)]
    return names.index(folder.name) + 1 if folder.name in names else None


def in_order(entries: list[Entry]) -> list[Entry]:
    """Those of the entries that wait, next one first."""
    return sorted((e for e in entries if not e.computing), key=lambda e: (e.turn, e.number))


def next_turn(entries: list[Entry], owner: str) -> int:
    """The turn of a new training: that of those that compute now, but after all others of the same owner.

    So it is first come, first served, but an owner's second training stands behind the first of everybody who comes
    before it is admitted, the third behind the second, and so on (start-time fair queueing: Goyal, Vin and Cheng,
    1996).
    """
    now = max((e.turn for e in entries if e.computing), default=min((e.turn for e in entries), default=0))
    return max([now, *(e.turn + 1 for e in entries if owner and e.owner == owner)])


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


@contextmanager
def joined(folder: Path, owner: str, command: list[str]) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """A new entry for a run, while `locked`: the command that waits and then becomes `command`, and the files that
    its process must be given. The entry lives on with that process; it is gone if the block starts none."""
    if fcntl is None:
        yield command, ()
        return
    slots()  # a number that cannot be read is said here, not by the process
    root = folder.parent
    entries = _living(root)
    number = 1 + max((entry.number for entry in entries), default=0)
    file = os.open(_path(root, number), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        _write(file, Entry(number, folder.name, owner, next_turn(entries, owner)))
        yield [sys.executable, "-m", "rtl_core.runs.queue", str(folder), str(number), str(file), *command], (file,)
    finally:
        os.close(file)  # the process has the lock too, and keeps it


def main(folder: Path, number: int, file: int, command: list[str]) -> None:
    """Waits for the turn of entry `number`, locked through `file`, then becomes the command."""
    pid = os.getpid()
    status = replace(read_status(folder), phase=QUEUED, pid=pid, process_started=process_start(pid))
    beat = float("-inf")
    while not _admitted(folder.parent, number, file):
        if stop_requested(folder):
            clear_stop(folder)
            write_status(folder, replace(status, state="stopped", phase="", heartbeat=time.time()))
            return
        if time.monotonic() - beat >= HEARTBEAT_SECONDS:
            write_status(folder, replace(status, heartbeat=time.time()))
            beat = time.monotonic()
        time.sleep(_LOOK_SECONDS)
    status = replace(status, phase="", pid=None, process_started=None)  # the training says itself who it is
    write_status(folder, replace(status, heartbeat=time.time()))
    os.execv(command[0], command)


def _admitted(root: Path, number: int, file: int) -> bool:
    """Whether the entry may compute now; it then counts as computing."""
    with locked(root):
        entries = _living(root)
        free = slots() - sum(entry.computing for entry in entries)
        mine = next((entry for entry in in_order(entries)[: max(0, free)] if entry.number == number), None)
        if mine is not None:
            _write(file, replace(mine, computing=True))
        return mine is not None


def _living(root: Path) -> list[Entry]:
    """The entries whose processes are there, while `locked`; what others left behind is removed."""
    entries = []
    for path in (root / _FOLDER).glob("*.json"):
        if not (path.is_file() and path.stem.isdecimal()):
            continue  # none of ours
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                entries.append(_read(path, file.read()))
            else:
                path.unlink()
    return entries


def _read(path: Path, text: bytes) -> Entry:
    """An entry whose process is there. One that cannot be read stands first in the queue, so that it keeps its place
    whether its process waits or computes; where it waits, its process writes it anew once it is admitted."""
    try:
        return _ENTRY.validate_json(text)
    except ValueError:
        return Entry(int(path.stem), "", turn=-1)


def _path(root: Path, number: int) -> Path:
    return root / _FOLDER / f"{number:08d}.json"


def _write(file: int, entry: Entry) -> None:
    """In place, because the lock belongs to the file. Nobody reads half of it: readers are `locked` out, and if
    the writer dies the lock goes with it."""
    text = json.dumps(asdict(entry)).encode()
    os.pwrite(file, text.ljust(os.fstat(file).st_size), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
