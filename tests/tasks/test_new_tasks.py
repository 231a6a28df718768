"""A task that nobody thought of goes through training, evaluation, routing, diagnosis and pages without an edit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app import tasks
from app.attribution import heatmaps
from rtl_core import cli
from rtl_core.data.sources import NAME_SOURCES
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import as_module
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.open_run import open_run
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import figure_value
from tests.tasks.toys import DOMAINS, RECONSTRUCTION, STRIPE_LABELS, stripes
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = toy(
    partition={"by": "attribute"},
    model={"name": "mlp"},
    density=0.3,
    extract={"steps": 30, "warm_steps": 60},
    joint={"steps": 30},
    lighter=[0.2, 0.1],
    controls=["random", "dense"],
    workers=1,
)


@pytest.fixture(scope="module", params=[STRIPE_LABELS, RECONSTRUCTION], ids=lambda task: task.name)
def trained(request, tmp_path_factory):
    """(task, folder of runs, name of the run), trained by the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, request.param.name, request.param)
        patch.setitem(NAME_SOURCES, "toy", stripes)
        root = tmp_path_factory.mktemp("runs")
        settings = set_options({**SETTINGS, "task": request.param.name})
        run = answer(root, "train", "--data", "toy:stripes", *settings)["run"]
        yield request.param, root, run


