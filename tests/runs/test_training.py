"""A run that was killed after its checkpoint was written and before it could say so."""

from dataclasses import replace
from pathlib import Path

from rtl_core.config import parse
from rtl_core.runs.status import read_status, write_status
from rtl_core.runs.training import train_folder, train_new
from tests.toy_run import toy

GONE = 2**22 + 1  # a process number that no system gives
OF_A_PROCESS = {"pid": GONE, "process_started": 1, "started": 0.0, "heartbeat": 0.0, "finished": None}


def test_its_status_is_that_of_a_run_that_was_left_alone(tmp_path):
    folder = Path(train_new(parse(toy(controls=[])), tmp_path)["folder"])
    whole = read_status(folder)
    write_status(folder, replace(whole, state="running", phase="joint", done=3, eta_seconds=1.0, **OF_A_PROCESS))
    assert train_folder(folder)["reused"]
    again = read_status(folder)
    assert again.state == "done" and again.pid != GONE
    assert replace(again, **OF_A_PROCESS) == replace(whole, **OF_A_PROCESS)
