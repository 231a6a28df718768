from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import rtl_core.data.sources
from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.events import Event, Stopped
from rtl_core.runs import worker
from rtl_core.runs.reporter import StatusReporter
from rtl_core.runs.status import Status, effective_status, process_start, read_status, write_status
from rtl_core.runs.store import ask_stop, create_run, project_root, read_metrics, stop_requested

pytestmark = pytest.mark.long

TOY = Path(__file__).with_name("toy_training.py")
CONFIG = parse({"data": {"spec": "bundled:digits"}, "threads": 1})


def toy(steps: int, step_seconds: float = 0.0):
    """A command that runs the toy training in place of the real one."""
    code = (
        f"import runpy, sys; sys.path[0] = {str(project_root())!r}; runpy.run_path({str(TOY)!r}, run_name='__main__')"
    )
    return lambda folder: [sys.executable, "-c", code, str(folder), str(steps), str(step_seconds)]


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def digits(monkeypatch) -> None:
    """Data whose fingerprint is known at once."""
    monkeypatch.setattr(rtl_core.data.sources, "load", lambda data, seed: SimpleNamespace(fingerprint="digits"))


def test_training_is_the_command_line_on_the_folder(tmp_path):
    assert worker.train_command(tmp_path / "a") == [
        sys.executable, "-m", "rtl_core", "train", "--resume", str(tmp_path / "a"), "--runs", str(tmp_path),
    ]  # fmt: skip


def test_run_is_started_once_and_ends_as_done(tmp_path):
    folder = worker.start(CONFIG, tmp_path, command=toy(10, 0.02))
    assert worker.start(CONFIG, tmp_path, command=toy(20)) == folder, "it is at work already"
    status = worker.wait(folder, 60)
    assert (status.state, status.done, status.total, status.error) == ("done", 20, 20, None)
    assert status.started <= status.finished and (folder / "log.txt").exists()
    assert worker.start(CONFIG, tmp_path, command=toy(20)) == folder
    assert read_status(folder) == status, "a finished run is not trained again"
    assert worker.start(CONFIG, tmp_path, again=True, command=toy(1)) != folder
    with pytest.raises(BadInput, match="nothing to resume"):
        worker.resume(folder)
    with pytest.raises(BadInput, match="nothing to stop"):
        worker.stop(folder)


def test_run_is_stopped_and_resumed(tmp_path):
    folder = worker.start(CONFIG, tmp_path, command=toy(100, 0.05))
    until(lambda: read_status(folder).done > 2)
    with pytest.raises(BadInput, match="being trained already"):
        worker.resume(folder)
    worker.stop(folder)
    status = worker.wait(folder, 30)
    assert status.state == "stopped" and 2 < status.done < 100 and not stop_requested(folder)
    worker.resume(folder, command=toy(100))
    assert worker.wait(folder, 60).state == "done"
    steps = [record["step"] for record in read_metrics(folder) if record["phase"] == "warm_start"]
    assert steps[0] == 1 and steps[-1] == 100


def test_killed_run_is_seen_as_stopped_and_leaves_no_zombie(tmp_path):
    folder = worker.start(CONFIG, tmp_path, command=toy(500, 0.02))
    until(lambda: read_status(folder).state == "running")
    pid = read_status(folder).pid
    os.kill(pid, signal.SIGKILL)
    status = worker.wait(folder, 10)
    assert status.state == "stopped" and "ended without a word" in status.error
    until(lambda: not Path(f"/proc/{pid}").exists(), 10)


def test_process_that_dies_at_once_says_why(tmp_path):
    folder = worker.start(
        CONFIG, tmp_path, command=lambda _: [sys.executable, "-c", "raise SystemExit('no such data')"]
    )
    status = worker.wait(folder, 30)
    assert status.state == "failed"
    assert "code 1 before it began; its last words: no such data" in status.error


