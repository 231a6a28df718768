"""The public mode: samples only, nothing taken in, trained or kept, and every page says so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import demonstration, nav
from app.lessons.lesson import lessons
from rtl_core.runs import store
from tests.app.conftest import write_run
from tests.app.test_pages import PAGES, open_page, texts

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "app").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py")), ROOT / "streamlit_app.py"]


@pytest.fixture(autouse=True)
def users_run(tmp_path, monkeypatch) -> Path:
    """A run of the user's, in a runs folder that a public server must not look into."""
    root = tmp_path / "runs"
    folder = write_run(root)
    monkeypatch.setenv("RTL_RUNS", str(root))
    monkeypatch.setenv("RTL_PUBLIC", "1")
    return folder


def labels(app: AppTest) -> dict[str, bool]:
    """Every button's label, and whether it is disabled."""
    return {button.label: button.disabled for button in app.button}


def takes_files(path: Path) -> list[str]:
    """The names of Streamlit's widgets that take files, one for each place where the code has them."""
    widgets = {"file_uploader", "camera_input", "audio_input", "chat_input"}
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return [name for node in nodes if (name := getattr(node, "attr", getattr(node, "id", ""))) in widgets]


def test_files_come_in_through_one_function():
    uses = {path.relative_to(ROOT).as_posix(): names for path in SOURCES if (names := takes_files(path))}
    assert uses == {"app/demonstration.py": ["file_uploader"]}


@pytest.mark.parametrize("page", [page for page in PAGES if page in ("overview", "masks", "library", "learn", "train")])
def test_a_run_of_the_users_is_neither_listed_nor_opened(page):
    app = open_page(page, run="known-run")
    assert not app.exception
    (picker,) = app.sidebar.selectbox
    assert picker.options == ["domains", *sorted({*store.samples()} - {"domains"})]
    assert app.session_state["run"] == "domains"
    assert "known-run" not in texts(app).replace("There is no run “known-run” on this machine", "")


def test_the_train_page_says_why_there_is_none_and_leads_back():
    app = open_page("train", view="All runs")
    assert not app.exception
    assert [title.value for title in app.title] == ["Nothing is trained in this demonstration"]
    assert not app.button and not app.text_input and len(app.sidebar.selectbox) == 1
    (back,) = app.get("page_link")
    assert back.proto.page == "overview" or "overview" in back.proto.label


def test_the_overview_does_not_lead_to_training():
    links = [link.proto.label for link in open_page("overview").get("page_link")]
    assert links and not [label for label in links if "Train" in label]


@pytest.mark.parametrize("view", ["Bring in masks", "Load a ticket"])
def test_the_library_takes_no_files_and_says_so(view):
    app = open_page("library", library=view)
    assert not app.exception and not app.file_uploader and not app.button
    assert demonstration.NO_FILES in [info.value for info in app.info]


@pytest.mark.long
def test_fairness_of_own_predictions_takes_no_table():
    app = open_page("fairness", source="Your own predictions")
    assert not app.exception and not app.file_uploader
    assert demonstration.NO_FILES in [info.value for info in app.info]


@pytest.mark.long
def test_measuring_again_is_offered_but_disabled():
    app = open_page("diagnosis", run="domains")
    assert not app.exception
    (retrain,) = [off for label, off in labels(app).items() if label.startswith("Retrain every level")]
    assert retrain
    assert demonstration.TOO_LONG in [caption.value for caption in app.caption]


@pytest.mark.parametrize(("lesson", "guess"), [("winning", "winning-guess"), ("luck", "luck-guess")])
def test_a_lesson_that_trains_says_so_and_shows_what_was_measured(lesson, guess):
    from app.lessons import lesson_lottery, lesson_seeds

    guesses = {"winning": lesson_lottery.GUESSES, "luck": lesson_seeds.GUESSES}[lesson]
    app = open_page("learn", lesson=lesson, **{guess: next(iter(guesses))})
    assert not app.exception
    assert demonstration.NOT_TRAINED in [info.value for info in app.info]
    assert "Train" not in labels(app) and "Prune and train" not in labels(app)
    assert "docs/results/domains.md" in "".join(block.proto.body for block in app.get("html"))


def test_the_list_of_lessons_says_which_ones_train():
    app = open_page("learn")
    cards = "".join(block.proto.body for block in app.get("html"))
    assert cards.count("trains live, not in this demonstration") == sum(lesson.trains for lesson in lessons())


def test_without_the_variable_nothing_changes(monkeypatch, users_run):
    monkeypatch.delenv("RTL_PUBLIC")
    app = open_page("library", run="known-run")
    assert "known-run" in app.sidebar.selectbox[0].options
    assert len(app.file_uploader) == 1 and not app.info
    assert nav._visibility(nav.TRAIN) == "visible"


@pytest.mark.long
def test_a_forged_press_of_a_disabled_button_starts_nothing():
    app = open_page("diagnosis", run="domains")
    app.button(key="probe").proto.disabled = False  # what a browser cannot do, and a program can
    app.button(key="probe").click().run()
    assert not app.exception
    assert app.button(key="probe").disabled and "probe_requested" not in app.session_state
