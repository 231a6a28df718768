"""A server of the app on a free port, and a real Chromium looking at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.browser.settling import settle

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the browser tests were not run")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """visit(address): a fresh page there, settled; the requests that leave the machine are in page.outside."""
    contexts = []

    def go(address: str):
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.outside = []
        page.on("request", lambda r: page.outside.append(r.url) if leaves(r.url) else None)
        page.goto(address)
        page.wait_for_selector('[data-testid="stApp"]')
        settle(page)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.fixture
def serve():
    """serve(runs folder): the address of a fresh server that keeps its runs there."""
    servers = []

    def start(runs: Path) -> str:
        server, address = start_server("-m", "app", "--no-browser", RTL_RUNS=str(runs))
        servers.append(server)
        return address

    yield start
    for server in servers:
        server.terminate()
        server.wait(timeout=20)


def start_server(*program: str, **environment: str) -> tuple[subprocess.Popen, str]:
    """The process and the address of a Streamlit server that `python *program` is."""
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, *program, "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    _wait_for(f"{address}/_stcore/health")
    return server, address


def leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url}")
