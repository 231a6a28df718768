"""The verb `report`: what it writes, what it says, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def rtl(rtl):
    """The same for the verb `report`."""
    return lambda *arguments: rtl("report", *arguments)


@pytest.fixture
def decisions(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    truth, answer = rng.integers(0, 2, (2, 400))
    frame = pd.DataFrame({"truth": truth, "answer": answer, "sex": np.where(rng.random(400) < 0.5, "f", "m")})
    frame.to_parquet(tmp_path / "decisions.parquet")
    return tmp_path / "decisions.parquet"


def test_a_table_of_any_models_predictions(rtl, decisions, tmp_path):
    out = tmp_path / "table.html"
    columns = ("--y-true", "truth", "--y-pred", "answer", "--groups", "sex", "--metrics", "tpr")
    code, printed, error = rtl("--table", decisions, *columns, "--out", out, "--json")
    assert (code, error) == (0, "")
    document = json.loads(printed)
    assert document["table"] == "decisions.parquet" and document["run"] is None
    assert document["bytes"] == out.stat().st_size
    assert "Audit of the predictions in decisions.parquet" in out.read_text("utf-8")
    assert "True positive rate" in out.read_text("utf-8") and "False positive rate" not in out.read_text("utf-8")


def test_a_run(rtl, tmp_path):
    out = tmp_path / "run.html"
    code, printed, _ = rtl("fashion10", "--out", out)
    assert code == 0 and printed.startswith(str(out)[:40]) and "collapse diagnosis" in printed
    assert out.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "one of the two"),
        (("adult", "--table", "x.csv"), "one of the two"),
        (("adult", "--y-true", "income"), "--y-true describes a table"),
        (("adult", "--groups", "shoe size"), "shoe size"),
        (("adult", "--out", "no/such/folder/report.html"), "name a file in a folder that is there"),
        (("--table", "nowhere.csv", "--groups", "sex"), "nowhere.csv"),
        (("--table", "nowhere.csv", "--groups", "sex", "--method", "dense"), "belong to a run"),
        (("nowhere",), "nowhere"),
    ],
)
def test_bad_input_is_one_clear_line(rtl, tmp_path, arguments, sentence):
    out = () if "--out" in arguments else ("--out", tmp_path / "report.html")
    code, printed, error = rtl(*arguments, *out)
    assert (code, printed) == (2, "")
    assert error.startswith("error: ") and error.count("\n") == 1 and sentence in error
    assert not (tmp_path / "report.html").exists()