def test_run_outlives_the_process_that_started_it(tmp_path):
    folder, _ = create_run(CONFIG, "digits", tmp_path)
    argv = toy(20, 0.02)(folder)
    code = (
        "from pathlib import Path\nfrom rtl_core.runs import worker\n"
        f"worker.resume(Path({str(folder)!r}), command=lambda _: {argv!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project_root())
    assert worker.wait(folder, 60).state == "done"


def test_wait_gives_up(tmp_path):
    write_status(tmp_path, Status("starting", heartbeat=time.time()))
    with pytest.raises(TimeoutError, match="still starting"):
        worker.wait(tmp_path, 0.1)


def test_hung_process_is_not_joined_by_a_second_one(tmp_path):
    folder, _ = create_run(CONFIG, "digits", tmp_path)
    own = {"pid": os.getpid(), "process_started": process_start(os.getpid())}
    write_status(folder, Status("running", **own, heartbeat=time.time() - 3600))
    with pytest.raises(BadInput, match="still holds run"):
        worker.resume(folder)


def test_reporter_counts_steps_over_stages_and_recalled_ones(tmp_path):
    with StatusReporter(tmp_path, 30) as report:
        report(Event("warm_start", "rtl", 10, 10))  # recalled from the journal: done, but not by us
        assert report._eta(10) is None
        report(Event("extract", "rtl", 1, 10, "sky", 1, {"loss": 2.0}))
        report(Event("extract", "rtl", 6, 10, "sky", 1, {"loss": 1.0}))
        until(lambda: read_status(tmp_path).done == 16)
        status = read_status(tmp_path)
        assert (status.phase, status.method, status.ticket, status.total) == ("extract", "rtl", "sky", 30)
        assert status.eta_seconds > 0
        time.sleep(0.01)
        elapsed = time.time() - status.started
        assert report._eta(16) == pytest.approx(14 * elapsed / 5, rel=0.5), "14 steps to go, 5 were computed so far"
    assert (read_status(tmp_path).state, read_status(tmp_path).done) == ("done", 30)


def test_reporter_keeps_all_measurements_and_few_losses(tmp_path):
    with StatusReporter(tmp_path, 1000) as report:
        for step in range(1, 501):
            report(Event("joint", "rtl", step, 500, values={"loss": 1 / step}))
        for density in (0.5, 0.2):
            report(Event("extract", "rtl", 1, 1, "sky", 1, {"density": density, "balanced_accuracy": float("nan")}))
        report(Event("recalibrate", "rtl"))
    records = read_metrics(tmp_path)
    losses = [record for record in records if "loss" in record]
    assert losses[0]["step"] == 1 and losses[-1]["step"] == 500 and len(losses) < 100
    result = [record for record in records if "density" in record]
    assert [(r["density"], r["balanced_accuracy"], r["ticket"], r["round"]) for r in result] == [
        (0.5, None, "sky", 1),
        (0.2, None, "sky", 1),
    ]
    assert len(records) == len(losses) + 2


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (Stopped("as asked"), "stopped", None),
        (BadInput("lower the rate"), "failed", "lower the rate"),
        (KeyError(), "failed", "KeyError"),
    ],
)
def test_reporter_says_how_it_ended_and_lets_the_error_go_on(tmp_path, error, state, message):
    with pytest.raises(type(error)), StatusReporter(tmp_path, 1):
        raise error
    assert (read_status(tmp_path).state, read_status(tmp_path).error) == (state, message)


def test_reporter_says_that_a_stop_is_under_way(tmp_path):
    with StatusReporter(tmp_path, 1):
        ask_stop(tmp_path)
        until(lambda: effective_status(tmp_path).state == "stopping", 10)


def test_stop_asked_since_the_launch_counts_and_an_older_one_does_not(tmp_path):
    ask_stop(tmp_path)
    with StatusReporter(tmp_path, 1):
        assert not stop_requested(tmp_path)
    write_status(tmp_path, Status("starting", heartbeat=time.time()))
    ask_stop(tmp_path)
    with StatusReporter(tmp_path, 1):
        assert stop_requested(tmp_path)


def test_folder_at_work_is_refused_to_a_second_process(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(other.pid)
    write_status(tmp_path, Status("running", pid=other.pid, process_started=started, heartbeat=time.time()))
    try:
        with pytest.raises(BadInput, match=f"already being trained by process {other.pid}"):
            StatusReporter(tmp_path, 1).__enter__()
    finally:
        other.kill()
        other.communicate()


def test_of_many_who_begin_at_the_same_instant_one_trains(tmp_path):
    """Each is past the look at the status before any of them writes one."""
    together, ended, trained = threading.Barrier(8), threading.Barrier(8), []

    def begin() -> str | None:
        together.wait()
        try:
            with StatusReporter(tmp_path, 1):
                trained.append(1)
                ended.wait()
        except BadInput as error:
            ended.wait()
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        refusals = [answer for answer in pool.map(lambda _: begin(), range(8)) if answer]
    assert len(trained) == 1 and len(refusals) == 7 and all("already being trained" in text for text in refusals)
    assert {path.name for path in tmp_path.iterdir()} == {"status.json"}


def test_drafts_of_processes_that_are_gone_are_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "resume").mkdir()
    old = tmp_path / "resume" / f".a.safetensors.{gone.pid}.1.tmp"
    other = tmp_path / f".label.json.{os.getpid()}.1.tmp"  # another thread writes it just now
    old.touch()
    other.touch()
    with StatusReporter(tmp_path, 1):
        assert not old.exists() and other.exists()
