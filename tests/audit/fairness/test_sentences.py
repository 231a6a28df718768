"""Sentences about gaps: the numbers, the direction and the caveat are those of the entry."""

from __future__ import annotations

import re

import pytest

from rtl_core.audit.fairness.sentences import gap_sentence, max_gap_sentence

DOCUMENT = {"level": 0.95, "tests": 40}
GAP = {
    "ticket": "young",
    "metric": "selection_rate",
    "reference": "sex=Male",
    "group": "sex=Female",
    "gap": -0.123,
    "low": -0.145,
    "high": -0.101,
    "value": 0.091,
    "reference_value": 0.214,
    "denominator": 1203,
    "reference_denominator": 2405,
    "min_detectable": 0.04,
    "status": "ok",
    "reason": None,
    "p": 0.00001,
    "p_holm": 0.00031,
}
LARGEST = {
    "ticket": None,
    "metric": "tpr",
    "known_as": "equal_opportunity",
    "columns": ["race", "sex"],
    "groups": 5,
    "gap": 0.3,
    "highest": "race=A,sex=F",
    "lowest": "race=B,sex=M",
    "reason": None,
    "p": 0.02,
    "p_holm": 0.4,
}


def test_a_gap_that_would_be_rare():
    assert gap_sentence(GAP, DOCUMENT) == (
        "Ticket 'young': in sex=Female, cases are selected 12.3 points less often than in sex=Male "
        "(9.1 % of 1,203 against 21.4 % of 2,405; 95 % interval -14.5 to -10.1 points; "
        "this would be rare by chance, adjusted p = .00031)."
    )


def test_a_gap_that_chance_can_make():
    sentence = gap_sentence({**GAP, "ticket": None, "gap": 0.02, "p_holm": 0.27}, DOCUMENT)
    assert sentence.startswith("All tickets together: in sex=Female, cases are selected 2.0 points more often")
    assert sentence.endswith(
        "chance alone can make such a gap in 40 tests, adjusted p = .27; even one test by itself finds only gaps "
        "of 4.0 points or more in four of five such samples)."
    )


def test_the_alarm_follows_the_level_of_the_document():
    gap = {**GAP, "p_holm": 0.02}
    assert "rare by chance" in gap_sentence(gap, DOCUMENT)
    assert "chance alone can" in gap_sentence(gap, {**DOCUMENT, "level": 0.99})


def test_small_and_refused_ones_say_so():
    small = {**GAP, "status": "small", "reason": "sex=Female: fewer than 30 rows (14): not ranked", "p": None}
    assert "not tested: sex=Female: fewer than 30 rows (14): not ranked" in gap_sentence(small, DOCUMENT)
    refused = {**GAP, "metric": "tpr", "gap": None, "reason": "sex=Female: no positives"}
    assert gap_sentence(refused, DOCUMENT) == (
        "Ticket 'young': sex=Female and sex=Male are not compared on true positive rate, "
        "because of sex=Female: no positives."
    )


def test_equal_shares_are_equal():
    assert "cases are selected as often as in sex=Male" in gap_sentence({**GAP, "gap": 0.0, "p_holm": 1.0}, DOCUMENT)


def test_scores_are_no_percentages():
    gap = {**GAP, "metric": "roc_auc", "p": None, "reason": "no permutation test"}
    sentence = gap_sentence(gap, DOCUMENT)
    assert "the ROC AUC is 0.123 lower than in sex=Male (0.091 against 0.214, with 1,203 and 2,405 rows" in sentence
    assert "interval -0.145 to -0.101;" in sentence
    assert "%" not in sentence.replace("95 %", "")


def test_classes_are_named():
    assert gap_sentence({**GAP, "class": "cat"}, DOCUMENT).startswith("Ticket 'young', class 'cat': in sex=Female")
    sentence = gap_sentence({**GAP, "metric": "tpr", "class": None}, DOCUMENT)
    assert "the mean true positive rate of all classes is 12.3 points lower than in sex=Male" in sentence


def test_largest_gaps():
    assert max_gap_sentence(LARGEST, DOCUMENT) == (
        "All tickets together: the largest gap in equal opportunity between groups of race and sex is 30.0 points, "
        "race=B,sex=M being lowest and race=A,sex=F highest of 5 (chance alone can make such a gap in 40 tests, "
        "adjusted p = .4, which does not show that the groups are alike)."
    )
    none = {**LARGEST, "gap": None, "reason": "fewer than two groups have 30 rows in the denominator"}
    assert "because fewer than two groups" in max_gap_sentence(none, DOCUMENT)


@pytest.mark.parametrize("p", [1.0, 0.04999, 0.00001])
def test_no_sentence_speaks_of_causes(p):
    for metric in ("selection_rate", "accuracy", "tpr", "fpr", "fnr", "precision", "balanced_accuracy"):
        sentence = gap_sentence({**GAP, "metric": metric, "p_holm": p}, DOCUMENT)
        assert not re.search(r"because|cause|due to|effect|discriminat|bias|leads? to", sentence)
