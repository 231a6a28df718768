"""The Learn page against addresses, pictures and runs that are wrong: one sentence or the start, never a traceback."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from streamlit.testing.v1 import AppTest

from app import training_cost
from app.lessons import lesson_lottery, lesson_training
from rtl_core.config import parse
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.record import TrainingCost
from rtl_core.runs.training import train_new
from tests.app.conftest import info_document

pytestmark = pytest.mark.long

CONFIG = parse({"data": {"spec": "bundled:digits"}, "threads": 1, "seed": 5})
DELIVERED = {"post-to": "0123401234", "post-lighter": "1"}
NOISE = {"noise-guess": "Half", "noise-presses": "7"}
QUESTION = {"many-five": "1", "many-for": "original"}
DRAWN = {"chance-guess": "25 %", "chance-drawn": "1"}


def page() -> None:
    from app.lessons import frame
    from app.lessons.lesson import lessons

    frame.draw(lessons())


def opened(lesson: str, **query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=120)
    for name, value in {"lesson": lesson, **query}.items():
        app.query_params[name] = value
    return app.run()


@pytest.mark.parametrize(
    ("lesson", "query"),
    [
        ("post", {**DELIVERED, "post-budget": ""}),
        ("post", {**DELIVERED, "post-own-from": ""}),
        ("post", {**DELIVERED, "post-own": "", "post-eleventh": "original"}),
        ("many", {**QUESTION, "many-own": ""}),
        ("winning", {"winning-guess": "The ticket", "winning-density": ""}),
    ],
)
def test_a_choice_that_the_address_leaves_empty_is_the_first_one(lesson, query, runs_folder, monkeypatch):
    monkeypatch.setattr(training_cost, "estimate", lambda config: TrainingCost(1, 1, 1, 100, 10.0, []))
    empty = opened(lesson, **query)
    assert not empty.exception and not empty.error
    plain = opened(lesson, **{name: value for name, value in query.items() if value})
    assert [element.proto.body for element in empty.get("html")] == [
        element.proto.body for element in plain.get("html")
    ]


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "-inf", "nan", "", "x"])
@pytest.mark.parametrize(
    ("lesson", "query", "key", "default"), [("noise", NOISE, "noise-seed", 0), ("post", {}, "post-seed", 0)]
)
def test_a_seed_that_is_no_number_is_the_default(lesson, query, key, default, number):
    app = opened(lesson, **query, **{key: number})
    assert not app.exception
    assert [box.value for box in app.number_input] == [default]


def test_another_pair_can_be_drawn_after_any_number(runs_folder):
    app = opened("chance", **DRAWN, **{"chance-number": "9" * 4300})
    next(button for button in app.button if button.label == "Draw again").click().run()
    assert not app.exception


def test_a_picture_of_a_billion_pixels_is_refused_in_one_sentence():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    app = AppTest.from_function(uploading, default_timeout=60, args=(b"\x89PNG\r\n\x1a\n" + body,)).run()
    assert not app.exception
    assert [error.value for error in app.error] == ["The picture has more than 64,000,000 pixels; make it smaller."]


def uploading(content: bytes) -> None:
    import io
    from unittest.mock import patch

    import streamlit as st

    from app.lessons import pictures
    from rtl_core.config import DataSettings
    from rtl_core.data.sources import load

    with patch.object(st, "file_uploader", lambda *_, **__: io.BytesIO(content)):
        assert pictures._uploaded("own", load(DataSettings(spec="bundled:digits"), 0)) is None


def training() -> None:
    import streamlit as st

    from app.lessons import lesson_training
    from rtl_core.config import parse

    config = parse({"data": {"spec": "bundled:digits"}, "threads": 1, "seed": 5})
    run = lesson_training.training("toy", config)
    if run is not None:
        st.success(run.folder.name)


def damaged(folder, how: str) -> None:
    config = folder / "config.json"
    if how == "no settings":
        config.unlink()
    elif how == "settings cut":
        config.write_text(config.read_text()[:40])
    elif how == "other settings":
        config.write_text(json.dumps({**json.loads(config.read_text()), "seed": 6}))
    elif how == "result cut":
        whole = (folder / "run.json").read_text()
        (folder / "run.json").write_text(whole[: len(whole) // 2])
    else:
        (folder / "tickets.safetensors").unlink()


@pytest.mark.parametrize("how", ["no settings", "settings cut", "other settings", "result cut", "no tickets"])
def test_a_damaged_run_says_so_and_can_be_started_over(how, runs_folder, known_tickets, monkeypatch):
    monkeypatch.setattr(training_cost, "estimate", lambda config: TrainingCost(1, 1, 1, 100, 10.0, []))
    folder = lesson_training._folder(CONFIG)
    folder.mkdir()
    (folder / "config.json").write_text(CONFIG.model_dump_json())
    save_checkpoint(folder, Outcome(known_tickets, info_document(CONFIG, known_tickets)))
    damaged(folder, how)
    app = AppTest.from_function(training, default_timeout=60).run()
    assert not app.exception and not app.success
    assert len(app.error) == 1 and app.error[0].value.startswith("The run cannot be read: ")
    assert [button.label for button in app.button] == ["Start over"]


def test_a_queue_that_is_no_folder_is_said_and_nothing_starts(runs_folder, monkeypatch):
    monkeypatch.setattr(training_cost, "estimate", lambda config: TrainingCost(1, 1, 1, 100, 10.0, []))
    (runs_folder / ".queue").write_text("")
    app = AppTest.from_function(training, default_timeout=60).run()
    app.button(key="toy-start").click().run()
    assert not app.exception
    assert "the queue of trainings cannot be used" in app.error[0].value
    assert [path.name for path in runs_folder.iterdir()] == [".queue"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("too_fat", "too_fat"),
        ("![x](http://x)", "!\\[x\\](http\u2060://x)"),
        ("9" * 4300, "9" * 40),
    ],
)
def test_a_lesson_that_is_not_there_is_named_as_it_was_written(name, shown):
    assert [warning.value for warning in opened(name).warning] == [
        f"There is no lesson “{shown}”; these are the lessons."
    ]


def test_a_finished_run_whose_networks_were_changed_says_so(runs_folder, monkeypatch):
    settings = lesson_lottery.config(0.5, 3).model_dump()
    settings["extract"]["steps"] = settings["joint"]["steps"] = 1
    folder = runs_folder / train_new(parse(settings), runs_folder)["run"]
    methods = folder / "methods.safetensors"
    content = bytearray(methods.read_bytes())
    content[-1] ^= 1
    methods.write_bytes(content)
    monkeypatch.setattr(lesson_lottery.lesson_training, "training", lambda *_: load_run(folder))
    app = opened("winning", **{"winning-guess": "The ticket", "winning-density": "50 %"})
    assert not app.exception
    assert "methods.safetensors was changed after it was written" in app.error[0].value
    assert app.button(key="winning-again").label == "Start over"
