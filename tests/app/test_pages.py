"""Every page over a finished run, no run, a broken run and an address that names none."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import nav
from rtl_core.runs import store
from rtl_core.runs.checkpoint import Outcome, save_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(Path(page).stem for page in nav.PAGES)
CHOICES = ("view", "detail", "heat", "order", "map", "rows", "colour", "inputs-map", "input", "source", "by", "library")


def open_page(page: str, **query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app if page == "overview" else app.switch_page(f"pages/{page}.py").run()


def texts(app: AppTest) -> str:
    return "\n".join(
        str(element.value)
        for kind in ("title", "subheader", "markdown", "caption", "error", "warning", "info")
        for element in app.get(kind)
    )


@pytest.mark.parametrize("page", PAGES)
def test_page_over_a_finished_run(known_run, known_cost, page):
    """The same where the address leaves its choices empty: they are then their defaults."""
    app = open_page(page, run="known-run")
    assert not app.exception
    assert [box.label for box in app.sidebar.selectbox] == ["Run"]
    empty = open_page(page, run="known-run", **dict.fromkeys(CHOICES, ""))
    assert not empty.exception
    for kind in ("subheader", "error"):
        assert [element.value for element in empty.get(kind)] == [element.value for element in app.get(kind)]


@pytest.mark.parametrize("page", PAGES)
def test_page_without_any_run_leads_somewhere(runs_folder, known_cost, monkeypatch, page):
    monkeypatch.setattr(store, "samples", lambda: {})
    app = open_page(page)
    assert not app.exception
    without = ("Train one ticket for every part of your data", "Bring masks in, take tickets out, compare two")
    if page == "learn":
        assert app.title[0].value.endswith("questions about sparse networks, each a few minutes")
    else:
        assert app.title[0].value in ("No run to look at yet", *without)


@pytest.mark.parametrize("page", ["overview", "masks"])
def test_broken_run_is_one_sentence(known_run, page):
    tickets = known_run / "tickets.safetensors"
    tickets.write_bytes(tickets.read_bytes()[:-10])
    app = open_page(page, run="known-run")
    assert not app.exception
    assert len(app.error) == 1
    assert "known-run" in app.error[0].value and "Choose another run" in app.error[0].value


@pytest.mark.parametrize("page", ["overview", "masks"])
def test_unfinished_run_points_to_its_progress(known_run, page):
    (known_run / "run.json").unlink()
    app = open_page(page, run="known-run")
    assert not app.exception
    assert app.title[0].value == "known-run has no result yet"


def test_unknown_run_in_the_address_is_said(known_run):
    app = open_page("overview", run="gone")
    assert "“gone”" in app.warning[0].value


def test_a_ticket_whose_name_is_escaped_is_chosen_by_its_name_in_the_address(runs_folder, known_tickets):
    tickets = replace(known_tickets, names=("a", "b", "*c*", "d", "e"))
    (runs_folder / "masks-run").mkdir()
    info = {"kind": "masks", "sources": [], "left_out": [], "warnings": []}
    save_checkpoint(runs_folder / "masks-run", Outcome(tickets, info))
    app = open_page("masks", run="masks-run", ticket="*c*")
    assert not app.exception
    assert app.session_state["ticket"] == "*c*"
    assert app.get("pills")[0].options[2] == r"\*c\*"


def test_overview_says_what_holds_and_what_does_not(known_run):
    app = open_page("overview", run="known-run")
    assert (
        app.title[0].value == "5 tickets at 25 % density reach 78.0 % accuracy: above 4 and level with 1 of 5 controls"
    )
    message = texts(app)
    assert "RTL against random masks: +6.0 points at equal joint steps, +0.3 points at equal total steps" in message
    assert "Level with “Random masks, RTL's total steps” (77.7 %, RTL +0.3 points)" in message
    assert "**Separate networks**: switched off in the settings" in message


@pytest.mark.long
def test_train_says_what_the_settings_cost(runs_folder):
    app = open_page("train")
    assert not app.exception and not app.error
    (cost,) = [element.proto.body for element in app.get("html") if "estimated time" in element.proto.body]
    steps = int(re.search(r'class="value">([\d,]+)</div><div class="small">training steps', cost)[1].replace(",", ""))
    assert steps > 0 and steps % (5 * 20) == 0  # of five tickets, some tens each


def test_train_shows_the_cost_that_was_estimated(runs_folder, known_cost):
    app = open_page("train")
    (cost,) = [element.proto.body for element in app.get("html") if "estimated time" in element.proto.body]
    assert "1,234" in cost and "5,678" in cost and ">100<" in cost and "10 s" in cost


def test_train_lists_runs_and_renames_them(known_run):
    app = open_page("train", run="known-run", view="All runs")
    assert not app.exception
    app.text_input(key="title-known-run").set_value("My <b>first</b> run")
    next(button for button in app.button if button.label == "Save").click().run()
    assert store.summary(known_run).title == "My <b>first</b> run"


@pytest.mark.long
def test_looking_at_a_run_loads_no_torch(known_run):
    """Torch costs a second and 180 MB: Overview and Masks must do without."""
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('streamlit_app.py', default_timeout=60)\n"
        "app.query_params['run'] = 'known-run'\n"
        "app.run(); assert not app.exception\n"
        "app.switch_page('pages/masks.py').run(); assert not app.exception\n"
        "heavy = [m for m in ('torch', 'umap', 'captum', 'fairlearn', 'sklearn') if m in sys.modules]\n"
        "print(heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr[-2000:]
