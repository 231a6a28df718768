"""What a run is doing: `status.json`, written by the run's process and read by everybody else."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs.atomic import read_json, write_json

State = Literal["starting", "running", "stopping", "stopped", "done", "failed"]
ACTIVE: tuple[State, ...] = ("starting", "running", "stopping")

STATUS_FILE = "status.json"
HEARTBEAT_SECONDS = 5.0  # a process at work writes its status at least so often
SILENT_SECONDS = 60.0  # without a heartbeat for so long, a process counts as hung
START_SECONDS = 120.0  # importing torch and loading data may take so long before the first heartbeat
_MAX_BYTES = 100_000


@dataclass(frozen=True)
class Status:
    """Where a run stands. Times are seconds since 1970; done and total are training steps.

    process_started  when the kernel started `pid`, in its own units: tells a reused pid from our process
    """

    state: State
    phase: str = ""
    method: str = ""
    ticket: str | None = None
    done: Annotated[int, Field(ge=0)] = 0
    total: Annotated[int, Field(ge=0)] = 0
    eta_seconds: float | None = None
    pid: int | None = None
    process_started: int | None = None
    heartbeat: float = 0.0
    error: str | None = None
    started: float | None = None
    finished: float | None = None

    @property
    def active(self) -> bool:
        """Whether a process is, or is about to be, at work on the run."""
        return self.state in ACTIVE


_STATUS = TypeAdapter(Status)  # to build one takes longer than to read a status


def read_status(folder: Path) -> Status | None:
    """What the run's process wrote last; None where there is no readable status."""
    try:
        return _STATUS.validate_python(read_json(folder / STATUS_FILE, _MAX_BYTES))
    except (BadInput, ValidationError):
        return None


@refused_in_public("writing a run's status")
def write_status(folder: Path, status: Status) -> None:
    write_json(folder / STATUS_FILE, asdict(status))


def process_start(pid: int) -> int | None:
    """When the kernel started a process, in clock ticks; None where it is gone (or only its zombie is left) or
    the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if state in "ZX" else int(rest[18])


def process_exists(status: Status) -> bool:
    """Whether the process that wrote the status still exists, even if it hangs."""
    if status.pid is None:
        return False
    if Path("/proc/self/stat").exists():
        return process_start(status.pid) == status.process_started
    if os.name == "nt":  # os.kill would end the process here
        return _fresh(status, SILENT_SECONDS)
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_alive(status: Status) -> bool:
    """Whether somebody is at work on the run: our own process is there and gave a sign lately."""
    if not status.active:
        return False
    known = status.pid is not None  # launched, but perhaps not yet far enough to say who it is
    limit = START_SECONDS if status.state == "starting" else SILENT_SECONDS
    return (process_exists(status) or not known) and _fresh(status, limit)


def effective_status(folder: Path) -> Status | None:
    """The status as it really is: a run whose process is dead is "stopped", whatever the file says."""
    status = read_status(folder)
    if status is None or not status.active or is_alive(status):
        return status
    again = read_status(folder)  # it may have ended properly between the reading and the look at the process
    if again != status:
        return again
    if process_exists(status):
        error = f"process {status.pid} is there but has given no sign for {time.time() - status.heartbeat:.0f} s"
    else:
        error = f"the process ended without a word; resume goes on from step {status.done} or a little before"
    return replace(status, state="stopped", error=error, eta_seconds=None)


def _fresh(status: Status, seconds: float) -> bool:
    return time.time() - status.heartbeat <= seconds
