"""The verb `diagnose`: what it prints of a sample, and what it refuses in one line."""

from __future__ import annotations

import json

import pytest


def test_the_sample_collapses_after_its_last_safe_density(rtl, tmp_path):
    code, printed, _ = rtl("diagnose", "collapse", "--runs", tmp_path, "--json")
    document = json.loads(printed)
    assert code == 0 and document["alarm"]["density"] < document["last_safe_density"]
    code, text, _ = rtl("diagnose", "collapse", "--runs", tmp_path)
    assert code == 0 and "last safe density" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing",), "there is no run 'nothing'"),
        (("collapse", "--density", "0.2"), "give --relax too"),
        (("domains", "--relax"), "no safe density is known"),
        (("collapse", "--relax", "--density", "0.001"), "denser masks"),
    ],
)
def test_refusals_in_one_line(rtl, words, message, tmp_path):
    code, out, err = rtl("diagnose", *words, "--runs", tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
