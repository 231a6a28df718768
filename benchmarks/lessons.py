"""How long the lessons keep a learner waiting: `python -m benchmarks.lessons [--out FILE]`.

The browser test of each lesson plays it to its end without thinking, on a server that was just started, so what it
takes is waiting: the first page, the pictures, the trainings, and once more the end state in a second browser.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from app.lessons.lesson import lessons
from benchmarks.pages import show
from rtl_core.runs.store import project_root

BUDGET = 120  # seconds of waiting that a lesson may cost


def table() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# How long the lessons keep a learner waiting\n"
    yield (
        f"{os.cpu_count()} cores, nothing else running. Each lesson is played to its end by its browser test, which "
        "does not think: first page, pictures, trainings, and the end opened again from its link in a second "
        "browser. A learner waits less than that, as the second browser is not theirs. Made by "
        "`python -m benchmarks.lessons`.\n"
    )
    yield f"| lesson | trains | seconds | under {BUDGET} s |"
    yield "|---|---|---|---|"
    for lesson in lessons():
        seconds = _play(lesson.slug)
        under = "yes" if seconds < BUDGET else "no"
        yield f"| {lesson.question} | {'yes' if lesson.trains else 'no'} | {seconds:.0f} | {under} |"


def _play(slug: str) -> float:
    """Seconds that the test of a lesson takes, without the start of the server."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        test = f"tests/browser/test_lesson_{slug}.py"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "browser", test, f"--junitxml={report}"]
        environment = {**os.environ, "RTL_BROWSER": "required"}
        done = subprocess.run(command, cwd=project_root(), env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the lesson {slug} was not played to its end:\n{done.stdout[-2000:]}")
        return sum(float(case.get("time", "nan")) for case in ElementTree.parse(report).iter("testcase"))


if __name__ == "__main__":
    show(__doc__, table)
