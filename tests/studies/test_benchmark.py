"""Benchmarks: what one is, that a shared journal changes no bit, that nothing is run twice, and what its pages say."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as xml
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, Stage, silent
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.runs.pipeline import prepare, train
from rtl_core.studies import benchmark, benchmark_jobs, benchmark_report
from rtl_core.tickets.layout import Layout

pytestmark = pytest.mark.long

TINY = (
    "model.name=mlp",
    "model.width=0.1",
    "extract.steps=2",
    "extract.warm_steps=20",
    "joint.steps=2",
    "sharing.recalibrate_batches=1",
    "partition.by=kmeans",
    "partition.k=2",
    "partition.features=raw",
    "data.limit=200",
)
ROUNDS = ("extract.schedule=fraction", "extract.fraction=0.5")


def tiny(*more: str, seeds=(1, 2), densities=(0.5, 0.2)) -> benchmark.Study:
    return benchmark.study("digits_classes", seeds, densities, None, (*TINY, *more))


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> SimpleNamespace:
    out, messages = tmp_path_factory.mktemp("results"), []
    document = benchmark_jobs.run(tiny(), out, 1, messages.append)
    return SimpleNamespace(out=out, messages=messages, document=document)


@pytest.mark.parametrize("name", benchmark.names())
def test_every_benchmark_is_whole(name, monkeypatch):
    monkeypatch.setattr(benchmark, "_has_cuda", lambda: True)
    full = benchmark.study(name, data="cifar:PATH")
    monkeypatch.setattr(benchmark, "_has_cuda", lambda: False)
    here = benchmark.study(name, data="cifar:PATH")
    at_equal_storage, no_classes = name.startswith("storage_"), name in ("camvid", "cells", "nuclei")
    dense, sparse = () if at_equal_storage else (0.75, 0.5), () if no_classes else (0.05,)
    assert here.densities == full.densities == (*dense, 0.25, 0.1, *sparse)
    assert here.seeds == ((31, 32, 33, 34, 35) if at_equal_storage or no_classes else (21, 22, 23, 24, 25))
    assert full.reduced is None and here.common["device"] == "cpu"
    assert (here.reduced is not None) == (full.common["device"] == "cuda")
    assert (here.digest == full.digest) == (here.reduced is None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nothing"}, "no benchmark 'nothing'; there are: camvid, cells, cifar100_clusters"),
        ({"name": "cifar10_paper"}, "give them with --data"),
        ({"name": "domains", "densities": (1.5,)}, "density"),
        ({"name": "domains", "seeds": ()}, "at least one seed"),
        ({"name": "domains", "assignments": ("seed=1",)}, "takes --seeds for that"),
        ({"name": "domains", "assignments": ("extract.stepz=1",)}, "unknown setting 'extract.stepz'"),
    ],
)
def test_refusals(arguments, message, monkeypatch):
    monkeypatch.setattr(benchmark, "_has_cuda", lambda: False)
    with pytest.raises(BadInput, match=message):
        benchmark.study(**arguments)


@pytest.mark.parametrize("schedule", [(), ROUNDS], ids=["one_shot", "rounds"])
def test_the_shared_journal_changes_no_bit(schedule):
    study = tiny(*schedule, seeds=(1,))
    shared = []
    benchmark_jobs.job(study, 1, {}, shared.append)
    for cell in shared:
        setting = prepare(study.config(1, cell["density"]), silent, MemoryJournal())
        alone = benchmark_jobs.figures(setting, train(setting, silent, MemoryJournal()))
        assert {**cell, "seconds": 0} == {**alone, "seconds": 0}


@pytest.mark.parametrize(
    ("method", "phase", "place", "one_shot", "rounds"),
    [
        ("rtl", "warm_start", {}, True, True),
        ("reinitialised", "warm_start", {}, True, True),
        ("dense", "joint", {}, True, True),
        ("dense_same_total", "joint", {}, True, False),
        ("rtl", "extract", {"ticket": "a/b", "round": 1, "kept": 100}, True, False),
        ("imp_single", "extract", {"round": 1, "kept": 100}, True, False),
        ("rtl", "joint", {}, False, False),
        ("random_same_total", "joint", {}, False, False),
        ("rtl", "scores", {}, False, False),
    ],
)
def test_what_is_recalled_for_another_density(method, phase, place, one_shot, rounds):
    stage = Stage(phase, method, 3, 0.1, 0, **place)
    for expected, schedule in ((one_shot, True), (rounds, False)):
        common = MemoryJournal()
        benchmark_jobs.AcrossDensities(common, schedule).mark(stage, 3, True, dict)
        another = benchmark_jobs.AcrossDensities(common, schedule)
        assert (another.recall(stage) is not None) == expected


def test_every_method_that_applies_has_a_row(done):
    rows = done.document["rows"]
    assert [(t["seed"], t["density"], t["done"]) for t in done.messages] == [
        (1, 0.5, 1),
        (1, 0.2, 2),
        (2, 0.5, 3),
        (2, 0.2, 4),
    ]
    assert {"rtl", "imp_multi", "imp_multi_full_budget", "imp_single_ovr"} <= {row["method"] for row in rows}
    assert len(rows) == 4 * len({row["method"] for row in rows})
    assert json.loads((done.out / "digits_classes.json").read_text())["rows"] == rows


def test_what_is_finished_is_not_run_again(done, monkeypatch, tmp_path):
    kept = json.loads((done.out / "digits_classes.json").read_text())
    for piece in ("cells", "rows"):  # as if it had been killed before the last cell
        kept[piece] = [one for one in kept[piece] if (one["seed"], one["density"]) != (2, 0.2)]
    (tmp_path / "digits_classes.json").write_text(json.dumps(kept))
    messages = []
    again = benchmark_jobs.run(tiny(), tmp_path, 1, messages.append)
    assert [(t["seed"], t["density"], t["done"]) for t in messages] == [(2, 0.2, 4)]
    assert again["rows"] == done.document["rows"] and again["summary"] == done.document["summary"]

    class Ran(Exception):
        pass

    def train_is_called(*_):
        raise Ran

    monkeypatch.setattr(benchmark_jobs, "train", train_is_called)
    benchmark_jobs.run(tiny(), tmp_path, 1, messages.append)
    with pytest.raises(BadInput, match="results of other settings"):
        benchmark_jobs.run(tiny("joint.steps=3"), tmp_path, 1, messages.append)
    assert json.loads((tmp_path / "digits_classes.json").read_text())["rows"] == done.document["rows"]
    kept["cells"][0]["fingerprint"] = "other data"
    (tmp_path / "digits_classes.json").write_text(json.dumps(kept))
    with pytest.raises(Ran):
        benchmark_jobs.run(tiny(), tmp_path, 1, messages.append)
    (tmp_path / "digits_classes.json").write_text("{}")
    with pytest.raises(BadInput, match="not the file of a benchmark"):
        benchmark_jobs.run(tiny(), tmp_path, 1, messages.append)


def test_what_was_finished_stays_when_less_is_asked(done, tmp_path):
    shutil.copy(done.out / "digits_classes.json", tmp_path)
    smaller = tiny(seeds=(2,), densities=(0.2,))
    again = benchmark_jobs.run(smaller, tmp_path, 1, lambda messages: pytest.fail(f"trained {messages}"))
    assert (again["seeds"], again["densities"]) == ([1, 2], [0.5, 0.2])
    assert again["command"] == done.document["command"]
    assert "benchmark digits_classes --seeds 1,2 --densities 0.5,0.2 --set model.name=mlp" in again["command"]
    assert len(again["rows"]) == len(done.document["rows"])
    assert {line["seeds"] for line in again["summary"]} == {2}


def test_an_alarm_that_is_off_is_no_setting():
    study = tiny()
    louder = replace(study, values={**study.values, "collapse": {"threshold": 0.3}})
    assert louder.digest == study.digest
    settings = {"schedule": "fraction"}
    on = [{**study.values, "extract": settings, "collapse": {"policy": "warn", "threshold": t}} for t in (0.1, 0.3)]
    assert replace(study, values=on[0]).digest != replace(study, values=on[1]).digest


def test_bits_by_hand():
    """8 weights in layers of 4: masks that keep 2 + 1 and 2 + 0 of them, 3 in all."""
    layout = Layout(("a", "b"), ((4,), (2, 2)))
    first = np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)
    second = np.array([1, 1, 0, 0, 0, 0, 0, 0], bool)
    shared = {"a": torch.zeros(4), "b": torch.zeros(2, 2)}

    def bits(masks, common=True):
        subnetworks = tuple(Subnetwork("s", mask, shared if common else dict(shared), {}, {}) for mask in masks)
        stored = TrainedMethod("m", subnetworks, "per_subset", (1,), 0, 0, 0).stores(layout)
        return stored.bits, stored.bits_bound

    bound = 2 * np.log2(6) + np.log2(4)  # C(4, 2) C(4, 1) and C(4, 2) C(4, 0)
    assert bits([first, second]) == (32 * 3 + 2 * 8, pytest.approx(32 * 3 + bound))
    assert bits([first, first.copy()]) == (32 * 3 + 8, pytest.approx(32 * 3 + np.log2(24)))  # one mask, stored once
    assert bits([first, second], common=False) == (32 * 5 + 2 * 8, pytest.approx(32 * 5 + bound))
    assert bits([None, None]) == (32 * 8, 32 * 8)


def made(values: dict[str, tuple[float, ...]], reduced=None) -> dict:
    """The document of one density where every method got these accuracies, one per seed."""
    seeds = tuple(range(len(next(iter(values.values())))))
    study = replace(tiny(seeds=seeds, densities=(0.1,)), metric="accuracy", reduced=reduced)
    figures = {"recall": 0.5, "roc_auc": None, "params_total": 1000, "bits": 40_000, "bits_bound": 36_000.0}
    steps = {"steps_extract": 7, "steps_joint": 3}
    about = {"density": 0.1, "fingerprint": "abc", "seconds": 2.0, "iou_mean": 0.5, "chance_mean": 0.1}
    cells = {
        (seed, 0.1): {
            "seed": seed,
            **about,
            "environment": {"torch": "2"},
            "rows": [
                {"seed": seed, "density": 0.1, "method": method, "accuracy": each[seed], **figures, **steps}
                for method, each in values.items()
            ],
        }
        for seed in seeds
    }
    return benchmark.document(study, cells)


def test_headlines_say_what_the_intervals_say():
    """Leads of .1, .2, .3: mean .2, half-width 4.303 * .1 / sqrt(3) = .248; of .1 +- .01: .025."""
    document = made(
        {"rtl": (0.6, 0.7, 0.8), "even": (0.5, 0.5, 0.5), "worse": (0.49, 0.6, 0.71), "better": (0.71, 0.8, 0.89)}
    )
    headline = benchmark_report.headline(document, 0.1)
    assert headline == (
        "At density 0.1 RTL has accuracy 0.700: above `worse` by +0.100 [+0.075, +0.125]; "
        "below `better` by -0.100 [-0.125, -0.075]; level with `even`."
    )
    (even,) = [line for line in document["summary"] if line["method"] == "even"]
    assert even["difference"] == pytest.approx(0.2)
    assert even["ci"] == [pytest.approx(0.2 - 0.2484, abs=1e-4), pytest.approx(0.2 + 0.2484, abs=1e-4)]


def test_one_seed_has_no_interval():
    document = made({"rtl": (0.6,), "other": (0.5,)})
    text = benchmark_report.page(document)
    assert "there is no interval with one seed" in text and "| +0.100 |" in text
    assert "nan" not in text.lower()


def test_the_table_and_the_title():
    text = benchmark_report.page(made({"rtl": (0.6, 0.7), "other": (0.5, 0.65)}, reduced="few rows"))
    assert text.startswith(
        "# Ten one-vs-rest tickets for handwritten digits of 8 x 8 pixels (reduced form: few rows)\n"
    )
    assert "| `rtl` | 0.650 | 0.600 0.700 | - | 0.500 | 7 + 3 | 1,000 | 40 |" in text
    assert "| 0.1 | `rtl` | 0.650 | 1,000 | 40 | 36 |" in text


def test_pages_are_made_from_the_written_file_alone(done, tmp_path):
    written = json.loads((done.out / "digits_classes.json").read_text())
    files = benchmark_report.write(written, tmp_path)
    assert [path.name for path in files] == [f"digits_classes{end}" for end in (".md", ".csv", ".svg", "_storage.svg")]
    assert benchmark_report.page(done.document) == files[0].read_text()
    assert len(pd.read_csv(files[1])) == len(written["rows"])
    texts = [{node.text for node in xml.parse(path).iter() if node.text} for path in files[2:]]
    assert {"rtl", "permuted", "density 0.2", "balanced accuracy"} <= texts[0]
    assert {"rtl", "imp_multi", "imp_single_union", "dense"} <= texts[1]
