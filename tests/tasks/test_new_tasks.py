"""A task that nobody thought of goes through training, evaluation, routing, diagnosis and pages without an edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from rtl_core import cli
from rtl_core.data.sources import NAME_SOURCES
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tasks.task import figure_value
from tests.tasks.toys import DOMAINS, RECONSTRUCTION, SEGMENTATION, stripes

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "partition.by": "attribute",
    "model.name": "mlp",
    "density": 0.3,
    "extract.steps": 30,
    "extract.warm_steps": 60,
    "joint.steps": 30,
    "lighter": [0.2, 0.1],
    "controls": ["random", "dense"],
    "workers": 1,
}


@pytest.fixture(scope="module", params=[SEGMENTATION, RECONSTRUCTION], ids=lambda task: task.name)
def trained(request, tmp_path_factory):
    """(task, folder of runs, name of the run), trained by the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, request.param.name, request.param)
        patch.setitem(NAME_SOURCES, "toy", stripes)
        root = tmp_path_factory.mktemp("runs")
        changes = [f"--set={key}={json.dumps(value)}" for key, value in SETTINGS.items()]
        run = answer(root, "train", "--data", "toy:stripes", f"--set=task={request.param.name}", *changes)["run"]
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


def test_what_does_not_apply_says_so(trained):
    task, root, run = trained
    for words in (f"fairness {run} --groups domain", f"attribute {run} --ticket noisy --method saliency"):
        result = CliRunner().invoke(cli.app, [*words.split(), "--runs", str(root)])
        assert result.exit_code != 0 and task.name in str(result.exception)


@pytest.mark.parametrize("page", ["overview", "masks", "diagnosis", "routing", "attribution", "fairness", "library"])
def test_pages_show_it(trained, monkeypatch, page):
    task, root, run = trained
    monkeypatch.setenv("RTL_RUNS", str(root))
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    app.query_params["run"] = run
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    if page == "overview":
        assert task.headline.title in " ".join(element.value for element in app.get("title"))
