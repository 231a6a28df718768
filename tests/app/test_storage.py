"""What storage buys, on Overview: what a run's methods store, and a study's points that can be trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import storage
from app.colours import LIGHT
from rtl_core.documents import plain
from rtl_core.studies.frontier import Frontier, Point

ROOT = Path(__file__).resolve().parents[2]


def point(method: str, density: float, values: tuple[float, ...], kilobytes: float, recipe: str = "", *settings: str):
    return Point(
        method, recipe, density, (*settings, f"density={density:g}"), values, 250 * kilobytes, kilobytes, 90, 440
    )


STUDY = Frontier(
    "five domains",
    "storage_domains",
    "bundled:domains",
    "accuracy",
    (1, 2, 3),
    (0.1,),
    (
        point("rtl", 0.1, (0.80, 0.80, 0.83), 50.0),
        point("rtl", 0.1, (0.80, 0.79, 0.82), 30.0, "sharing 0.5", "extract.sharing=0.5"),
        point("random_same_storage", 0.1, (0.75, 0.76, 0.77), 50.0),
        point("dense_same_total", 0.1, (0.80, 0.81, 0.82), 150.0),
    ),
)


@pytest.fixture
def study(tmp_path, monkeypatch):
    file = tmp_path / "frontier.json"
    file.write_text(json.dumps({"frontiers": plain([STUDY])}))
    monkeypatch.setattr(storage, "RESULTS", file)
    return file


def overview(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for kind in ("subheader", "markdown", "caption", "warning") for e in app.get(kind))


def test_the_sample_says_what_its_methods_store(study):
    app = overview(run="domains")
    assert not app.exception
    titles = [each.value for each in app.subheader]
    assert any("of tickets reach" in title and "of a dense network" in title for title in titles)
    assert any("store 5.0 times fewer weights, 5.0 times fewer kilobytes" in title for title in titles)


def test_a_point_shows_its_settings_and_fills_the_train_form(study):
    app = overview(run="domains")
    labels = app.selectbox(key="storage-point").options
    shared = next(i for i, label in enumerate(labels) if "sharing 0.5" in label)
    app.selectbox(key="storage-point").set_value(shared).run()
    assert "7,500 stored weights" in texts(app) and "over 3 seeds" in texts(app)
    assert app.code[0].value == (
        "python -m rtl_core benchmark storage_domains --densities 0.1 --set extract.sharing=0.5"
    )
    app.button(key="train-point").click().run()
    draft = app.session_state["draft"]
    assert (draft["extract"]["sharing"], draft["density"], draft["joint"]["start"]) == (0.5, 0.1, "merged")
    assert list(draft["controls"]) == []


def test_a_control_is_trained_beside_the_tickets(study):
    app = overview(run="domains")
    labels = app.selectbox(key="storage-point").options
    random = next(i for i, label in enumerate(labels) if label.startswith("Random masks, same stored"))
    app.selectbox(key="storage-point").set_value(random).run()
    app.button(key="train-point").click().run()
    assert list(app.session_state["draft"]["controls"]) == ["random_same_storage"]


def test_data_without_a_study_have_no_second_chart(study):
    app = overview(run="fashion10")
    assert not app.exception and not [box for box in app.selectbox if box.key == "storage-point"]


def test_a_damaged_study_is_said_and_the_page_stands(study):
    study.write_text("{}")
    app = overview(run="domains")
    assert not app.exception
    assert any(
        "run `python -m benchmarks.frontier` again" in warning.value.replace("\\", "") for warning in app.warning
    )


def test_differences_are_signed_points_to_both_ends():
    assert storage.sentence(STUDY, STUDY.points[1]).endswith("−0.7 points (−3.5 points to +2.2 points)")


def test_the_tickets_are_one_line_of_their_own_colour_and_controls_have_marks_of_their_own():
    figure = storage.study_figure(STUDY, [*STUDY.tickets, *storage.shown_controls(STUDY)], LIGHT)
    assert [len(trace.x) for trace in figure.data] == [2, 1, 1]
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert figure.layout.xaxis.type == "log"


@pytest.mark.parametrize(
    ("chosen", "command"),
    [
        (STUDY.points[0], "benchmark storage_domains --densities 0.1"),
        (STUDY.points[1], "benchmark storage_domains --densities 0.1 --set extract.sharing=0.5"),
        (
            point("rtl", 0.05, (0.1, 0.2), 1.0, "r", "extract.warm_steps=600", "joint.steps=160"),
            "benchmark storage_domains --densities 0.05 --set extract.warm_steps=600 --set joint.steps=160",
        ),
    ],
)
def test_the_command_that_measures_a_point_again(chosen, command):
    assert storage.command(STUDY, chosen) == command
