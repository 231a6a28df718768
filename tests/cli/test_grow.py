"""The verbs that change which tickets there are, on a table small enough to train in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rtl_core.config import parse
from rtl_core.runs.training import train_new
from tests.toy_run import toy

pytestmark = pytest.mark.long

TOWNS = ("Aix", "Bern", "Cork", "Dover")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root) -> str:
    """The name of a run with a ticket for each of four towns."""
    draw = np.random.default_rng(0)
    a = draw.normal(size=320)
    columns = {"a": a, "town": np.array(TOWNS)[np.arange(320) % 4], "yes": np.where(a > 0, "yes", "no")}
    pd.DataFrame(columns).to_csv(root / "people.csv", index=False)
    values = toy(
        data={"spec": f"csv:{root / 'people.csv'}", "target": "yes", "groups": ["town"]},
        partition={"by": "attribute", "column": "town"},
        model={"name": "mlp", "width": 0.1},
    )
    return train_new(parse(values), root)["run"]


def test_remove_and_grow_back(rtl, run, root):
    code, out, _ = rtl("remove", run, "--ticket", "Dover", "--runs", root, "--json")
    assert code == 0
    left = json.loads(out)["run"]
    growing = ("grow", left, "--data", f"csv:{root / 'people.csv'}", "--set", "gated.steps=3", "--runs", root)
    code, out, _ = rtl(*growing, "--json")
    document = json.loads(out)
    assert (code, document["grown"]["ticket"], document["grown"]["steps"]) == (0, "Dover", 3)
    assert document["forgetting"] == [0.0] * 3
    code, out, _ = rtl(*growing)
    assert code == 0 and out.startswith("had ") and "largest change of any old ticket's logit" in out


def test_merge_and_redundancy(rtl, run, root):
    code, out, _ = rtl("merge", run, "--tickets", "Aix, Bern", "--how", "intersection", "--runs", root)
    assert code == 0 and "change" in out and "Bern" in out
    code, out, _ = rtl("redundancy", run, "--pairs", "1", "--runs", root)
    assert code == 0 and "a merge may cost 0.01" in out
    code, out, _ = rtl("redundancy", run, "--runs", root, "--json")
    assert len(json.loads(out)["pairs"]) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("grow",), "Missing option '--data'"),
        (("grow", "--data", "csv:nowhere.csv"), "there is no nowhere.csv"),
        (("grow", "--data", "bundled:digits", "--set", "seed=1"), "grow takes the settings gated.steps"),
        (("remove", "--ticket", "nobody"), "no ticket 'nobody'"),
        (("merge", "--tickets", "Aix"), "two or more tickets"),
    ],
)
def test_refusals_in_one_line(rtl, run, root, words, message):
    code, out, err = rtl(words[0], run, *words[1:], "--runs", root)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
