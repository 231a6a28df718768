"""The frame of the lessons: explained words, what stays in the address, and pictures of one's own."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.lessons import canvas, frame, pictures
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.runs.store import project_root
from tests.app.lesson_page import open_lesson, shown_text


def draw_lessons():
    import streamlit as st

    from app.lessons import frame
    from app.lessons.lesson import Lesson

    def play() -> bool:
        frame.prose("A [[mask]].")
        frame.side_note("A detail.")
        with frame.settings():
            st.slider("Density", 0, 100, 25, key="first-density", bind="query-params")
        if not frame.guess("first-guess", "How much?", ("Little", "Much")):
            return False
        if not frame.reveal("first-seen", "Show it"):
            return False
        frame.surprise("It is **33 %**.")
        return True

    first = Lesson("first", "How much is shared?", "You will guess.", 5, True, False, "Chance shares too.", play)
    second = Lesson("second", "Why?", "You will look.", 6, False, True, "Because.", lambda: False)
    frame.draw((first, second))


def opened(**query: str) -> AppTest:
    return open_lesson(draw_lessons, {name.replace("_", "-"): value for name, value in query.items()})


def picture_data(ground: int = 0, side: int = 8, channels: int = 1) -> Dataset:
    """Two test pictures of each of two classes; row 1 is class b."""
    x = np.full((4, channels, side, side), ground, np.uint8)
    x[:, :, 2:6, 3:5] = 255 - ground
    y = np.array([0, 1, 0, 1])
    return Dataset(
        "toy", "image", x, y, ("a", "b"), pd.DataFrame(index=range(4)), np.array(["test"] * 4), np.arange(4), "toy",
        mean=(0.5,) * channels, std=(0.25,) * channels,
    )  # fmt: skip


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_word_carries_its_entry_and_the_rest_is_escaped():
    page = frame.explained("Two [[Tickets|ticket]] & <b>**one** [[mask]]")
    assert "&amp; &lt;b&gt;<strong>one</strong>" in page
    assert ">Tickets</button>" in page and frame.terms.GLOSSARY["ticket"] in page
    ids = [piece.split('"')[0] for piece in page.split('aria-describedby="')[1:]]
    assert len(set(ids)) == 2 and all(f'id="{name}"' in page for name in ids)


def test_every_entry_of_the_glossary_explains_a_word_somewhere():
    source = "".join(path.read_text("utf-8") for path in (project_root() / "app").rglob("*.py"))
    in_prose = {(word or shown).lower() for shown, word in re.findall(r"\[\[([^]|]+)\|?([^]]*)\]\]", source)}
    in_calls = set(re.findall(r'(?:term\(|GLOSSARY\[)"([^"]+)"', source))
    assert set(frame.terms.GLOSSARY) - in_prose - in_calls == set()


def test_a_word_without_entry_is_an_error():
    with pytest.raises(KeyError):
        frame.explained("[[flux]]")


def test_the_list_opens_a_lesson_and_a_lesson_the_next():
    app = opened()
    app.button(key="open-first").click().run()
    assert app.query_params["lesson"] == "first" and app.title[0].value == "How much is shared?"
    app = opened(lesson="first", first_guess="Much", first_seen="1")
    app.button(key="open-second").click().run()
    assert app.title[0].value == "Why?"
    assert app.query_params["lesson"] == "second" and "first-seen" not in app.query_params


def test_an_unknown_lesson_is_said():
    assert "“gone”" in opened(lesson="gone").warning[0].value


def test_the_surprise_comes_after_guess_and_press_and_then_the_sentence():
    app = opened(lesson="first")
    assert [button.key for button in app.button] == ["open-all"]
    app = opened(lesson="first", first_guess="Much")
    assert "33 %" not in shown_text(app)
    app.button(key="press-first-seen").click().run()
    assert app.query_params["first-seen"] == "1"
    assert "<strong>33 %</strong>" in shown_text(app) and "Chance shares too." in shown_text(app)


def test_a_link_restores_the_end_state():
    app = opened(lesson="first", first_guess="Much", first_seen="1")
    assert "33 %" in shown_text(app)
    for piece in ("lesson=first", "first-seen=1", "first-guess=Much"):
        assert piece in app.code[0].value


def test_presenting_hides_side_notes_and_is_in_the_address():
    app = opened(lesson="first")
    assert "A detail." in shown_text(app)
    app.toggle(key="presenting").set_value(True).run()
    assert app.query_params["present"] == "1" and "A detail." not in shown_text(app)
    assert "A detail." not in shown_text(opened(lesson="first", present="1"))


def read_state():
    import streamlit as st

    from app.lessons.frame import state

    st.session_state["read"] = (state("n", 3), state("share", 0.5), state("on", False), state("none", "x"))


@pytest.mark.parametrize(("n", "read"), [("7", 7), ("many", 3)])
def test_state_reads_the_address_as_the_default_is(n, read):
    app = AppTest.from_function(read_state)
    app.query_params["n"], app.query_params["on"] = n, "1"
    assert app.run().session_state["read"] == (read, 0.5, True, "x")


def test_strokes_are_drawn_where_they_say():
    dot, line = canvas.picture("gg"), canvas.picture("Kg0g")
    assert dot[32, 32] == 255 and dot[32, 40] == 0 and dot.shape == (64, 64)
    assert (line[32, 10:53] == 255).all() and line[20].max() == 0


@pytest.mark.parametrize(("text", "good"), [("", True), ("AA", True), ("AABB.__", True), ("A", False), ("AA..", False)])
def test_damaged_strokes_are_known(text, good):
    assert canvas.is_drawing(text) is good


def test_ink_is_centred_and_fills_the_frame():
    ink = np.zeros((64, 64))
    ink[4:20, 40:44] = 1  # a bar, four times as high as it is wide, in a corner
    small = pictures._as_trained_on(ink, (1, 8, 8))[0]
    assert (small[:, 3:5] == 255).all() and small[:, [0, 1, 2, 5, 6, 7]].max() == 0


def test_a_pen_on_paper_becomes_light_on_dark():
    paper = np.full((90, 120), 230, np.uint8)
    paper[10:70, 50:65] = 20
    x = pictures.from_upload(png(paper), picture_data())
    assert x.shape == (1, 8, 8) and x[0, :, 3:5].min() > 220 and x[0, :, :2].max() == 0


def test_an_upload_stays_as_it_is_where_the_data_are_not_light_on_dark():
    x = pictures.from_upload(png(np.full((20, 20), 230, np.uint8)), picture_data(ground=255))
    assert (x == 230).all()
    assert pictures.from_upload(png(np.zeros((9, 9), np.uint8)), picture_data(channels=3)).shape == (3, 8, 8)


def test_an_upload_that_is_no_picture_is_refused():
    with pytest.raises(BadInput, match="cannot be read as a JPEG"):
        pictures.from_upload(b"no picture", picture_data())


def test_inputs_are_normalised_as_the_data_are():
    given = pictures.inputs(picture_data(), np.ones((1, 8, 8), np.float32))
    assert given.shape == (1, 1, 8, 8) and np.allclose(given.numpy(), (1 - 0.5) / 0.25)


def take_picture():
    import streamlit as st

    from app.lessons import pictures

    data = st.session_state["data"]
    st.session_state["taken"] = pictures.own_picture("own", data), pictures.chosen_row("own", data)


def taken(**query: str):
    app = AppTest.from_function(take_picture)
    app.session_state["data"] = picture_data()
    for name, value in query.items():
        app.query_params[name.replace("_", "-")] = value
    app.run()
    assert not app.exception
    return app, *app.session_state["taken"]


def test_a_chosen_picture_is_in_the_address():
    _, x, row = taken(own="b 1")
    assert row == 1 and x.dtype == np.float32 and np.array_equal(x, picture_data().x[1] / np.float32(255))


def test_a_drawing_is_in_the_address():
    _, x, row = taken(own_from="Draw", own_drawn="gKg0")
    assert row is None and (x[0, :, 3:5] > 0.4).all() and x[0, :, :2].max() == 0


def test_a_damaged_drawing_is_said_and_no_picture_is_none():
    app, x, _ = taken(own_from="Draw", own_drawn="gKg")
    assert x is None and "damaged" in app.warning[0].value
    assert taken(own_from="Upload")[1] is None
