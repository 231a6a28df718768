"""Every verb of the command line on tickets that find things, on pictures of squares that train in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from rtl_core import cli
from rtl_core.config import DataSettings, parse, with_setting
from rtl_core.data.sources import NAME_SOURCES
from rtl_core.errors import BadInput
from rtl_core.events import Event, Stopped
from rtl_core.learning.subnetwork import as_module
from rtl_core.runs.checkpoint import load_learned, load_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.record import read_record
from rtl_core.runs.training import train_folder, train_new
from rtl_core.tasks.detection import DETECTION
from tests.tasks.toys import DOMAINS, squares
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

SETTINGS = toy(
    task="detection",
    partition={"by": "attribute", "column": "domain"},
    model={"name": "centernet", "width": 0.25},
    density=0.5,
    optimiser={"batch_size": 8},
    extract={"steps": 60, "warm_steps": 120},
    joint={"steps": 60},
    lighter=[0.3],
    controls=["random", "imp_single_union", "dense"],
    sharing={"recalibrate_batches": 4},
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of runs, name of the run)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NAME_SOURCES, "toy", squares)
        root = tmp_path_factory.mktemp("runs")
        yield root, answer(root, "train", "--data", "toy:squares", *set_options(SETTINGS))["run"]


def called(root: Path, verb: str, *arguments: str):
    return CliRunner().invoke(cli.app, [verb, *arguments, "--runs", str(root), "--json"])


def answer(root: Path, verb: str, *arguments: str) -> dict:
    result = called(root, verb, *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout)


def test_it_learns_to_find_squares_and_says_how_well(trained):
    root, run = trained
    document = answer(root, "evaluate", run)
    assert [row["method"] for row in document["methods"]] == ["rtl", "random", "imp_single_union", "dense"]
    for row in (*document["tickets"], *document["methods"]):
        for name in ("ap", "ap50"):
            low, high = row["ci"][name]
            assert row["accuracy"] is None and low < row["figures"][name] < high
    dense = document["methods"][3]["figures"]
    assert dense["ap50"] > 0.6 and dense["ap"] < dense["ap50"]


def test_figures_of_each_class_and_size_stand_in_the_record(trained):
    root, run = trained
    record = read_record(load_run(root / run).info)
    for ticket in record.evaluation.tickets:
        names = [(row.of, row.name) for row in ticket.boxes]
        assert names == [("class", "frame"), ("class", "square"), *(("size", s) for s in ("small", "medium", "large"))]
        of_class = [row for row in ticket.boxes if row.of == "class"]
        assert ticket.value("ap50") == pytest.approx(np.mean([row.ap50 for row in of_class]), abs=1e-9)
        for row in of_class:
            assert row.boxes >= row.n > 0 and len(row.precision) == 101
            assert np.mean(row.precision) == pytest.approx(row.ap50, abs=1e-4)
            assert row.ci["ap"][0] <= row.ap <= row.ci["ap"][1]
        assert sum(row.boxes for row in of_class) == sum(row.boxes for row in ticket.boxes if row.of == "size")
        assert next(row for row in ticket.boxes if row.name == "small").ap is None  # there are none so small


def test_the_figures_are_those_of_the_tickets_as_plain_modules(trained):
    root, run = trained
    opened = open_run(load_run(root / run))
    for k, subnetwork in enumerate(opened.learned["rtl"].subnetworks):
        rows = opened.dataset.rows("test")
        rows = rows[opened.partition.assignment[rows] == k]
        outputs = as_module(opened.network, subnetwork, opened.layout).eval()(opened.dataset.inputs(rows))
        answers = DETECTION.answer(outputs.detach().numpy(), opened.dataset.y[rows])
        (values,) = DETECTION.measure(answers, opened.dataset.y[rows])(np.ones((1, len(rows))))
        kept = read_record(opened.run.info).evaluation.tickets[k]
        np.testing.assert_allclose([kept.value("ap"), kept.value("ap50")], values, atol=1e-6)


def test_other_pictures_with_boxes_are_evaluated(trained):
    root, run = trained
    document = answer(root, "evaluate", run, "--data", "toy:squares")
    kept = answer(root, "evaluate", run)
    for one, other in zip(document["tickets"], kept["tickets"], strict=True):
        assert one["figures"] == pytest.approx(other["figures"], rel=1e-5)


def test_pictures_are_routed_by_what_they_look_like(trained):
    root, run = trained
    document = answer(root, "route", run, "--router", "gate", "--budget", "0.9")
    assert document["agreement_with_oracle"] > 0.8 and np.sum(document["confusion"]) == 60
    assert document["counts"] == [] and document["figures"]["ap"] is not None
    assert 0 <= document["regret_01"] < 1
    assert "min_entropy" in document["routers"]
    for router in document["routers"]:
        assert answer(root, "route", run, "--router", router)["n"] == 60
    surest = answer(root, "route", run, "--router", "min_entropy")
    assert surest["agreement_with_oracle"] > 0.5  # a third by chance


def test_masks_are_compared_and_rounds_diagnosed(trained):
    root, run = trained
    assert answer(root, "similarity", run)["names"] == sorted(DOMAINS)
    document = answer(root, "diagnose", run)
    assert document["metric"] == "ap" and all(row["ap"] is not None for row in document["rounds"])


def test_a_map_explains_how_strong_the_centre_of_a_class_is(trained):
    root, run = trained
    document = answer(
        root, "attribute", run, "--ticket", "plain", "--method", "saliency", "--target", "square", "--samples", "0,3"
    )
    assert [row["target"] for row in document["samples"]] == ["square", "square"]
    assert document["samples"][0]["y_true"] is None


def test_a_report_is_written(trained, tmp_path):
    root, run = trained
    result = CliRunner().invoke(cli.app, ["report", run, "--runs", str(root), "--out", str(tmp_path / "report.html")])
    assert result.exit_code == 0, result.output
    assert "AP" in (tmp_path / "report.html").read_text()


def test_fairness_of_rates_says_why_it_cannot(trained):
    root, run = trained
    result = called(root, "fairness", run, "--groups", "domain")
    assert result.exit_code != 0 and "detection" in str(result.exception) + result.output


def test_a_ticket_is_taken_out_and_grown_again(trained):
    root, run = trained
    left = answer(root, "remove", run, "--ticket", "noisy")["run"]
    document = answer(root, "grow", left, "--data", "toy:squares", "--set", "gated.steps=3")
    assert document["grown"]["ticket"] == "noisy" and document["forgetting"] == [0.0, 0.0]


def test_one_ticket_a_class_is_refused(trained, tmp_path):
    result = called(tmp_path, "train", "--data", "toy:squares", *set_options(SETTINGS | {"partition": {"by": "class"}}))
    assert "no class for each row" in str(result.exception) + result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.name=convnet", "one row of numbers"),
        ("task=multiclass", "no class for each row"),
        ("task=one_vs_rest", "centernet gives maps"),
        ("mode=gated", "tell all classes"),
        ("reweigh=domain", "no class"),
        ("partition.features=backbone", "no class for each row"),
    ],
)
def test_settings_that_do_not_go_with_boxes_are_refused(trained, tmp_path, change, words):
    values = with_setting({**SETTINGS, "data": {"spec": "toy:squares"}}, change)
    if change.startswith("partition"):
        values["partition"] |= {"by": "kmeans"}
    with pytest.raises(BadInput, match=words):
        train_new(parse(values), tmp_path)


def test_pictures_without_boxes_are_refused(tmp_path):
    with pytest.raises(BadInput, match="has no boxes; task detection needs"):
        train_new(parse(toy(task="detection", data={"spec": "bundled:digits"}, partition={"by": "class"})), tmp_path)


SHORT = {**SETTINGS, "data": {"spec": "toy:squares"}, "controls": ["dense"], "workers": 1}
SHORT |= {"extract": {"steps": 6, "warm_steps": 6}, "joint": {"steps": 6}}


def bits(folder: str | Path) -> dict[str, bytes]:
    learned = load_learned(load_run(Path(folder)))
    return {
        f"{method}/{k}/{role}/{name}": tensor.numpy().tobytes()
        for method, one in learned.items()
        for k, subnetwork in enumerate(one.subnetworks)
        for role in ("shared", "private", "buffers")
        for name, tensor in getattr(subnetwork, role).items()
    }


def test_the_same_training_gives_the_same_bits_and_goes_on_to_them_where_it_was_stopped(trained, tmp_path):
    once = train_new(parse(SHORT), tmp_path / "once")["folder"]
    again = train_new(parse(SHORT), tmp_path / "again")["folder"]
    assert bits(once) == bits(again)

    def stopping(event: Event) -> None:
        if event.phase == "joint" and event.step:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        train_new(parse(SHORT), tmp_path / "stopped", report=stopping)
    (stopped,) = (folder for folder in (tmp_path / "stopped").iterdir() if folder.is_dir())
    assert not (stopped / "run.json").exists()
    assert bits(train_folder(stopped)["folder"]) == bits(once)


def test_the_toy_is_what_it_says():
    dataset = squares("squares", DataSettings(spec="toy:squares"), 0)
    assert dataset.classes == ("frame", "square") and (dataset.y[:, :, 0] >= 0).sum(axis=1).max() == 3
    plain = np.flatnonzero((dataset.attributes["domain"] == "plain") & (dataset.y[:, 0, 0] == 1))[0]
    _, x0, y0, x1, y1 = dataset.y[plain, 0].astype(int)
    assert dataset.x[plain, 0, y0:y1, x0:x1].min() > 150


def boxes_of(root: Path, counts: list[int]) -> str:
    """Pictures with so many squares each, in COCO's format."""
    (root / "images").mkdir(parents=True)
    draw = np.random.default_rng(len(counts))
    document = {"images": [], "categories": [{"id": 1, "name": "square"}], "annotations": []}
    for i, count in enumerate(counts):
        pixels = draw.integers(0, 60, (24, 24, 3), np.uint8)
        document["images"].append({"id": i, "file_name": f"{i}.png", "width": 24, "height": 24})
        for x, y in draw.integers(0, 16, (count, 2)).tolist():
            pixels[y : y + 8, x : x + 8] = 250
            document["annotations"].append({"image_id": i, "category_id": 1, "bbox": [x, y, 8, 8]})
        Image.fromarray(pixels).save(root / "images" / f"{i}.png")
    (root / "instances.json").write_text(json.dumps(document))
    return f"coco:{root}"


def test_other_pictures_are_crowded_by_what_the_run_calls_crowded(tmp_path):
    own, other = boxes_of(tmp_path / "own", [0, 2, 5] * 30), boxes_of(tmp_path / "other", [4, 5, 5, 5, 6, 9] * 3)
    settings = toy(
        task="detection",
        partition={"by": "attribute", "column": "crowding"},
        model={"name": "centernet", "width": 0.25},
        data={"image_size": 24},
        optimiser={"batch_size": 8},
    )
    run = answer(tmp_path, "train", "--data", own, *set_options(settings))["run"]
    assert load_run(tmp_path / run).info["data"]["groups_of_boxes"] == {"crowding": [2, 5], "of_class": [210]}
    opened = open_run(load_run(tmp_path / run), other)
    count = opened.dataset.attributes["boxes"].to_numpy()
    names = np.array(opened.partition.names)[opened.partition.assignment]
    assert set(names[count == 4]) == {"some"} and set(names[count > 4]) == {"many"}
    answer(tmp_path, "diagnose", run, "--probe")
    assert answer(tmp_path, "diagnose", run)["metric"] == "ap"  # though pictures without boxes have no precision
