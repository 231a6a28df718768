"""How fast the app answers: `python -m benchmarks.app` prints a table.

One server and one Chromium in one run: the time from the server's start to the first page, and the time from a
choice on a page to the page being settled again, on a sample.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time

from benchmarks.app_server import APP, served
from rtl_core.runs.store import samples

RERUNS = 15
_WATCH = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  window.__reruns = []; let began = null;
  new MutationObserver(() => {
    if (app.dataset.testScriptState === 'running' && began === null) began = performance.now();
    if (app.dataset.testScriptState === 'notRunning' && began !== null) {
      window.__reruns.push(performance.now() - began); began = null;
    }
  }).observe(app, { attributes: true, attributeFilter: ['data-test-script-state'] });
}"""


def run() -> dict[str, float]:
    """Seconds to the first page; median and worst milliseconds of a rerun of each page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as runs, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        began = time.perf_counter()
        with served(*APP, wait=False, RTL_RUNS=runs) as address:
            _open(page, f"http://{address}")
            seconds = {"first page, s": time.perf_counter() - began}
            for name, path in (("overview", ""), ("masks", "masks")):
                times = _rerun_times(page, f"http://{address}/{path}?run={next(iter(samples()))}")
                seconds[f"{name} rerun, median ms"] = statistics.median(times)
                seconds[f"{name} rerun, worst ms"] = max(times)
        browser.close()
    return seconds


def _open(page, address: str) -> None:
    """Loads a page, again and again until the server answers, and waits for its headline."""
    from playwright.sync_api import Error

    until = time.monotonic() + 60
    while True:
        try:
            page.goto(address)
            break
        except Error:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    page.wait_for_selector("h1")


def _rerun_times(page, address: str) -> list[float]:
    """Milliseconds from running to settled, seen by the browser, after a ticket's chip is pressed; one is warm-up."""
    _open(page, address)
    page.wait_for_timeout(1500)
    page.evaluate(_WATCH)
    for _ in range(RERUNS + 1):
        page.locator(".st-key-ticket button").first.click()
        page.wait_for_timeout(400)
    return page.evaluate("() => window.__reruns")[1:]


def main() -> None:
    print("| measured | value |\n|---|---|")
    for name, value in run().items():
        print(f"| {name} | {value:.3g} |")


if __name__ == "__main__":
    main()
