"""The verb `benchmark`, on steps so few that it takes seconds, in processes of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
        code, said, progress = rtl("benchmark", "digits_classes", *words, *SETTINGS, "--json")
        assert code == 0 and progress.count("density 0.2 in") == 2 and "2 of 2" in progress
        documents[workers] = json.loads(said)
        files = [Path(file) for file in documents[workers].pop("files")]
        assert len(files) == 5 and all(file.is_file() and file.parent == out for file in files)
    assert documents[1] == documents[2]
    assert list(documents[1]) == ["name", "metric", "seeds", "densities", "rows", "summary"]
    assert [line["method"] for line in documents[1]["summary"]] == ["rtl", "random", "dense"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there is no benchmark 'nothing'"),
        (("domains", "--seeds", "one"), "--seeds wants numbers with commas, for example 21,22,23"),
        (("domains", "--densities", "0"), "density"),
        (("resnet50_clusters",), "--data"),
    ],
)
def test_refusals_in_one_line(rtl, words, said, tmp_path):
    code, out, err = rtl("benchmark", *words, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and said in err
