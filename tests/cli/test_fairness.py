"""The verb `fairness`, on the Adult sample and on tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    """120 decisions with a gap: men are always selected, women never."""
    frame = pd.DataFrame({"sex": ["F", "M"] * 60, "y_true": np.tile([0, 0, 1, 1], 30), "risk": [0.3, 0.8] * 60})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    frame.to_parquet(tmp_path / "mine.parquet")
    return tmp_path / "mine.csv"


def document(result: tuple[int, str, str]) -> dict:
    code, out, err = result
    assert code == 0, err
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_a_sample_has_the_agreed_fields(rtl):
    result = document(rtl("fairness", "adult", "--groups", "sex,race", "--metrics", "tpr,accuracy", "--json"))
    assert {"overall", "cells", "gaps", "excluded"} <= set(result)
    assert {cell["metric"] for cell in result["cells"]} == {"tpr", "accuracy"}
    assert {"race=Black", "sex=Female", "sex=Female,race=Black"} < {cell["group"] for cell in result["cells"]}
    fields = {"ticket", "group", "n", "n_pos", "n_neg", "metric", "value", "low", "high", "status"}
    assert all(fields <= set(cell) for cell in result["cells"])
    assert None in {cell["ticket"] for cell in result["overall"]} > {"25-34", "65 and over"}


def test_the_reference_and_the_extras_are_as_asked(rtl):
    ask = ("--groups", "sex", "--reference", "sex=Female", "--extras", "decomposition, density", "--metrics", "tpr")
    result = document(rtl("fairness", "adult", *ask, "--json"))
    assert {gap["group"] for gap in result["gaps"]} == {"sex=Male"}
    assert result["decomposition"] and result["by_density"] and "where" not in result


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_enough(rtl, table, suffix):
    path = table.with_suffix(suffix)
    result = document(rtl("fairness", "--table", path, "--groups", "sex", "--score", "risk", "--json"))
    rates = {cell["group"]: cell["value"] for cell in result["cells"] if cell["metric"] == "selection_rate"}
    assert rates == {"sex=F": 0.0, "sex=M": 1.0}
    low = document(
        rtl("fairness", "--table", path, "--groups", "sex", "--score", "risk", "--threshold", "0.9", "--json")
    )
    assert {cell["value"] for cell in low["cells"] if cell["metric"] == "selection_rate"} == {0.0}


def test_people_get_sizes_then_rates_then_sentences(rtl, table):
    code, out, err = rtl("fairness", "--table", table, "--groups", "sex", "--score", "risk")
    assert (code, err) == (0, "")
    sizes, rates, gaps = (out.index(piece) for piece in ("120 rows of mine.csv", "selection rate", "beyond chance"))
    assert sizes < rates < gaps
    assert "cases are selected 100.0 points more often" in " ".join(out.split())


def test_people_get_the_further_questions_in_tables(rtl):
    code, out, _ = rtl("fairness", "adult", "--groups", "sex", "--extras", "routing,decomposition", "--metrics", "tpr")
    assert code == 0
    for piece in ("16,281 rows of adult", "router context", "lead over best", "within", "fewer than 30"):
        assert piece in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adult",), "--groups"),
        (("--groups", "sex"), "--table"),
        (("adult", "--groups", "shoe"), "shoe"),
        (("adult", "--groups", "sex", "--score", "risk"), "--table"),
        (("fashion10", "--groups", "sex"), "no group columns"),
        (("no-such-run", "--groups", "sex"), "no-such-run"),
        (("--table", "/nowhere.csv", "--groups", "sex"), "nowhere.csv"),
        (("adult", "--table", "/nowhere.csv", "--groups", "sex"), "one of the two"),
        (("--table", "/nowhere.csv", "--method", "dense", "--groups", "sex"), "--method"),
    ],
)
def test_bad_input_is_one_clear_line(rtl, arguments, says):
    code, out, err = rtl("fairness", *arguments, "--json")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and says in err


def test_a_table_without_the_columns_named_says_which_it_has(rtl, table):
    code, _, err = rtl("fairness", "--table", table, "--groups", "age", "--score", "risk")
    assert code == 2 and "'age'; the table has: 'sex', 'y_true', 'risk'" in err
