"""Training inside a lesson: what stands before it, meanwhile and afterwards; toy processes in place of trainings."""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import colours, training_cost
from app.lessons import lesson_training
from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.runs import queue, worker
from rtl_core.runs.checkpoint import Outcome, save_checkpoint
from rtl_core.runs.record import TrainingCost
from rtl_core.runs.status import read_status
from rtl_core.runs.store import project_root
from tests.app.conftest import info_document

pytestmark = pytest.mark.long

CONFIG = parse({"data": {"spec": "bundled:digits"}, "threads": 1, "seed": 5})
TRAINING = """
import sys, time
from pathlib import Path
sys.path[0] = sys.argv[2]
from rtl_core.events import Event, Stopped
from rtl_core.runs.reporter import StatusReporter
from rtl_core.runs.store import stop_requested
folder = Path(sys.argv[1])
try:
    with StatusReporter(folder, 100) as report:
        report(Event("extract", "rtl", 40, 100, "sky", 1, {"loss": 0.5}))
        while not stop_requested(folder):
            time.sleep(0.02)
        raise Stopped("as asked")
except Stopped:
    pass
"""


def until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def folder(runs_folder, monkeypatch) -> Path:
    """Where the run of CONFIG belongs. Its training is a toy, and costs 100 steps and 10 seconds by estimate."""

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-c", TRAINING, str(folder), str(project_root())]

    monkeypatch.setattr(worker, "start", functools.partial(worker.start, command=command))
    monkeypatch.setattr(worker, "resume", functools.partial(worker.resume, command=command))
    monkeypatch.setattr(training_cost, "estimate", lambda config: TrainingCost(1, 1, 1, 100, 10.0, []))
    monkeypatch.setenv("RTL_SLOTS", "1")
    folder = lesson_training._folder(CONFIG)
    yield folder
    for run in [path.parent for path in runs_folder.glob("*/config.json")]:  # what a test has left
        if (status := read_status(run)) and status.active:
            worker.stop(run)
            worker.wait(run, 30)


def lesson(budget: float | None) -> None:
    import streamlit as st

    from app.lessons import lesson_training
    from rtl_core.config import parse

    config = parse({"data": {"spec": "bundled:digits"}, "threads": 1, "seed": st.session_state.get("seed", 5)})
    run = lesson_training.training("toy", config, "Train it", budget)
    if run is not None:
        st.success(f"went on with {run.folder.name}")


def opened(seed: int = 5, budget: float | None = None) -> AppTest:
    app = AppTest.from_function(lesson, default_timeout=30, args=(budget,))
    app.session_state["seed"] = seed
    app.run()
    assert not app.exception
    return app


def buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def finish(folder: Path, tickets) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(CONFIG.model_dump_json())
    save_checkpoint(folder, Outcome(tickets, info_document(CONFIG, tickets)))


def test_steps_and_seconds_stand_before_the_start(folder):
    app = opened()
    assert "100 training steps, about 10 s" in app.caption[0].value
    assert buttons(app) == ["Train it"] and not app.warning and not folder.exists()
    assert not opened(budget=10.0).warning
    assert "longer than the 9 s" in opened(budget=9.0).warning[0].value


def test_it_is_started_stopped_and_resumed(folder):
    app = opened()
    app.button(key="toy-start").click().run()
    until(lambda: read_status(folder).state == "running" and read_status(folder).done == 40)
    app.run()
    assert buttons(app) == ["Stop"] and "Finding each ticket's mask" in app.markdown[0].value
    assert len(app.get("plotly_chart")) == 1
    app.button(key="toy-stop").click().run()
    assert worker.wait(folder, 30).state == "stopped"
    app.run()
    assert buttons(app) == ["Go on", "Start over"]
    app.button(key="toy-resume").click().run()
    until(lambda: read_status(folder).state == "running")
    assert buttons(app) == ["Stop"]
    worker.stop(folder)
    worker.wait(folder, 30)
    made = folder.stat().st_ctime_ns
    app.run().button(key="toy-again").click().run()
    until(lambda: read_status(folder).state == "running")
    assert folder.stat().st_ctime_ns > made and buttons(app) == ["Stop"]


