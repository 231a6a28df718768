"""Writes the progress of a running training into the files of its run folder."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from rtl_core.errors import BadInput
from rtl_core.files import sweep_drafts
from rtl_core.read_only import check, refused_in_public
from rtl_core.runs.status import HEARTBEAT_SECONDS, Status, process_exists, process_start, read_status, write_status
from rtl_core.runs.store import append_metric, clear_stop, stop_requested

if TYPE_CHECKING:
    from rtl_core.events import Event

LOCK_FILE = ".training.lock"
_WRITE_SECONDS = 0.5  # status and losses at most so often


@refused_in_public("training a run")
def remove_lock(folder: Path) -> None:
    """Of a finished run: nobody needs to be alone with it any more."""
    (folder / LOCK_FILE).unlink(missing_ok=True)


class StatusReporter:
    """A `Report` that keeps `status.json` and `metrics.jsonl` of a run's folder up to date.

    Used as a context manager around the whole run: entering says "running", leaving says "done", "stopped"
    (on `Stopped`) or "failed" with the error, which goes on up. A thread of its own writes, so that the loop
    does not wait for the disk and a long computation without events still shows a heartbeat.

    total_steps  gradient steps of the whole run: the sum of `Event.steps` over its stages; `expect` states it
                 later where it is known only once the data are there
    Raises BadInput on entering where another process is at work on the folder.
    """

    def __init__(self, folder: Path, total_steps: int = 0) -> None:
        self._folder = folder
        self._total = total_steps
        self._steps: dict[tuple, int] = {}  # stage -> steps done in it
        self._computed = 0  # of these, the ones done by this process: others were recalled from the journal
        self._loss_written: dict[tuple, float] = {}  # stage -> when a loss of it went to the metrics
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="status", daemon=True)
        # The kernel gives it up with the process, however that ends.
        self._alone = FileLock(folder / LOCK_FILE, blocking=False)

    def __enter__(self) -> StatusReporter:
        check("training a run")
        before = read_status(self._folder)
        if before is not None and before.active and before.pid != os.getpid() and process_exists(before):
            raise BadInput(f"run '{self._folder.name}' is already being trained by process {before.pid}")
        try:
            self._alone.acquire()
        except Timeout:  # another has begun at the same instant, and has not said so yet
            raise BadInput(f"run '{self._folder.name}' is already being trained by another process") from None
        sweep_drafts(self._folder)
        if before is None or before.state != "starting":
            clear_stop(self._folder)  # an old request; one made since the launch still counts
        if before is not None and not self._total:
            self._total = before.total  # as an earlier process has stated it
        now, pid = time.time(), os.getpid()
        self._status = Status(
            "running", total=self._total, pid=pid, process_started=process_start(pid), heartbeat=now, started=now
        )
        write_status(self._folder, self._status)
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        from rtl_core.events import Stopped

        if error is None:
            self._finish("done")
            remove_lock(self._folder)  # whoever waits for it finds the run finished
        elif isinstance(error, Stopped | KeyboardInterrupt):
            self._finish("stopped")
        else:
            self._finish("failed", str(error) or type(error).__name__)
        self._alone.release()

    def expect(self, total_steps: int) -> None:
        """States the run's gradient steps."""
        with self._lock:
            self._total = total_steps
            self._status = replace(self._status, total=total_steps)

    def __call__(self, event: Event) -> None:
        """Takes note of an event, from any thread; touches the disk only for a line of metrics now and then."""
        with self._lock:
            stage = (event.phase, event.method, event.ticket, event.round)
            if stage in self._steps:
                self._computed += max(0, event.step - self._steps[stage])
            self._steps[stage] = max(event.step, self._steps.get(stage, 0))
            done = sum(self._steps.values())
            self._status = replace(
                self._status,
                phase=event.phase,
                method=event.method,
                ticket=event.ticket,
                done=done,
                eta_seconds=self._eta(done),
            )
            if self._is_worth_a_line(event, stage):
                place = {name: getattr(event, name) for name in ("phase", "method", "ticket", "round", "step", "steps")}
                append_metric(self._folder, {"time": time.time(), **place, **event.values})

    def _is_worth_a_line(self, event: Event, stage: tuple) -> bool:
        """Every measurement is; of the losses of single steps, two a second are enough for a curve."""
        if set(event.values) != {"loss"}:
            return bool(event.values)
        now = time.monotonic()
        if now - self._loss_written.get(stage, float("-inf")) < _WRITE_SECONDS and event.step < event.steps:
            return False
        self._loss_written[stage] = now
        return True

    def _eta(self, done: int) -> float | None:
        """Seconds to go at this process's pace so far; None before there is one."""
        if not self._computed:
            return None
        return max(0, self._total - done) * (time.time() - self._status.started) / self._computed

    def _keep_writing(self) -> None:
        written, last = None, 0.0
        while not self._ended.wait(_WRITE_SECONDS):
            with self._lock:
                self._status = replace(self._status, state="stopping" if stop_requested(self._folder) else "running")
                status = self._status
            if status != written or time.monotonic() - last >= HEARTBEAT_SECONDS:
                with suppress(BadInput):  # a full disk: the training meets it too, and says so
                    write_status(self._folder, replace(status, heartbeat=time.time()))
                written, last = status, time.monotonic()

    def _finish(self, state: str, error: str | None = None) -> None:
        self._ended.set()
        self._thread.join()
        now = time.time()
        done = self._total if state == "done" else self._status.done
        ended = {"state": state, "done": done, "error": error, "eta_seconds": None, "heartbeat": now, "finished": now}
        clear_stop(self._folder)
        write_status(self._folder, replace(self._status, **ended))
