"""Files and folders that are always whole: a reader sees the old content or the new one, never half of either."""

from __future__ import annotations

import glob
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rtl_core.errors import BadInput, system_sentence

_DRAFT = ".draft-"  # first letters of a folder that is not finished, or not needed any more


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well. A draft of `path` that a
    killed process left goes.

    Raises whatever the block raises, and then leaves `path` as it was; BadInput where the system refuses (a full disk).
    """
    draft = _draft_of(path, "")
    try:
        _remove_left(path.parent.glob(f".{glob.escape(path.name)}.*.*.tmp"))
        draft.touch()
        rights = draft.stat().st_mode
        yield draft
        os.chmod(draft, rights)  # some libraries put a file in its place that nobody else may read
        with open(draft, "rb") as written:
            os.fsync(written.fileno())  # else a power cut could leave the new name with no content
        os.replace(draft, path)
    except OSError as error:
        raise BadInput(system_sentence(OSError(error.errno, error.strerror, str(path)), "written")) from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def private_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` for a library that writes files under names of its own; it goes when the block
    ends, and as a draft does where the process was killed."""
    folder = _draft_of(path, "folder.")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _draft_of(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}{os.getpid()}.{threading.get_ident()}.tmp")


def sweep_drafts(folder: Path) -> None:
    """Removes drafts of `replacing` below a folder whose process is gone: killed in the middle of a file."""
    _remove_left(folder.rglob(".*.*.*.tmp"))


def _remove_left(drafts: Iterable[Path]) -> None:
    for draft in drafts:
        pid = draft.name.split(".")[-3]
        if pid.isdecimal() and not _is_there(int(pid)):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def make_once(folder: Path, fill: Callable[[Path], None], whole: Callable[[Path], bool] = Path.is_dir) -> bool:
    """Makes a folder unless it is there and `whole`; False where it was, or another process has just made it.

    `fill` writes into an empty folder that then gets the name. One process at a time does so in the parent folder:
    fifty who bring the same write it once.
    """
    if whole(folder):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if whole(folder):
            return False
        draft = folder.with_name(f"{_DRAFT}{folder.name}")
        draft.mkdir()
        try:
            fill(draft)
            if folder.exists():  # half of it, by an earlier version
                folder.rename(folder.with_name(f"{_DRAFT}half-{folder.name}"))
            draft.rename(folder)
        finally:
            _sweep(folder.parent)
    return True


def remove(folder: Path) -> None:
    """Removes a folder that `make_once` made, for everybody at once; nothing where it is gone already."""
    with _alone(folder.parent):
        if folder.is_dir():
            folder.rename(folder.with_name(f"{_DRAFT}old-{folder.name}"))
        _sweep(folder.parent)


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Whoever is alone may make drafts in a folder, so that those it finds are left from a crash."""
    from filelock import FileLock  # loads asyncio

    with FileLock(parent / ".lock"):
        _sweep(parent)
        yield


def _sweep(parent: Path) -> None:
    for draft in parent.glob(f"{_DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)
