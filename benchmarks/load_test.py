"""Pages under a class: `python -m benchmarks.load_test [--out FILE]`, 20 learners on pages while 4 trainings run.

A learner is a browser tab that paints nothing (`benchmarks.tab`). It opens a lesson that trains
nothing, thinks, presses another option of one of the page's segmented controls (where there is none, it asks for the
page again) and waits until the script has finished. Every lesson has been opened once before, as the teacher's notes
ask. The trainings are queued as the app's own are, so as many compute as there are slots.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.lessons.lesson import lessons
from benchmarks.app_server import APP, served
from benchmarks.pages import show
from benchmarks.tab import Tab
from rtl_core.config import parse, preset
from rtl_core.errors import BadInput
from rtl_core.runs import queue, worker

LEARNERS = 20
TRAININGS = 4
RERUNS = 6  # of every learner
THINK = (0.5, 3.0)  # seconds before each
WARM_UP = 20.0  # seconds that the trainings are given to be under way


class Learner:
    """Somebody in class, on one page."""

    def __init__(self, number: int, page: str, query: str) -> None:
        self.page, self.query = page, query
        self.opened = float("nan")
        self.reruns: list[float] = []  # seconds; infinite for a failed one
        self._lot = random.Random(number)

    async def learn(self, address: str) -> None:
        await asyncio.sleep(self._lot.uniform(0, THINK[1]))  # a class does not press all at once
        tab = Tab(self.page, self.query, self._lot)
        async with tab.session(address) as socket_:
            self.opened = await tab.rerun(socket_)
            for _ in range(RERUNS):
                await asyncio.sleep(self._lot.uniform(*THINK))
                tab.press()
                self.reruns.append(await tab.rerun(socket_))


def table() -> str:
    pages = [("learn", f"lesson={lesson.slug}") for lesson in lessons() if not lesson.trains]
    learners = [Learner(i, *pages[i % len(pages)]) for i in range(LEARNERS)]
    with tempfile.TemporaryDirectory() as runs, served(*APP, RTL_RUNS=runs) as address:
        asyncio.run(_class([Learner(i, *page) for i, page in enumerate(pages)], address))  # the teacher, before class
        with _trainings(Path(runs)):
            time.sleep(WARM_UP)
            computing = TRAININGS - len(queue.waiting(Path(runs)))
            asyncio.run(_class(learners, address))
            still = TRAININGS - len(queue.waiting(Path(runs)))
    return "\n".join(_lines(learners, pages, min(computing, still)))


async def _class(learners: list[Learner], address: str) -> None:
    await asyncio.gather(*(learner.learn(address) for learner in learners))


def _lines(learners: list[Learner], pages: list[tuple[str, str]], computing: int) -> Iterator[str]:
    yield f"# {LEARNERS} learners on pages while {TRAININGS} trainings run\n"
    yield (
        f"{os.cpu_count()} cores; {TRAININGS} trainings of the preset `domains` were started, {queue.slots()} may "
        f"compute at once, and {computing} did. Every lesson had been opened once before. Every learner pressed "
        f"{RERUNS} times, after {THINK[0]:g} to {THINK[1]:g} s each. Times from the press until the server has sent "
        "the page; painting is not included. Made by `python -m benchmarks.load_test`.\n"
    )
    yield "| page | learners | first page, median s | rerun p50, ms | p95, ms | max, ms | failed |"
    yield "|---|---|---|---|---|---|---|"
    for page, query in [*pages, ("all", "")]:
        here = [one for one in learners if page == "all" or (one.page, one.query) == (page, query)]
        times = np.array([seconds for one in here for seconds in one.reruns])
        served = 1000 * times[np.isfinite(times)]
        p50, p95, worst = np.percentile(served, (50, 95, 100)) if len(served) else [float("nan")] * 3
        yield (
            f"| {page} {query} | {len(here)} | {np.median([one.opened for one in here]):.2f} | {p50:.0f} | {p95:.0f} | "
            f"{worst:.0f} | {len(times) - len(served)} of {len(times)} |"
        )


@contextmanager
def _trainings(root: Path) -> Iterator[None]:
    folders = [worker.start(parse({**preset("domains"), "seed": seed}), root) for seed in range(TRAININGS)]
    try:
        yield
    finally:
        for folder in folders:
            try:
                worker.stop(folder)
            except BadInput:  # it has ended
                continue
        for folder in folders:
            worker.wait(folder, 120)


if __name__ == "__main__":
    show(__doc__, table)
