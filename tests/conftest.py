"""Says in the last lines whether the browser tests ran; fails where they are required and did not."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing here
settings.load_profile("untimed")

_skipped: list[str] = []


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """AppTest leaves its page in place of `__main__`, and a process that a later test spawns would run that."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


def pytest_collection_finish() -> None:
    """What imports and the collection of tests created is never garbage: no test's collection need look at it."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "browser" in report.keywords:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and os.environ.get("RTL_BROWSER") == "required":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped:
        required = os.environ.get("RTL_BROWSER") == "required"
        verdict = "and they are required here: this counts as a failure" if required else "install Chromium to run them"
        terminalreporter.write_line(f"{len(_skipped)} browser tests were SKIPPED ({verdict})", yellow=True)
