"""A server of the app on a free port, and a real Chromium looking at it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack

import pytest

from benchmarks.app_server import APP, served
from tests.browser.settling import settle

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
    with ExitStack() as servers:
        yield lambda runs: f"http://{servers.enter_context(served(*APP, RTL_RUNS=str(runs)))}"


def leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
