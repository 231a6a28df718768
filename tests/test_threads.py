"""Several visitors at once: all that pages want of the core, from many threads, is answered as it is alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest
import torch

from benchmarks.crowd import crowd
from benchmarks.threads import jobs_of, people, pictures
from rtl_core.overlap.clustering import mask_map
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.store import samples
from rtl_core.threads import pool, use_threads

pytestmark = pytest.mark.long

THREADS = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def small_runs(root) -> dict:
    """Job name -> job, over a run of pictures and one of a table."""
    return {**jobs_of(pictures(root), root), **jobs_of(people(root), root)}


def test_a_crowd_is_answered_as_one_visitor_is(small_runs):
    assert crowd(small_runs, THREADS, calls=4) == []


@pytest.mark.slow
def test_a_crowd_that_stays(small_runs):
    assert crowd(small_runs, THREADS, calls=50) == []


@pytest.mark.slow
def test_a_crowd_over_the_samples(root):
    jobs = {}
    for name in ("domains", "adult"):
        jobs |= jobs_of(load_run(samples()[name]), root)
    jobs["map of masks"] = lambda: mask_map(similarity(overlap(load_run(samples()["fashion10"]).tickets)), "umap")
    assert crowd(jobs, THREADS, calls=4) == []


def test_every_thread_keeps_its_own_count():
    """The second thread sets its count after the first one has, and before it has computed anything."""
    before, result, turn = torch.get_num_threads(), {}, Barrier(2)

    def compute(count: int, order: int) -> None:
        if order:
            turn.wait()
        use_threads(count)
        if not order:
            turn.wait()
        turn.wait()
        torch.ones(64, 64) @ torch.ones(64, 64)
        with pool(2) as workers:
            inherited = list(workers.map(lambda _: torch.get_num_threads(), range(4)))
        result[count] = {torch.get_num_threads(), *inherited}

    threads = [Thread(target=compute, args=(count, order)) for order, count in enumerate((2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use_threads(before)
    assert result == {1: {1}, 2: {2}}


_MAPS_AT_ONCE = """
import numpy as np
from threading import Thread
from rtl_core.data.umap_places import umap_places
rows = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
threads = [Thread(target=umap_places, args=(rows,), kwargs={"random_state": 0, "n_epochs": 5}) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""


@pytest.mark.slow
def test_maps_at_once_do_not_end_the_process_where_there_is_no_openmp():
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _MAPS_AT_ONCE],
        env={**os.environ, "NUMBA_THREADING_LAYER": "workqueue"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout.split()) == (0, ["done"]), ended.stderr[-500:]
