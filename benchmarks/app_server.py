"""A Streamlit server of one's own on a free port, for benchmarks and tests: the app, or another script."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rtl_core.runs.store import project_root

APP = ("-m", "app", "--no-browser")
PATIENCE = 60.0  # seconds until a server answers


@contextmanager
def served(*program: str, log: Path | None = None, wait: bool = True, **environment: str) -> Iterator[str]:
    """The address of a server that `python *program` is, which ends with the block.

    log   where its output goes; nowhere unless given
    wait  until it answers (TimeoutError after `PATIENCE`), or go on at once
    """
    address = f"127.0.0.1:{_free_port()}"
    with open(log or os.devnull, "wb") as output:
        server = subprocess.Popen(
            [sys.executable, *program, "--server.port", address.split(":")[1]],
            cwd=project_root(),
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project_root()), **environment},
            stdout=output,
            stderr=output,
        )
        try:
            if wait:
                _wait_for(f"http://{address}/_stcore/health")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url}")
