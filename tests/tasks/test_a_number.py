"""A task whose answers are one number each, and whose headline is an error: less is better, and nothing is a class."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from rtl_core import cli
from rtl_core.data.sources import NAME_SOURCES
from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import load_run
from rtl_core.tasks.catalogue import TASKS
from tests.tasks.toys import REGRESSION, stripes
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = toy(
    task=REGRESSION.name,
    model={"name": "mlp"},
    density=0.3,
    extract={"steps": 30, "warm_steps": 60},
    joint={"steps": 30},
    controls=["random", "dense"],
    workers=1,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of runs, name of the run)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, REGRESSION.name, REGRESSION)
        patch.setitem(NAME_SOURCES, "toy", stripes)
        root = tmp_path_factory.mktemp("runs")
        run = json.loads(printed(root, "train", "--data", "toy:stripes", *set_options(SETTINGS), "--json"))["run"]
        yield root, run


def printed(root: Path, *words: str) -> str:
    result = CliRunner().invoke(cli.app, [*words, "--runs", str(root)])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_what_people_read_has_the_task_s_own_figures(trained):
    root, run = trained
    rows = load_run(root / run).info["evaluation"]["tickets"]
    text = printed(root, "evaluate", run)
    assert "mae" in text and "accuracy" not in text
    assert all(f"{row['figures']['mae']:.3f}" in text for row in rows)
    text = printed(root, "route", run, "--curve", "2")
    assert "mae" in text and "credit" in text and not re.search("accuracy|class", text)


def test_the_report_ranks_by_less(trained, tmp_path):
    root, run = trained
    printed(root, "report", run, "--out", str(tmp_path / "report.html"))
    html = (tmp_path / "report.html").read_text()
    methods = {row["method"]: row for row in load_run(root / run).info["evaluation"]["methods"]}
    listed = re.findall(r'<tr data-name="(\w+)"', html.split('data-part="evaluate.methods"')[1].split("</table>")[0])
    assert listed == sorted(methods, key=lambda name: methods[name]["figures"]["mae"])
    assert f"{methods['rtl']['figures']['mae']:.3f} px" in html
    assert not re.search("tells all classes|mean over the classes", html)


def test_a_merge_that_costs_nothing_is_not_the_one_that_adds_to_the_error(trained):
    root, run = trained
    document = json.loads(printed(root, "redundancy", run, "--json"))
    assert document["margin"] == REGRESSION.headline.fall / 2
    for pair in document["pairs"]:
        changes = [row["ci"]["change"] for row in pair["subsets"]]
        assert (pair["verdict"] == "could be merged") == all(high < document["margin"] for _, high in changes)
        assert (pair["verdict"] == "costs accuracy") == any(low > document["margin"] for low, _ in changes)


def test_a_map_explains_the_number_without_a_probability(trained):
    root, run = trained
    words = ("attribute", run, "--ticket", "noisy", "--method", "saliency")
    document = json.loads(printed(root, *words, "--json"))
    assert document["target"] == "column" and document["samples"][0]["confidence"] is None
    assert np.isfinite(document["samples"][0]["output"])
    result = CliRunner().invoke(cli.app, [*words, "--target", "column", "--runs", str(root)])
    assert "leave the target out" in str(result.exception) and "class" not in str(result.exception)


@pytest.mark.parametrize("partition", [{"by": "class"}, {"by": "kmeans", "k": 2, "features": "backbone"}])
def test_subsets_that_take_classes_are_refused(trained, partition):
    root, _ = trained
    words = ("train", "--data", "toy:stripes", *set_options({**SETTINGS, "partition": partition}))
    result = CliRunner().invoke(cli.app, [*words, "--runs", str(root)])
    assert isinstance(result.exception, BadInput) and "'toy:stripes' has no class for each row" in str(result.exception)


@pytest.mark.parametrize("page", ["overview", "routing", "attribution"])
def test_pages_take_it(trained, monkeypatch, page):
    root, run = trained
    monkeypatch.setenv("RTL_RUNS", str(root))
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    app.query_params["run"] = run
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert not [element.value for element in app.info if "class" in element.value]
