"""The queue of trainings, with processes that compute nothing: each begins, and waits to be told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import rtl_core.data.sources
from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.runs import queue, worker
from rtl_core.runs.status import read_status
from rtl_core.runs.store import create_run, list_runs, project_root, stop_requested

TRAINING = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "began").write_text(f"{os.getpid()}.")
while not (folder / "end").exists():
    time.sleep(0.02)
"""


def command(folder: Path) -> list[str]:
    return [sys.executable, "-S", "-c", TRAINING, str(folder)]


def until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def began(folder: Path) -> bool:
    return (folder / "began").exists() and (folder / "began").read_text().endswith(".")


def pid(folder: Path) -> int:
    """Of the process that trains or waits."""
    return int((folder / "began").read_text()[:-1]) if began(folder) else read_status(folder).pid


def waits(folder: Path) -> bool:
    """Whether its process has begun to wait."""
    status = read_status(folder)
    return (status.state, status.phase) == ("starting", queue.QUEUED) and status.pid is not None


def config(seed: int):
    return parse({"data": {"spec": "bundled:digits"}, "threads": 1, "seed": seed})


@pytest.fixture
def start(tmp_path, monkeypatch):
    """start(seed): the folder of a run that waits for its turn; one trains at a time."""
    monkeypatch.setattr(rtl_core.data.sources, "load", lambda data, seed: SimpleNamespace(fingerprint="digits"))
    monkeypatch.setenv("RTL_SLOTS", "1")

    def started(seed: int, **more) -> Path:
        return worker.start(config(seed), tmp_path, command=command, **more)

    yield started
    for run in list_runs(tmp_path):  # what a test has left
        (run.folder / "end").touch()
    until(lambda: not queue.waiting(tmp_path))


def test_slots_are_cores_unless_said(monkeypatch):
    monkeypatch.delenv("RTL_SLOTS", raising=False)
    assert queue.slots() == os.cpu_count()
    monkeypatch.setenv("RTL_SLOTS", "3")
    assert queue.slots() == 3
    for wrong in ("0", "two", "-1", ""):
        monkeypatch.setenv("RTL_SLOTS", wrong)
        with pytest.raises(BadInput, match="number of trainings at once"):
            queue.slots()


@pytest.mark.long
def test_they_train_one_after_another_and_leave_nothing(start, tmp_path):
    first, second, third = (start(seed) for seed in (1, 2, 3))
    assert start(2) == second, "a run that waits is not launched twice"
    until(lambda: began(first) and waits(second) and waits(third))
    assert queue.waiting(tmp_path) == [second.name, third.name]
    assert [queue.place(folder) for folder in (first, second, third)] == [None, 1, 2]
    assert not began(second) and not began(third)
    with pytest.raises(BadInput, match="being trained already"):
        worker.resume(third)
    (first / "end").touch()
    until(lambda: began(second))
    assert (queue.place(second), queue.place(third)) == (None, 1) and not began(third)
    (second / "end").touch()
    (third / "end").touch()
    until(lambda: began(third) and not read_status(third).active)
    assert queue.waiting(tmp_path) == []
    assert sorted(path.name for path in (tmp_path / ".queue").iterdir()) == ["lock", "slot-0"]
    assert {run.name for run in list_runs(tmp_path)} == {first.name, second.name, third.name}


@pytest.mark.long
def test_the_killed_free_their_places(start):
    first, second, third = (start(seed) for seed in (1, 2, 3))
    until(lambda: began(first) and waits(second) and waits(third))
    os.kill(pid(second), signal.SIGKILL)
    until(lambda: queue.place(third) == 1)
    until(lambda: read_status(second).state == "failed")
    assert "ended with code -9" in read_status(second).error and not began(third)
    os.kill(pid(first), signal.SIGKILL)
    until(lambda: began(third))
    assert not began(second)


@pytest.mark.long
def test_one_that_waits_is_stopped_and_queues_anew(start):
    first, second, third = (start(seed) for seed in (1, 2, 3))
    until(lambda: began(first) and waits(second) and waits(third))
    worker.stop(second)
    assert worker.wait(second, 30).state == "stopped"
    assert not stop_requested(second) and not began(second)
    until(lambda: queue.place(second) is None)
    worker.resume(second, command=command)
    assert (queue.place(third), queue.place(second)) == (1, 2)


@pytest.mark.long
def test_who_launched_it_may_end_meanwhile(start, tmp_path):
    first = start(1)
    until(lambda: began(first))
    second, _ = create_run(config(2), "digits", tmp_path)
    code = (
        "from pathlib import Path\nfrom rtl_core.runs import worker\n"
        f"worker.resume(Path({str(second)!r}), command=lambda _: {command(second)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project_root())
    until(lambda: waits(second))
    assert queue.place(second) == 1 and not began(second)
    (first / "end").touch()
    until(lambda: began(second))


@pytest.mark.long
def test_two_slots_train_two_and_who_does_not_queue_waits_for_nobody(start, monkeypatch):
    monkeypatch.setenv("RTL_SLOTS", "2")
    first, second, third = (start(seed) for seed in (1, 2, 3))
    until(lambda: began(first) and began(second) and waits(third))
    at_once = start(4, queued=False)
    until(lambda: began(at_once))
    assert not began(third) and queue.place(third) == 1
    (second / "end").touch()
    until(lambda: began(third))


@pytest.mark.long
def test_trainings_yield_to_whoever_started_them(start):
    first, second = start(1), start(2)
    until(lambda: began(first) and waits(second))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for folder in (first, second):
        assert os.getpriority(os.PRIO_PROCESS, pid(folder)) == min(19, own + 10)


@pytest.mark.long
def test_waiting_needs_no_torch():
    code = (
        "import sys, rtl_core.runs.queue; print(sorted({'torch', 'pandas', 'sklearn', 'streamlit'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=project_root(), capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"


def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / ".queue").write_text("")
    with pytest.raises(BadInput, match="should be a folder that this program can write to"), queue.locked(tmp_path):
        pass
    (tmp_path / ".queue").unlink()
    (tmp_path / ".queue" / "lock").mkdir(parents=True)
    with pytest.raises(BadInput, match="Is a directory"), queue.locked(tmp_path):
        pass