def answer(root: Path, verb: str, *arguments: str) -> dict[str, Any]:
    """The JSON document of one call of the command line."""
    result = CliRunner().invoke(cli.app, [verb, *arguments, "--runs", str(root), "--json"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout)


def test_it_is_evaluated_with_intervals(trained):
    task, root, run = trained
    document, headline = answer(root, "evaluate", run), task.headline.name
    for row in (*document["tickets"], *document["methods"]):
        low, high = row["ci"][headline]
        assert row["accuracy"] is None and low < figure_value(row, headline) < high
    assert [row["name"] for row in document["tickets"]] == sorted(DOMAINS)
    assert [row["method"] for row in document["methods"]] == ["rtl", "random", "dense"]


def test_evaluating_again_gives_the_same(trained):
    task, root, run = trained
    kept, again = answer(root, "evaluate", run), answer(root, "evaluate", run, "--data", "toy:stripes")
    name = task.headline.name
    for key in ("tickets", "methods", "routers"):
        for one, other in zip(kept[key], again[key], strict=True):
            assert figure_value(one, name) == pytest.approx(figure_value(other, name), rel=1e-5)


def test_it_is_routed(trained):
    task, root, run = trained
    gate = answer(root, "route", run, "--router", "gate", "--budget", "0.95")
    assert gate["agreement_with_oracle"] > 0.8 and gate["figures"][task.headline.name] is not None
    assert gate["counts"] == [] and np.sum(gate["confusion"]) == 120
    assert gate["budget"]["accuracy"] is not None and gate["budget"]["cost"] <= 0.95 * gate["full_cost"]
    others = set(gate["routers"])
    assert ("min_entropy" in others) == (task.doubt is not None)
    for router in others:
        assert answer(root, "route", run, "--router", router)["n"] == 120


def test_it_is_diagnosed(trained):
    task, root, run = trained
    document = answer(root, "diagnose", run)
    assert document["metric"] == task.headline.name
    assert all(row[document["metric"]] is not None for row in document["rounds"])


@pytest.fixture(scope="module")
def retrained(trained, tmp_path_factory):
    """(task, folder of runs, name of the run, what `diagnose --probe` and then `--relax` said)."""
    task, root, run = trained
    copy = tmp_path_factory.mktemp("retrained") / "runs"
    shutil.copytree(root, copy)
    probed = answer(copy, "diagnose", run, "--probe")
    return task, copy, run, probed, answer(copy, "diagnose", run, "--relax", "--density", "1")


def test_its_levels_are_trained_again_and_kept(retrained):
    task, root, run, probed, _ = retrained
    figure = task.headline.name
    assert [row["measure"] for row in probed["rounds"]] == ["retrained"] * len(probed["rounds"])
    for row in probed["rounds"]:
        low, high = row["ci"][figure]
        assert row["accuracy"] is None and low < row[figure] < high
        assert (row["confidence"] is None) == (row["drop"] is None) == (task.doubt is None)
    assert probed["watched"] == (task.doubt is not None)
    assert probed["confidence_unit"] == (None if task.doubt is None else "")
    assert probed["signal"] == (None if task.doubt is None else "doubt")
    assert all(
        (row["doubt_spread"] is None) == (row["off_best"] is None) == (task.doubt is None) for row in probed["rounds"]
    )
    assert ("no alarm can be given" in probed["advice"]) == (task.doubt is None)
    assert answer(root, "diagnose", run)["rounds"] == probed["rounds"]


def test_it_is_watched_by_its_doubt_while_it_trains_or_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(NAME_SOURCES, "toy", stripes)
    watched = {"extract": {"schedule": "fraction", "fraction": 0.5, "steps": 5, "warm_steps": 20}, "controls": []}
    collapse = {"collapse": {"policy": "warn", "doubt_threshold": 0.001}}
    arguments = ["--data", "toy:stripes", *set_options({**SETTINGS, **watched, **collapse})]
    for task in (STRIPE_LABELS, RECONSTRUCTION):
        monkeypatch.setitem(TASKS, task.name, task)
    run = answer(tmp_path, "train", *arguments, "--set", f"task={STRIPE_LABELS.name}")["run"]
    document = answer(tmp_path, "diagnose", run)
    assert document["signal"] == "doubt" and document["threshold"] == 0.001 and document["watched"]
    if document["alarm"]:
        (event,) = document["policy_events"]
        assert event["signal"] == "doubt" and event["drop"] == pytest.approx(document["alarm"]["drop"])
    refused = CliRunner().invoke(
        cli.app, ["train", *arguments, "--set", f"task={RECONSTRUCTION.name}", "--runs", str(tmp_path)]
    )
    assert isinstance(refused.exception, BadInput) and "goes by how sure tickets are" in str(refused.exception)


def test_a_fall_is_measured_in_the_figure_s_own_unit(retrained):
    task, _, _, probed, _ = retrained
    values = task.headline.sign * np.array([row[task.headline.name] for row in probed["rounds"]])
    off = np.maximum.accumulate(values) - values >= task.headline.fall
    kept = off & np.append(off[1:], True)
    expected = probed["rounds"][int(kept.argmax())]["round"] if kept.any() else None
    assert (probed["fall"] and probed["fall"]["round"]) == expected
    signals = {flag["signal"] for flag in probed["flags"]}
    assert (task.headline.name in signals) == kept.any() and "accuracy" not in signals


def test_going_back_is_measured_by_its_own_figure(retrained):
    task, _, _, _, document = retrained
    relaxed = document["relaxed"]
    assert relaxed["metric"] == task.headline.name and relaxed["density"] == 1
    for when in ("before", "after"):
        low, high = relaxed["ci"][when]
        assert low < relaxed[when] < high


def test_a_kept_file_without_the_figure_is_damaged(retrained, tmp_path):
    task, root, run, *_ = retrained
    shutil.copytree(root, tmp_path / "runs")
    file = next((tmp_path / "runs").rglob("collapse-probe.json"))
    document = json.loads(file.read_text())
    document["records"][0]["figures"] = {}
    file.write_text(json.dumps(document))
    result = CliRunner().invoke(cli.app, ["diagnose", run, "--runs", str(tmp_path / "runs")])
    assert result.exit_code != 0 and f"lacks '{task.headline.name}'" in str(result.exception)


@pytest.mark.parametrize("detail", ["Flags", "What to do"])
def test_the_diagnosis_page_shows_it_before_and_after(trained, retrained, monkeypatch, detail):
    task, title = trained[0], trained[0].headline.title
    for root, again in ((trained[1], False), (retrained[1], True)):
        app = shown(monkeypatch, root, trained[2], "diagnosis", detail=detail)
        drawn = [
            trace["name"] for trace in json.loads(app.get("plotly_chart")[0].proto.spec)["data"] if "name" in trace
        ]
        assert title in drawn and ("confidence" in drawn) == (again and task.doubt is not None)
        words = " ".join(str(element.value) for kind in ("title", "caption", "markdown") for element in app.get(kind))
        assert ("do not say how sure they are" in words) == (task.doubt is None)
        assert bool([button for button in app.button if button.key == "probe"]) != again
        assert (detail == "What to do" and again) == (f"changes {title} by" in " ".join(s.value for s in app.subheader))


@pytest.mark.parametrize("page", ["routing", "attribution"])
def test_every_ticket_s_answer_is_drawn_with_its_truth_and_error(trained, monkeypatch, page):
    task, root, run = trained
    app = shown(monkeypatch, root, run, page, sample="7")
    (drawn,) = [element.proto.body for element in app.get("html") if '<div class="lab-maps">' in element.proto.body]
    assert drawn.count("the picture") and drawn.count("the truth")
    for name in DOMAINS:
        assert f'alt="Answer of {name}"' in drawn and f'alt="Error of {name}"' in drawn
    assert re.findall(r'src="([^"]+)"', drawn) == [heatmaps.address(pixels) for pixels in by_hand(root / run, 7)]
    assert drawn.count(task.headline.title) == len(DOMAINS)
    assert ("label 2" in drawn) == (task.drawn_as == "label map")
    assert drawn.count("of its own subset") == 1 and drawn.count("sent here") == (page == "routing")
    document = answer(root, "route", run)
    assert page != "routing" or f"{100 * document['agreement_with_oracle']:.1f} %" in app.title[0].value


def by_hand(folder: Path, sample: int) -> list[np.ndarray]:
    """The input, its truth, and of every ticket answer and error, from the tickets as plain modules."""
    opened = open_run(load_run(folder))
    row, drawing = opened.dataset.rows("test")[[sample]], tasks.ANSWERS[opened.task.drawn_as]
    picture = np.repeat(opened.dataset.x[row[0], 0, :, :, None], 3, axis=2)
    truth = opened.task.truth(opened.dataset, row, np.ones(1, bool))[0]
    pictures = [picture, drawing.of_truth(truth, picture)]
    for subnetwork in opened.learned["rtl"].subnetworks:
        module = as_module(opened.network, subnetwork, opened.layout).eval()
        outputs = module(opened.dataset.inputs(row)).detach().numpy()[0]
        pictures += [drawing.of_answer(outputs, picture), drawing.of_error(outputs, truth, picture)]
    return pictures


def test_what_does_not_apply_says_so(trained):
    task, root, run = trained
    for words in (f"fairness {run} --groups domain --metrics tpr", f"attribute {run} --ticket noisy --method saliency"):
        result = CliRunner().invoke(cli.app, [*words.split(), "--runs", str(root)])
        assert result.exit_code != 0 and re.search(f"{task.name}|choose among: credit", str(result.exception))


def test_groups_are_compared_by_how_well_they_are_answered(trained):
    task, root, run = trained
    choices = answer(root, "route", run, "--router", "context", "--choices")["choices"]
    credit = np.array(choices["right"])
    domain = open_run(load_run(root / run)).dataset.attributes.domain.to_numpy()[choices["index"]]
    document = answer(root, "fairness", run, "--groups", "domain", "--extras", "routing,decomposition,density,methods")
    for cell in (cell for cell in document["cells"] if cell["ticket"] is None):
        among = domain == cell["group"].removeprefix("domain=")
        assert (cell["metric"], cell["n"]) == ("credit", among.sum())
        assert cell["value"] == pytest.approx(credit[among].mean()) and cell["low"] < cell["value"] < cell["high"]
    for gap in (gap for gap in document["gaps"] if gap["ticket"] is None):
        assert 0 < gap["p"] <= gap["p_holm"] <= 1
    assert any(task.name in note and "no rates" in note for note in document["notes"])
    assert all(row["change"] == 0 for row in document["by_density"] if row["density"] == 0.3)
    (first, *_) = document["routing"]
    assert first["another_right"] >= 0 and first["ticket"] is None


@pytest.mark.parametrize("page", ["overview", "masks", "diagnosis", "routing", "attribution", "fairness", "library"])
def test_pages_show_it(trained, monkeypatch, page):
    task, root, run = trained
    app = shown(monkeypatch, root, run, page)
    if page == "overview":
        assert task.headline.title in " ".join(element.value for element in app.get("title"))


def shown(monkeypatch: pytest.MonkeyPatch, root: Path, run: str, page: str, **query: str) -> AppTest:
    monkeypatch.setenv("RTL_RUNS", str(root))
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for name, value in {"run": run, **query}.items():
        app.query_params[name] = value
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app
