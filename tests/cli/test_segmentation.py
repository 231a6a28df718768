"""Tickets that label pixels, from a zip of pictures and masks through every verb of the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_core.config import DataSettings
from rtl_core.data.dataset import IGNORED
from rtl_core.data.sources import load
from rtl_core.learning.subnetwork import as_module
from rtl_core.runs import store
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.store import ask_stop
from tests.cli.test_cli import document, refused
from tests.data.mask_files import save, zipped
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

SITES = ("bright", "dark", "noisy")
SIDE = 20
TOY = toy(
    task="segmentation",
    partition={"by": "attribute", "column": "site"},
    model={"name": "unet", "width": 0.25},
    optimiser={"batch_size": 8},
    loss={"class_weights": "inverse_root"},
    density=0.4,
    lighter=[0.2],
    extract={"steps": 12, "warm_steps": 12},
    joint={"steps": 8},
    sharing={"recalibrate_batches": 2},
    controls=["random", "imp_single_union", "dense", "dense_small_multi", "random_same_storage"],
)


def scene(site: str, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture (h, w, 3) with a disc and a bar on it, and what each pixel shows; a corner is ignored."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.uint8)
    at = draw.integers(5, SIDE - 5, 2)
    labels[:, (column := draw.integers(1, SIDE - 3)) : column + 2] = 2
    labels[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < 16] = 1
    shades = np.array([60, 140, 220]) // (2 if site == "dark" else 1)
    picture = shades[labels] + draw.normal(0, 30 if site == "noisy" else 5, labels.shape)
    labels[-3:, -3:] = 255
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2), labels


def pictures_of(root: Path, sites: tuple[str, ...], each: int, seed: int) -> Path:
    draw, rows = np.random.default_rng(seed), []
    for site in sites:
        for i in range(each):
            picture, labels = scene(site, draw)
            picture[..., 0] //= 2  # in colours
            save(root / "images" / f"{site}{i}.png", picture)
            save(root / "masks" / f"{site}{i}.png", labels)
            rows.append({"file": f"{site}{i}.png", "site": site, "unit": f"{site}{i // 2}"})
    pd.DataFrame(rows).to_csv(root / "images.csv", index=False)
    (root / "classes.csv").write_text("value,name\n0,ground\n1,disc\n2,bar\n")
    return zipped(root, root.with_suffix(".zip"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"masks:{pictures_of(tmp_path_factory.mktemp('pictures') / 'scenes', SITES, 40, 0)}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(rtl, data, runs) -> str:
    return document(rtl("train", "--data", data, *set_options(TOY), "--runs", runs, "--json"))["run"]


def test_figures_are_those_of_the_tickets_as_modules_counted_by_hand(rtl, runs, run):
    answer = document(rtl("evaluate", run, "--runs", runs, "--json"))
    opened = open_run(load_run(runs / run))
    for k, ticket in enumerate(answer["tickets"]):
        rows = np.flatnonzero((opened.dataset.split == "test") & (opened.partition.assignment == k))
        module = as_module(opened.network, opened.learned["rtl"].subnetworks[k], opened.layout).eval()
        answered = module(opened.dataset.inputs(rows)).detach().numpy().argmax(axis=1)
        true, counted = opened.dataset.y[rows], opened.dataset.y[rows] != IGNORED
        iou = [
            ((answered == c) & (true == c)).sum() / (((answered == c) | (true == c)) & counted).sum() for c in range(3)
        ]  # fmt: skip
        assert ticket["figures"]["miou"] == pytest.approx(np.mean(iou), abs=1e-3)
        assert ticket["figures"]["pixel_accuracy"] == pytest.approx((answered == true)[counted].mean(), abs=1e-3)
        assert [entry["iou"] for entry in ticket["by_class"]] == pytest.approx(iou, abs=2e-3)
        assert [entry["name"] for entry in ticket["by_class"]] == ["ground", "disc", "bar"]
        assert ticket["n"] == len(rows) and ticket["accuracy"] is None
        for name in ("miou", "pixel_accuracy"):
            low, high = ticket["ci"][name]
            assert low <= ticket["figures"][name] <= high
    assert [row["method"] for row in answer["methods"]] == ["rtl", *TOY["controls"]]
    assert all(0 < row["figures"]["miou"] < 1 and row["ci"]["miou"][0] is not None for row in answer["methods"])
    assert load_run(runs / run).record.evaluation.tickets[0].by_class[1].name == "disc"


def test_the_same_bits_again_stopped_and_resumed(rtl, data, runs, run, tmp_path, monkeypatch):
    again = document(rtl("train", "--data", data, *set_options(TOY), "--runs", tmp_path / "again", "--json"))
    half = tmp_path / "half" / run
    half.mkdir(parents=True)
    shutil.copy(runs / run / "config.json", half)
    stops = []

    def stop_once(path, record):
        store.append_metric(path, record)
        if not stops and record["phase"] == "extract":
            stops.append(ask_stop(half))

    monkeypatch.setattr("rtl_core.runs.reporter.append_metric", stop_once)
    code, _, err = rtl("train", "--resume", half, "--runs", half.parent)
    assert code == 0 and "stopped" in err and stops
    document(rtl("train", "--resume", half, "--runs", half.parent, "--json"))
    for file in ("tickets.safetensors", "methods.safetensors"):
        kept = (runs / run / file).read_bytes()
        assert (Path(again["folder"]) / file).read_bytes() == kept and (half / file).read_bytes() == kept


def test_evaluating_the_same_data_elsewhere_gives_the_same(rtl, data, runs, run, tmp_path):
    kept = document(rtl("evaluate", run, "--runs", runs, "--json"))
    again = document(rtl("evaluate", run, "--data", data, "--runs", runs, "--json"))
    for one, other in zip(kept["tickets"], again["tickets"], strict=True):
        assert one["figures"] == pytest.approx(other["figures"], rel=1e-5)
    fresh = pictures_of(tmp_path / "fresh", SITES, 12, 7)
    other = document(rtl("evaluate", run, "--data", f"masks:{fresh}", "--runs", runs, "--json"))
    assert [row["n"] for row in other["tickets"]] == [12, 12, 12] and other["rows_left_out"] == 0


def test_other_classes_are_refused(rtl, runs, run, tmp_path):
    fresh = pictures_of(tmp_path / "fresh", SITES, 12, 7)
    (tmp_path / "fresh" / "classes.csv").write_text("value,name\n0,ground\n1,ball\n2,bar\n")
    words = refused(rtl("evaluate", run, "--data", f"masks:{zipped(tmp_path / 'fresh', fresh)}", "--runs", runs))
    assert "ground, disc, bar" in words and "ground, ball, bar" in words


def test_it_is_routed_picture_by_picture(rtl, runs, run):
    answer = document(rtl("route", run, "--router", "gate", "--budget", "0.9", "--runs", runs, "--json"))
    assert np.sum(answer["confusion"]) == answer["n"] == 24
    assert (answer["classes"], answer["counts"]) == ([], [])
    assert answer["figures"]["miou"] is not None and answer["budget"]["accuracy"] is not None
    assert "min_entropy" in answer["routers"]
    code, out, _ = rtl("route", run, "--router", "min_entropy", "--runs", runs)
    assert code == 0 and "miou" in out


@pytest.mark.parametrize(
    "words",
    ["similarity {run}", "diagnose {run}", "diagnose {run} --probe", "redundancy {run}", "show {run}"],
)
def test_other_verbs_take_it(rtl, runs, run, words):
    verb, *rest = words.format(run=run).split()
    assert document(rtl(verb, *rest, "--runs", runs, "--json"))
    code, out, err = rtl(verb, *rest, "--runs", runs)
    assert code == 0 and out and "Traceback" not in err


def test_the_report_has_its_figures(rtl, runs, run, tmp_path):
    code, _, err = rtl("report", run, "--out", tmp_path / "report.html", "--runs", runs)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert code == 0, err
    assert "Mean IoU" in html and "Pixel accuracy" in html


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "grad_cam", "occlusion", "deeplift"])
def test_a_map_explains_a_class_in_a_picture(rtl, runs, run, method):
    words = ("--ticket", "dark", "--method", method, "--samples", "0,3", "--runs", runs)
    answer = document(rtl("attribute", run, *words, "--target", "disc", "--json"))
    assert answer["target"] == "disc" and len(answer["samples"]) == 2
    assert all(np.isfinite(sample["output"]) for sample in answer["samples"])
    assert "cloud" in refused(rtl("attribute", run, *words, "--target", "cloud"))


def test_integrated_gradients_sum_to_the_change(rtl, runs, run):
    words = ("--ticket", "bright", "--method", "integrated_gradients", "--samples", "0-3", "--target", "bar")
    for sample in document(rtl("attribute", run, *words, "--runs", runs, "--json"))["samples"]:
        shift = sample["output"] - sample["baseline_output"]
        assert abs(sample["delta"]) <= 0.05 * max(abs(shift), 0.1)


def test_groups_are_compared_by_the_mean_iou_of_a_picture_and_rates_say_why_not(rtl, runs, run):
    answer = document(rtl("fairness", run, "--groups", "site", "--runs", runs, "--json"))
    assert {cell["metric"] for cell in answer["cells"]} == {"picture_miou"}
    assert any("tickets of task 'segmentation' make no decisions" in note for note in answer["notes"])
    words = ("fairness", run, "--groups", "site", "--metrics", "tpr", "--runs", runs)
    assert "choose among: picture_miou" in refused(rtl(*words))


def test_a_ticket_grows_for_new_pictures(rtl, runs, run, tmp_path):
    fresh = pictures_of(tmp_path / "fresh", ("striped",), 40, 9)
    words = ("grow", run, "--data", f"masks:{fresh}", "--set", "gated.steps=4", "--runs", tmp_path / "grown", "--json")
    shutil.copytree(runs / run, tmp_path / "grown" / run)
    answer = document(rtl(*words))
    assert answer["grown"]["ticket"] == "striped" and answer["grown"]["figures"]["miou"] is not None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"partition": {"by": "class"}}, "no class for each row"),
        ({"model": {"name": "convnet"}}, "choose unet"),
        ({"mode": "gated"}, "mode gated: the routed ticket alone answers"),
        ({"task": "multiclass", "loss": {"class_weights": "none"}}, "no class for each row"),
        ({"task": "multiclass"}, "weighs no classes"),
        ({"partition": {"by": "kmeans", "k": 2, "features": "backbone"}}, "take raw or pca"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(rtl, data, tmp_path, settings, words):
    options = set_options({**TOY, **settings})
    assert words in refused(rtl("train", "--data", data, *options, "--runs", tmp_path))


def test_clusters_of_pictures_are_subsets(rtl, data, tmp_path):
    settings = {**TOY, "partition": {"by": "kmeans", "k": 2, "min_size": 2}, "controls": [], "density": 0.5}
    answer = document(rtl("train", "--data", data, *set_options(settings), "--runs", tmp_path, "--json"))
    assert load_run(tmp_path / answer["run"]).tickets.names == ("cluster 1", "cluster 2")


def test_one_vs_rest_asks_which_site_a_whole_picture_is_from(rtl, data, tmp_path):
    settings = {**TOY, "task": "one_vs_rest", "model": {"name": "convnet"}, "controls": [], "loss": {}}
    answer = document(rtl("train", "--data", data, *set_options(settings), "--runs", tmp_path, "--json"))
    rows = json.loads((tmp_path / answer["run"] / "run.json").read_text())["info"]["evaluation"]["tickets"]
    assert [row["name"] for row in rows] == list(SITES) and rows[0]["balanced_accuracy"] is not None


def test_the_data_are_what_the_tests_think(data):
    read = load(DataSettings(spec=data), 0)
    assert read.classes == ("ground", "disc", "bar") and read.x.shape == (120, 3, SIDE, SIDE)
    assert (read.y == IGNORED).mean() == pytest.approx(9 / SIDE**2)
