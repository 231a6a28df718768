"""A training killed in its last moments: whoever asks for it again finds a finished run, and nothing more.

Kills at random moments: `benchmarks.kills`, a sample of it in `tests/test_benchmarks.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtl_core.config import parse
from rtl_core.runs.store import project_root
from rtl_core.runs.training import train_new

pytestmark = pytest.mark.long

SETTINGS = {
    "data": {"spec": "bundled:digits", "limit": 200},
    "model": {"name": "mlp", "width": 0.1},
    "partition": {"by": "kmeans", "k": 2, "min_size": 2},
    "denser": [],
    "lighter": [],
    "controls": [],
    "extract": {"steps": 2, "warm_steps": 2},
    "joint": {"steps": 2},
}
TRAIN = """
import os, sys
from pathlib import Path
from rtl_core.config import parse
from rtl_core.runs import reporter, training
{die}
training.train_new(parse({settings}), Path(sys.argv[1]))
"""
BEFORE_CLEARING = "training.FileJournal.clear = lambda journal: os.kill(os.getpid(), 9)"
BEFORE_GIVING_UP_THE_LOCK = """
finish = reporter.StatusReporter._finish
reporter.StatusReporter._finish = lambda *ended: (finish(*ended), os.kill(os.getpid(), 9))
"""


@pytest.mark.parametrize(("die", "left"), [(BEFORE_CLEARING, "resume"), (BEFORE_GIVING_UP_THE_LOCK, ".training.lock")])
def test_nothing_stays_behind_of_a_run_killed_after_its_last_file(tmp_path, die, left):
    killed = subprocess.run(
        [sys.executable, "-c", TRAIN.format(die=die, settings=SETTINGS), str(tmp_path)],
        cwd=project_root(),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -9
    folder = next(tmp_path.glob("*/run.json")).parent
    content = (folder / "run.json").read_bytes()
    assert (folder / left).exists()
    assert Path(train_new(parse(SETTINGS), tmp_path)["folder"]) == folder
    assert (folder / "run.json").read_bytes() == content
    whole = train_new(parse(SETTINGS), tmp_path, again=True)["folder"]
    assert {path.name for path in folder.iterdir()} == {path.name for path in Path(whole).iterdir()}
