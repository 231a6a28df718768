"""The verb `benchmark`, on steps so few that it takes seconds, in processes of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

TINY = (
    "model.name=mlp",
    "model.width=0.1",
    "extract.steps=1",
    "extract.warm_steps=0",
    "joint.steps=1",
    "partition.by=kmeans",
    "partition.k=2",
    "data.limit=200",
)
SETTINGS = [word for setting in (*TINY, 'controls=["random", "dense"]') for word in ("--set", setting)]


def test_two_processes_give_what_one_gives(rtl, tmp_path):
    documents = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        words = ("--seeds", "1,2", "--densities", ".2", "--workers", workers, "--out", out)
        code, printed, progress = rtl("benchmark", "digits_classes", *words, *SETTINGS, "--json")
        assert code == 0 and progress.count("density 0.2 in") == 2 and "2 of 2" in progress
        documents[workers] = json.loads(printed)
        files = [Path(file) for file in documents[workers].pop("files")]
        assert len(files) == 5 and all(file.is_file() and file.parent == out for file in files)
    assert documents[1] == documents[2]
    assert list(documents[1]) == ["name", "metric", "seeds", "densities", "rows", "summary"]
    assert [line["method"] for line in documents[1]["summary"]] == ["rtl", "random", "dense"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "there is no benchmark 'nothing'"),
        (("domains", "--seeds", "one"), "--seeds wants numbers with commas, for example 21,22,23"),
        (("domains", "--densities", "0"), "density"),
        (("resnet50_clusters",), "--data"),
        (("domains", "--data", ""), "'' names no data"),
    ],
)
def test_refusals_in_one_line(rtl, words, message, tmp_path):
    code, out, err = rtl("benchmark", *words, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished benchmark of two cells, as text."""
    from rtl_core.studies import benchmark, benchmark_jobs

    out = tmp_path_factory.mktemp("results")
    study = benchmark.study("digits_classes", (1,), (0.5, 0.2), None, SETTINGS[1::2])
    benchmark_jobs.run(study, out, 1, lambda cell: None)
    return (out / "digits_classes.json").read_text()


def without(key: str, section: str):
    def damage(kept: dict) -> None:
        del kept[section][0][key]

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        without("fingerprint", "cells"),
        without("environment", "cells"),
        without("seed", "cells"),
        without("accuracy", "rows"),
        without("method", "rows"),
        lambda kept: kept["rows"].pop(0),
        lambda kept: kept["rows"].clear(),
        lambda kept: kept.update(cells=5),
        lambda kept: kept["cells"][0].update(seconds="long"),
        lambda kept: kept.pop("digest"),
    ],
)
def test_a_damaged_file_is_refused_before_anything_is_trained_and_stays(rtl, tmp_path, finished, damage):
    kept = json.loads(finished)
    damage(kept)
    refused(rtl, tmp_path, json.dumps(kept))


def test_a_file_cut_short_or_of_something_else_is_refused_and_stays(rtl, tmp_path, finished):
    for text in (finished[: len(finished) // 2], "", "[]", '{"a": 1}'):
        refused(rtl, tmp_path, text)


def refused(rtl, out: Path, text: str) -> None:
    file = out / "digits_classes.json"
    file.write_text(text)
    words = ("--seeds", "1", "--densities", ".5,.2", "--workers", 1, "--out", out)
    code, printed, err = rtl("benchmark", "digits_classes", *words, *SETTINGS)
    assert (code, printed) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert "move it away or choose another --out" in err
    assert file.read_text() == text and len(list(out.iterdir())) == 1


def test_an_out_that_cannot_be_made_is_refused_before_anything_is_trained(rtl, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = rtl("benchmark", "digits_classes", "--out", tmp_path / "file" / "below")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "cannot be made: Not a directory" in err
