"""Pages under a class: `python -m benchmarks.load_test [--out FILE]`, 20 learners on pages while 4 trainings run.

A learner is a websocket that speaks to the server as a browser does, without painting. It opens a lesson that trains
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
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ButtonGroup_pb2 import ButtonGroup
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.lessons.lesson import lessons
from benchmarks.app_server import APP, served
from benchmarks.pages import show
from rtl_core.config import parse, preset
from rtl_core.errors import BadInput
from rtl_core.runs import queue, worker

LEARNERS = 20
TRAININGS = 4
RERUNS = 6  # of every learner
THINK = (0.5, 3.0)  # seconds before each
PATIENCE = 30.0  # seconds; a rerun that takes longer has failed
WARM_UP = 20.0  # seconds that the trainings are given to be under way


class Learner:
    """One browser tab on one page."""

    def __init__(self, number: int, page: str, query: str) -> None:
        self.page, self.query = page, query
        self.opened = float("nan")
        self.reruns: list[float] = []  # seconds; infinite for a failed one
        self._controls: dict[str, ButtonGroup] = {}
        self._chosen: dict[str, str] = {}
        self._lot = random.Random(number)

    async def learn(self, address: str) -> None:
        await asyncio.sleep(self._lot.uniform(0, THINK[1]))  # a class does not press all at once
        stream = f"ws://{address}/_stcore/stream"
        async with websockets.connect(stream, subprotocols=["streamlit"], max_size=None) as socket_:
            self.opened = await self._run(socket_)
            for _ in range(RERUNS):
                await asyncio.sleep(self._lot.uniform(*THINK))
                self._press()
                self.reruns.append(await self._run(socket_))

    def _press(self) -> None:
        if self._controls:
            control = self._lot.choice(list(self._controls.values()))
            others = [o.content for o in control.options if o.content != self._chosen.get(control.id)]
            self._chosen[control.id] = self._lot.choice(others)

    async def _run(self, socket_: websockets.ClientConnection) -> float:
        """Seconds until the server has run the page with what is chosen."""
        message = BackMsg()
        message.rerun_script.page_name, message.rerun_script.query_string = self.page, self.query
        for name, option in self._chosen.items():
            message.rerun_script.widget_states.widgets.add(id=name).string_array_value.data.append(option)
        began = time.perf_counter()
        await socket_.send(message.SerializeToString())
        try:
            async with asyncio.timeout(PATIENCE):
                fine = await self._finished(socket_)
        except (TimeoutError, websockets.ConnectionClosed):
            fine = False
        return time.perf_counter() - began if fine else float("inf")

    async def _finished(self, socket_: websockets.ClientConnection) -> bool:
        """Whether the script ran to its end without showing an exception; takes note of the page's controls."""
        fine, self._controls = True, {}
        while True:
            message = ForwardMsg.FromString(await socket_.recv())
            element = message.delta.new_element
            if element.HasField("exception"):
                fine = False
            if element.HasField("button_group") and len(element.button_group.options) > 1:
                self._controls[element.button_group.id] = element.button_group
            if (
                message.WhichOneof("type") == "script_finished"
                and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return fine and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


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
