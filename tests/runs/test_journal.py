from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rtl_core.events import Stage, Stopped
from rtl_core.runs.journal import FileJournal
from rtl_core.runs.status import effective_status
from rtl_core.runs.store import ask_stop, project_root

pytestmark = pytest.mark.long

TOY = Path(__file__).with_name("toy_training.py")


def stage(name: str) -> Stage:
    """A stage that is kept under `name`."""
    return Stage(name, name, 10, 0.1, 0)


def never(folder: Path) -> FileJournal:
    """A journal whose time to write does not come within a test."""
    return FileJournal(folder, every_seconds=1e9)


def start_toy(folder: Path, steps: int, step_seconds: float) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(project_root()), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(TOY), str(folder), str(steps), str(step_seconds)], env=environment)


def wait_until(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_state_comes_back_with_type_value_and_memory_format(tmp_path):
    state = {
        "shared/0/conv.weight": torch.randn(3, 4, 3, 3).to(memory_format=torch.channels_last),
        "optimiser/shared/0/conv.weight/step": torch.tensor(7.0),
        "buffers/0/norm.num_batches_tracked": torch.tensor(3),
        "kept": torch.tensor([True, False]),
    }
    never(tmp_path).mark(stage("rtl/extract/a b"), 5, True, lambda: state)
    step, loaded = never(tmp_path).recall(stage("rtl/extract/a b"))
    assert step == 5 and loaded.keys() == state.keys()
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype and torch.equal(loaded[name], tensor)
        assert loaded[name].stride() == tensor.stride()


def test_tensors_that_share_memory_are_kept(tmp_path):
    weights = torch.arange(6.0)
    never(tmp_path).mark(stage("s"), 1, True, lambda: {"all": weights, "half": weights[:3]})
    assert torch.equal(never(tmp_path).recall(stage("s"))[1]["half"], weights[:3])


def test_state_is_kept_as_it_was_at_the_mark(tmp_path):
    weights = torch.zeros(3)
    journal = never(tmp_path)
    journal.mark(stage("s"), 1, True, lambda: {"weights": weights})
    weights.add_(1)
    assert torch.equal(journal.recall(stage("s"))[1]["weights"], torch.zeros(3))


def test_unfinished_stage_is_kept_only_when_it_is_time(tmp_path):
    never(tmp_path).mark(stage("s"), 1, False, lambda: {"weights": torch.zeros(1)})
    assert never(tmp_path).recall(stage("s")) is None
    FileJournal(tmp_path, every_seconds=0).mark(stage("s"), 2, False, lambda: {"weights": torch.zeros(1)})
    assert never(tmp_path).recall(stage("s"))[0] == 2


def test_stages_side_by_side_are_each_kept_in_their_time(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    journal = FileJournal(tmp_path, every_seconds=10)
    for now in range(12):
        for name in ("a", "b"):
            journal.mark(stage(name), now, False, lambda: {"weights": torch.zeros(1)})
    assert journal.recall(stage("a"))[0] == journal.recall(stage("b"))[0] == 10


def test_stop_keeps_the_state_and_raises(tmp_path):
    ask_stop(tmp_path)
    with pytest.raises(Stopped, match="step 3"):
        never(tmp_path).mark(stage("s"), 3, False, lambda: {"weights": torch.ones(1)})
    assert never(tmp_path).recall(stage("s"))[0] == 3


def test_stages_with_any_name_stay_inside_the_folder(tmp_path):
    journal = never(tmp_path)
    names = ["../../escape", "rtl/extract/cat", "rtl/extract/dog", "x" * 500]
    for step, name in enumerate(names):
        journal.mark(stage(name), step, True, lambda: {"weights": torch.zeros(1)})
    assert [journal.recall(stage(name))[0] for name in names] == [0, 1, 2, 3]
    assert {path.parent for path in tmp_path.rglob("*.safetensors")} == {tmp_path / "resume"}


@pytest.mark.parametrize("damage", ["truncated", "changed", "foreign", "another stage's"])
def test_damaged_file_means_the_stage_starts_again(tmp_path, damage):
    journal = never(tmp_path)
    journal.mark(stage("s"), 1, True, lambda: {"weights": torch.arange(100.0)})
    path = next((tmp_path / "resume").iterdir())
    content = path.read_bytes()
    if damage == "another stage's":
        journal.mark(stage("other"), 1, True, lambda: {"weights": torch.arange(100.0)})
        content = next(p for p in (tmp_path / "resume").iterdir() if p != path).read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-10],
            "changed": content[:-1] + bytes([content[-1] ^ 1]),
            "foreign": b"\x80\x04N.",
            "another stage's": content,
        }[damage]
    )
    with pytest.warns(UserWarning, match="starts again"):
        assert journal.recall(stage("s")) is None


def test_clear_forgets_everything(tmp_path):
    journal = never(tmp_path)
    journal.mark(stage("s"), 1, True, lambda: {"weights": torch.zeros(1)})
    journal.clear()
    assert journal.recall(stage("s")) is None and not (tmp_path / "resume").exists()


def test_killed_run_goes_on_to_the_same_bits(tmp_path):
    """Killed by SIGKILL in each of its two stages, then left to end: the result file is that of an undisturbed run."""
    steps = 25
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start_toy(whole, steps, 0.0).wait(60) == 0
    for done in (2, steps + 2):
        process = start_toy(killed, steps, 0.05)
        wait_until(lambda done=done, pid=process.pid: _steps_done(killed, pid) >= done)
        process.send_signal(signal.SIGKILL)
        process.wait()
        status = effective_status(killed)
        assert status.state == "stopped" and "resume goes on from step" in status.error
        assert not (killed / "result.safetensors").exists() and list((killed / "resume").iterdir())
    assert start_toy(killed, steps, 0.0).wait(60) == 0
    assert (killed / "result.safetensors").read_bytes() == (whole / "result.safetensors").read_bytes()
    assert effective_status(killed).state == "done"


def _steps_done(folder: Path, pid: int) -> int:
    status = effective_status(folder)
    return status.done if status is not None and status.pid == pid else 0
