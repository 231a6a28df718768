"""Every page of a run whose tickets label pixels: a small one, trained here, and what it says in the task's words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app import suited, train, uploads
from rtl_core import cli
from rtl_core.config import DataSettings
from rtl_core.data.sources import load
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.open_run import open_run
from rtl_core.tasks.catalogue import TASKS
from tests.data.mask_files import masked_pictures, zipped
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("overview", "train", "masks", "routing", "attribution", "fairness", "diagnosis", "library", "learn")
SETTINGS = toy(
    task="segmentation",
    data={"limit": 240},
    partition={"by": "attribute", "column": "modality"},
    model={"name": "unet", "width": 0.25},
    density=0.3,
    lighter=[0.2],
    controls=["dense"],
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """(folder of runs, name of the run)."""
    root = tmp_path_factory.mktemp("runs")
    return root, document(root, "train", "--data", "bundled:nuclei", *set_options(SETTINGS))["run"]


def document(root: Path, *words: str) -> dict:
    result = CliRunner().invoke(cli.app, [*words, "--runs", str(root), "--json"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout)


def shown(monkeypatch: pytest.MonkeyPatch, trained: tuple[Path, str], page: str, **query: str) -> AppTest:
    root, run = trained
    monkeypatch.setenv("RTL_RUNS", str(root))
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=180)
    for name, value in {"run": run, **query}.items():
        app.query_params[name] = value
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "error", "info", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def points(title: str, low_high: list[float]) -> str:
    return f"{title} ({100 * low_high[0]:.1f} to {100 * low_high[1]:.1f} %)"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_none_speaks_of_answers_that_are_right(trained, monkeypatch, page):
    app = shown(monkeypatch, trained, page)
    assert app.title and not app.error
    if page in ("routing", "attribution", "overview"):
        assert "rightly" not in texts(app) and "classes" not in app.title[0].value


def test_routing_says_its_figures_by_the_task_s_words(trained, monkeypatch):
    routed = document(trained[0], "route", trained[1], "--router", "gate")
    words = texts(shown(monkeypatch, trained, "routing"))
    figures = {"mean IoU": "miou", "pixel accuracy": "pixel_accuracy"}
    for title, name in figures.items():
        value = f"{title} {100 * routed['figures'][name]:.1f} %"
        assert points(value, routed["ci"][name]) in words
    assert f"mean IoU {100 * routed['figures']['miou']:.1f} %" in shown(monkeypatch, trained, "routing").title[0].value


@pytest.mark.parametrize(
    ("detail", "sentence"),
    [
        ("Answers of the tickets", "Under every ticket's answer its error"),
        ("Sent astray", "mean IoU of a picture"),
        ("Routers compared", "mean IoU"),
        ("Budget", "the mean IoU of a picture that the chosen tickets reach"),
        ("Map of inputs", "two axes show"),
        ("Sure and right", "calibration error"),
        ("By group", "misrouted"),
        ("Could tickets be merged?", "may do for both"),
        ("Your own picture", "Choose a picture"),
    ],
)
def test_every_detail_of_routing_opens(trained, monkeypatch, detail, sentence):
    assert sentence in texts(shown(monkeypatch, trained, "routing", detail=detail))


def test_an_own_picture_gets_every_ticket_s_answer(trained, monkeypatch):
    app = shown(monkeypatch, trained, "routing", detail="Your own picture")
    drawn = io.BytesIO()
    Image.new("RGB", (200, 90), (250, 10, 10)).save(drawn, "PNG")
    app.file_uploader[0].set_value([("red.png", drawn.getvalue(), "image/png")]).run()
    assert not app.exception and not app.error
    (tiles,) = [element.proto.body for element in app.get("html") if '<div class="lab-maps">' in element.proto.body]
    names = load_run(trained[0] / trained[1]).tickets.names
    assert all(f'alt="Answer of {name}"' in tiles for name in names)
    assert "the truth" not in tiles and "Error of" not in tiles  # which nobody knows


@pytest.mark.parametrize("detail", ["How alike the maps are", "Answers of the tickets"])
def test_maps_explain_one_class_by_its_number(trained, monkeypatch, detail):
    app = shown(monkeypatch, trained, "attribution", detail=detail, sample="3")
    assert app.title[0].value.startswith("The tickets' mean logit of “nucleus” is")
    classes = open_run(load_run(trained[0] / trained[1])).dataset.classes
    assert app.selectbox(key="target").options == list(classes)
    ticket = load_run(trained[0] / trained[1]).tickets.names[0]
    words = ("attribute", trained[1], "--ticket", ticket, "--method", "integrated_gradients", "--target", "nucleus")
    (sample,) = document(trained[0], *words, "--samples", "3")["samples"]
    (tiles,) = [
        e.proto.body for e in app.get("html") if '<div class="lab-map"' in e.proto.body and "Map of" in e.proto.body
    ]
    assert f"nucleus {sample['output']:+.2f}".replace("-", "−").replace(" ", "\u00a0") in tiles.replace(" ", "\u00a0")
    assert sample["confidence"] is None


def test_fairness_compares_groups_by_how_well_they_are_answered(trained, monkeypatch):
    audited = document(trained[0], "fairness", trained[1], "--groups", "modality")
    assert {cell["metric"] for cell in audited["cells"]} == {"picture_miou"}
    app = shown(monkeypatch, trained, "fairness")
    assert "make no decisions, so there are no rates" in texts(app)
    table = next(frame.value for frame in app.dataframe if "picture_miou" in frame.value)
    together = {c["group"]: c["value"] for c in audited["cells"] if c["ticket"] is None}
    for row in table.itertuples():
        expected = together[row.group]
        assert np.isnan(row.picture_miou) if expected is None else row.picture_miou == pytest.approx(100 * expected)
    what_if = shown(monkeypatch, trained, "fairness", detail="What if")
    assert "Thresholds turn scores into decisions, and these tickets make none" in texts(what_if)


def test_a_mean_credit_is_that_of_the_rows(trained):
    root, run = trained
    opened = open_run(load_run(root / run))
    choices = document(root, "route", run, "--router", "context", "--choices")["choices"]
    audited = document(root, "fairness", run, "--groups", "modality")
    credit, group = np.array(choices["right"]), opened.dataset.attributes.modality.to_numpy()[choices["index"]]
    (everyone,) = [cell for cell in audited["overall"] if cell["ticket"] is None]
    assert everyone["value"] is None or everyone["value"] == pytest.approx(credit.mean())
    shown_cells = [c for c in audited["cells"] if c["ticket"] is None and c["value"] is not None]
    for cell in shown_cells:
        assert cell["value"] == pytest.approx(credit[group == cell["group"].partition("=")[2]].mean())
    assert shown_cells or everyone["value"] is not None


def test_overview_has_every_class_with_its_interval(trained, monkeypatch):
    rows = document(trained[0], "evaluate", trained[1])["tickets"]
    app = shown(monkeypatch, trained, "overview")
    assert "The hardest class is" in texts(app)
    drawn = next(json.loads(chart.proto.spec) for chart in app.get("plotly_chart") if "IoU, %" in chart.proto.spec)
    by_name = {trace["name"]: trace for trace in drawn["data"] if "name" in trace}
    assert list(by_name) == [row["name"] for row in rows]


def test_a_zip_of_pictures_with_masks_becomes_a_draft_that_can_start(tmp_path):
    content = zipped(masked_pictures(tmp_path / "data"), tmp_path / "data.zip").read_bytes()
    spec = uploads.store("data.zip", content, tmp_path / "uploads")
    dataset = load(DataSettings(spec=spec), 0)
    draft = train.parse({"data": {"spec": spec}, "partition": {"by": "attribute", "column": "domain"}})
    draft = draft.model_dump(mode="json") | {"task": "multiclass"}
    draft["partition"] |= {"by": "class", "column": None}
    suited.begin_with(draft, dataset)
    assert (draft["task"], draft["model"]["name"]) == ("segmentation", "unet") and draft["partition"]["by"] != "class"
    assert suited.tasks(dataset) == ["one_vs_rest", "segmentation"]
    train.parse(draft)
    draft["task"] = "one_vs_rest"  # which they can be asked as well
    suited.adapt(draft, dataset)
    assert (draft["task"], draft["model"]["name"]) == ("one_vs_rest", "convnet")


def test_data_bring_their_tasks_and_tasks_their_network():
    nuclei, digits = (load(DataSettings(spec=f"bundled:{name}", limit=120), 0) for name in ("nuclei", "digits"))
    assert "segmentation" in suited.tasks(nuclei) and "multiclass" not in suited.tasks(nuclei)
    assert suited.tasks(digits) == ["multiclass", "one_vs_rest"]
    for task, dataset, network in (("segmentation", nuclei, "unet"), ("multiclass", digits, "convnet")):
        draft = {
            "task": task,
            "partition": {"by": "attribute", "column": "modality"},
            "model": {"name": "centernet"},
            "loss": {"class_weights": "inverse_root"},
        }
        suited.adapt(draft, dataset)
        assert draft["model"]["name"] == network
        assert draft["loss"]["class_weights"] == ("none" if TASKS[task].loss_for is None else "inverse_root")


@pytest.mark.parametrize("name", ["Annotations/1.xml", "labels/train/1.txt", "annotations/instances_train.json"])
def test_pictures_with_boxes_are_refused_with_the_way_to_take(tmp_path, name):
    (tmp_path / "zip" / name).parent.mkdir(parents=True)
    (tmp_path / "zip" / name).write_text("{}")
    root = masked_pictures(tmp_path / "zip")
    content = zipped(root, tmp_path / "data.zip").read_bytes()
    with pytest.raises(uploads.BadInput, match=r"boxes.*--data coco:PATH"):
        uploads.store("data.zip", content, tmp_path / "uploads")


def test_the_report_compares_groups_too(trained, tmp_path):
    words = ["report", trained[1], "--out", str(tmp_path / "report.html"), "--runs", str(trained[0])]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    html = (tmp_path / "report.html").read_text()
    assert "mean IoU of a picture" in html and "fairness was not audited" not in html