def test_who_waits_sees_the_place(folder):
    opened().button(key="toy-start").click().run()
    until(lambda: read_status(folder).state == "running")
    second, third = opened(6), opened(7)
    for app in (second, third):
        app.button(key="toy-start").click().run()
    names = queue.waiting(folder.parent)
    assert len(names) == 2
    until(lambda: all(read_status(folder.parent / name).phase == queue.QUEUED for name in names))
    assert "after 2 that wait already" in opened(8).caption[0].value
    assert "its turn is next" in second.run().markdown[0].value
    assert "place 2 in the queue" in third.run().markdown[0].value and buttons(third) == ["Stop"]


def test_a_finished_run_is_used_at_once_in_any_browser(folder, known_tickets):
    finish(folder, known_tickets)
    for app in (opened(), opened()):
        assert app.success[0].value == f"went on with {folder.name}" and not app.button


def test_a_finished_run_that_cannot_be_read_is_said_and_trained_again(folder, known_tickets):
    finish(folder, known_tickets)
    (folder / "run.json").write_text("{")
    app = opened()
    assert "cannot be read" in app.error[0].value and buttons(app) == ["Start over"]
    app.button(key="toy-again").click().run()
    until(lambda: read_status(folder).state == "running")
    assert not (folder / "run.json").exists() and not app.run().error


def test_what_cannot_be_trained_says_why(folder, monkeypatch):
    def refuse(config: str):
        raise BadInput("subset 'sea' has no rows")

    monkeypatch.setattr(training_cost, "estimate", refuse)
    app = opened()
    assert app.error[0].value == "This cannot be trained: subset 'sea' has no rows" and not app.button


def test_what_could_not_start_is_said_once(folder, monkeypatch):
    app = opened()
    monkeypatch.setenv("RTL_SLOTS", "none")
    app.button(key="toy-start").click().run()
    assert "RTL_SLOTS is 'none'" in app.error[0].value and buttons(app) == ["Go on", "Start over"]
    assert not app.run().error


def record(phase: str, method: str, step: int, loss: float, ticket: str | None = None, round_: int | None = None):
    return {
        "phase": phase, "method": method, "ticket": ticket, "round": round_, "step": step, "steps": 10, "loss": loss,
    }  # fmt: skip


def test_curves_are_tickets_in_their_colours_while_masks_are_found():
    metrics = [
        record("extract", "rtl", 1, 3.0, "sea", 1),
        record("extract", "rtl", 10, 2.0, "sea", 1),
        record("extract", "rtl", 4, 1.0, "sea", 2),
        {"phase": "extract", "method": "rtl", "ticket": "sea", "round": 2, "step": 10, "steps": 10, "accuracy": 0.5},
    ]
    figure = lesson_training.curves(metrics, ("sky", "sea"))
    (line,) = figure.data
    assert list(line.x) == [1, 10, 14] and list(line.y) == [3.0, 2.0, 1.0], "rounds one after another"
    assert line.line.color == colours.TICKETS[1]
    assert [(note.text, note.x, note.y) for note in figure.layout.annotations] == [("sea", 14, 1.0)]
    assert figure.layout.xaxis.title.text == "step"
    assert figure.layout.yaxis.title.text == "loss: how wrong the answers are"


def test_curves_are_methods_afterwards_and_their_names_do_not_touch():
    metrics = [
        record("extract", "rtl", 10, 9.0, "sea", 1),
        record("joint", "random", 2, 2.0),
        record("joint", "rtl", 5, 2.01),
        record("joint", "dense", 5, 1.0),
    ]
    figure = lesson_training.curves(metrics, ("sky", "sea"))
    assert [line.name for line in figure.data] == ["Random masks", "RTL tickets", "Dense network, no mask"]
    assert figure.data[1].line.color == colours.TICKETS[0]
    heights = sorted(note.y for note in figure.layout.annotations)
    assert heights[0] == 1.0 and heights[1] == 2.0 and heights[2] > 2.1


def test_separate_networks_are_one_line_of_means():
    metrics = [record("joint", "imp_multi", 3, loss, ticket) for ticket, loss in (("sky", 1.0), ("sea", 2.0))]
    (line,) = lesson_training.curves(metrics, ("sky", "sea")).data
    assert (list(line.x), list(line.y), line.name) == ([3], [1.5], "Separate networks")


def test_no_losses_no_lines():
    assert not lesson_training.curves([], ("sky",)).data
