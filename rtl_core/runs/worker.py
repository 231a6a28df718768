"""Training in a process of its own, started from anywhere and watched through the run's folder.

It runs at a lower priority than whoever started it, so that pages stay quick, and waits for its turn where as many
as may compute at once do so already (`runs.queue`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs import queue, started
from rtl_core.runs.status import Status, effective_status, process_exists, read_status, write_status
from rtl_core.runs.store import LOG_FILE, ask_stop, clear_stop, create_run, project_root, read_config

Command = Callable[[Path], list[str]]

_NICER = 10  # added to the nice value of whoever starts a training


def train_command(folder: Path) -> list[str]:
    """The command line that trains a run's folder, from where it is or from the start."""
    return [sys.executable, "-m", "rtl_core", "train", "--resume", str(folder), "--runs", str(folder.parent)]


@refused_in_public("training a run")
def start(
    config: Config,
    root: Path,
    again: bool = False,
    command: Command = train_command,
    queued: bool = True,
) -> Path:
    """The folder of the run of this config on its data, with a process at work on it unless it is done.

    queued  whether the process waits for its turn
    Loads the data, because the run's name is a function of its content. Raises BadInput for bad data.
    """
    from rtl_core.data.sources import load

    root, fingerprint = root.resolve(), load(config.data, config.seed).fingerprint
    with queue.locked(root):  # two who start the same run get the same process
        folder, existed = create_run(config, fingerprint, root, again)
        status = effective_status(folder) if existed else None
        if status is None or not (status.active or status.state == "done"):
            _launch(folder, command, queued)
    return folder


@refused_in_public("training a run")
def resume(folder: Path, command: Command = train_command, queued: bool = True) -> None:
    """Starts a process that goes on with a stopped, failed or killed run; BadInput where there is nothing to do, or its
    settings are not those that it was begun with. The process itself looks whether its data are."""
    folder = folder.resolve()
    with queue.locked(folder.parent):
        status = effective_status(folder)
        if status is not None and status.active:
            raise BadInput(f"run '{folder.name}' is being trained already")
        if status is not None and status.state == "done":
            raise BadInput(f"run '{folder.name}' is done; there is nothing to resume")
        started.check_settings(folder, read_config(folder))
        _launch(folder, command, queued)


@refused_in_public("stopping a run")
def stop(folder: Path) -> None:
    """Asks the run's process to keep its state and end; BadInput where no process is at work."""
    status = effective_status(folder)
    if status is None or not status.active:
        raise BadInput(f"run '{folder.name}' is not being trained, so there is nothing to stop")
    ask_stop(folder)


def wait(folder: Path, timeout: float) -> Status:
    """The status once no process is at work on the run any more; TimeoutError after `timeout` seconds."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        status = effective_status(folder)
        if status is not None and not status.active:
            return status
        time.sleep(0.05)
    raise TimeoutError(
        f"run '{folder.name}' is still {status.state if status else 'without a status'} after {timeout} s"
    )


@refused_in_public("training a run")
def _launch(folder: Path, command: Command, queued: bool) -> None:
    before = read_status(folder)
    if before is not None and before.active and process_exists(before):
        raise BadInput(f"process {before.pid} still holds run '{folder.name}' though it gives no sign; end it first")
    threads = read_config(folder).threads
    clear_stop(folder)
    now = time.time()
    phase = queue.QUEUED if queued else ""
    status = replace(before or Status("starting"), state="starting", phase=phase, pid=None, process_started=None)
    status = replace(status, heartbeat=now, started=now, finished=None, error=None, eta_seconds=None)
    argv = queue.in_turn(folder, command(folder)) if queued else command(folder)
    with open(folder / LOG_FILE, "ab") as log:
        write_status(folder, status)
        process = subprocess.Popen(
            argv,
            cwd=project_root(),
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives the server and the terminal that started it
        )
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICER)
    threading.Thread(target=_bury, args=(process, folder, now), name=f"wait {folder.name}", daemon=True).start()


def _bury(process: subprocess.Popen, folder: Path, launched: float) -> None:
    """Waits for the process, so that it leaves no zombie, and writes its status if it died before it could."""
    code = process.wait()
    status = read_status(folder)
    if status is not None and status.state == "starting" and status.started == launched:
        error = f"the process ended with code {code} before it began; {_last_line(folder)}"
        write_status(folder, replace(status, state="failed", error=error, finished=time.time()))


def _last_line(folder: Path) -> str:
    with open(folder / LOG_FILE, "rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = log.read().decode(errors="replace").split("\n")
    messages = [line.strip() for line in lines if line.strip()]
    return f"its last words: {messages[-1][:500]}" if messages else f"{LOG_FILE} is empty"
