"""The audit's JSON: its form, gaps that are there and that are not, and what is refused."""

from __future__ import annotations

import json

import fairlearn.metrics as fair
import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.gaps import exact_p
from rtl_core.audit.fairness.predictions import from_table
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.statistics.intervals import newcombe
from rtl_core.statistics.multiple_tests import holm

RATES = ("selection_rate", "accuracy", "tpr", "fpr", "fnr", "precision")


def random_frame(n: int = 2000, seed: int = 0, gap: float = 0.0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    race, sex = generator.choice(list("ABC"), n), generator.choice(["F", "M"], n, p=[0.4, 0.6])
    y = (generator.random(n) < 0.4).astype(int)
    predicted = (generator.random(n) < 0.2 + 0.5 * y - gap * (sex == "F")).astype(int)
    return pd.DataFrame({"y": y, "said": predicted, "race": race, "sex": sex, "net": generator.choice(["a", "b"], n)})


def audit(frame: pd.DataFrame, *groups: str, roles: dict | None = None, **options) -> dict:
    mapping = {"y_true": "y", "y_pred": "said", "ticket": "net", "groups": list(groups), **(roles or {})}
    settings = AuditSettings(**{"permutations": 200, **options})
    return plain(fairness(from_table(frame, mapping), groups, settings))


def entry(records: list[dict], **fields) -> dict:
    each = [record for record in records if all(record[name] == value for name, value in fields.items())]
    assert len(each) == 1
    return each[0]


def test_the_document_has_the_agreed_form_and_is_json():
    document = audit(random_frame(), "race", "sex")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) >= {"overall", "cells", "gaps", "excluded"}
    cell = {"ticket", "group", "n", "n_pos", "n_neg", "metric", "value", "low", "high", "status"}
    assert all(set(record) >= cell for record in document["cells"])
    assert all(set(record) >= cell - {"group"} and "group" not in record for record in document["overall"])
    gap = {"ticket", "metric", "reference", "group", "gap", "low", "high", "p", "p_holm"}
    assert all(set(record) >= gap for record in document["gaps"])
    groups = {record["group"] for record in document["cells"]}
    assert {"race=A", "sex=F", "race=A,sex=F"} < groups
    assert len(groups) == 3 + 2 + 6
    assert document["references"]["sex"] == "sex=M"


def test_the_same_seed_gives_the_same_document_whatever_else_is_asked():
    frame = random_frame()
    both, one = audit(frame, "race", "sex", seed=3), audit(frame, "race", seed=3)
    assert both == audit(frame, "race", "sex", seed=3)
    p = [[gap["p"] for gap in document["max_gaps"] if gap["columns"] == ["race"]] for document in (both, one)]
    assert p[0] == p[1]
    assert p[0] != [gap["p"] for gap in audit(frame, "race", seed=4)["max_gaps"]]


def test_a_gap_is_signed_against_its_reference():
    frame = random_frame(gap=0.15)
    document = audit(frame, "sex", reference=("sex=M",))
    gap = entry(document["gaps"], ticket=None, metric="tpr")
    positive = frame[frame.y == 1]
    hits, n = positive.groupby("sex").said.sum(), positive.groupby("sex").said.size()
    counts = hits["F"], n["F"], hits["M"], n["M"]
    assert (gap["group"], gap["reference"]) == ("sex=F", "sex=M")
    assert gap["gap"] == pytest.approx(hits["F"] / n["F"] - hits["M"] / n["M"])
    assert (gap["low"], gap["high"]) == pytest.approx(newcombe(*counts))
    assert gap["p"] == pytest.approx(float(exact_p(*counts)))
    assert gap["p_holm"] < 0.05
    back = entry(audit(frame, "sex", reference=("sex=F",))["gaps"], ticket=None, metric="tpr")
    assert (back["gap"], back["p"]) == pytest.approx((-gap["gap"], gap["p"]))


def test_each_question_is_tested_and_adjusted_once():
    document = audit(random_frame(), "sex", metrics=RATES)
    # Two tickets and both together; fnr asks what tpr asks; with two groups the largest gap is the gap;
    # equalised odds are a question of their own.
    assert document["tests"] == 3 * (5 + 1)
    tested = {(gap["ticket"], gap["metric"]): gap for gap in document["gaps"]}
    assert tested["a", "fnr"]["p"] == tested["a", "tpr"]["p"]
    odds = [gap["p"] for gap in document["max_gaps"] if gap["metric"] == "equalized_odds"]
    distinct = [gap["p"] for gap in document["gaps"] if gap["metric"] != "fnr"]
    assert sorted(holm(distinct + odds)[: len(distinct)]) == pytest.approx(
        sorted(gap["p_holm"] for gap in document["gaps"] if gap["metric"] != "fnr")
    )
    for largest in document["max_gaps"]:
        if largest["metric"] in RATES:
            assert largest["p"] == tested[largest["ticket"], largest["metric"]]["p"]


def test_largest_gaps_are_fairlearns():
    frame = random_frame(gap=0.1)
    document = audit(frame, "race", "sex")
    theirs = {
        "demographic_parity": fair.demographic_parity_difference,
        "equal_opportunity": fair.equal_opportunity_difference,
        "equalized_odds": fair.equalized_odds_difference,
    }
    for columns in (["race"], ["sex"], ["race", "sex"]):
        for name, of in theirs.items():
            ours = entry(document["max_gaps"], ticket=None, known_as=name, columns=columns)
            expected = of(frame.y, frame.said, sensitive_features=frame[columns])
            assert ours["gap"] == pytest.approx(expected, abs=1e-12)


def test_a_true_gap_is_found_between_several_groups():
    frame = random_frame(gap=0.15)
    largest = entry(
        audit(frame, "race", "sex")["max_gaps"], ticket=None, known_as="demographic_parity", columns=["sex"]
    )
    assert (largest["highest"], largest["lowest"]) == ("sex=M", "sex=F")
    assert largest["p_holm"] < 0.05


def test_small_groups_are_shown_but_neither_tested_nor_ranked():
    frame = random_frame(500)
    few = pd.DataFrame({"y": [0, 1] * 10, "said": 1, "race": "D", "sex": "F", "net": "a"})
    one = pd.DataFrame({"y": [1], "said": 1, "race": "E", "sex": "F", "net": "a"})
    document = audit(pd.concat([frame, few, one]), "race")
    small = entry(document["gaps"], ticket="a", metric="selection_rate", group="race=D")
    assert small["gap"] is not None and small["p"] is None and small["status"] == "small"
    assert small["reason"] == "race=D: fewer than 30 rows (20): not ranked"
    refused = entry(document["gaps"], ticket="a", metric="selection_rate", group="race=E")
    assert (refused["gap"], refused["low"], refused["p"], refused["status"]) == (None, None, None, "refused")
    assert entry(document["max_gaps"], ticket="a", metric="selection_rate")["highest"] != "race=D"
    assert entry(document["excluded"], ticket="a", group="race=E")["reason"] == "fewer than 10 rows (1)"
    assert entry(document["excluded"], ticket="b", group="race=D")["reason"] == "no rows"


def test_a_category_without_rows_is_excluded():
    frame = random_frame(400)
    frame["race"] = pd.Categorical(frame.race, ["A", "B", "C", "D"])
    assert {record["group"] for record in audit(frame, "race")["excluded"]} == {"race=D"}


def test_the_largest_group_is_the_reference_but_not_the_missing_one():
    frame = random_frame(300)
    frame.loc[frame.race != "A", "race"] = None
    assert audit(frame, "race")["references"] == {"race": "race=A"}


def test_references_are_groups():
    with pytest.raises(BadInput, match="no group 'Male' to compare with; the groups are: sex=F, sex=M"):
        audit(random_frame(100), "sex", reference=("Male",))
    with pytest.raises(BadInput, match="divide the same columns"):
        audit(random_frame(100), "sex", reference=("sex=F", "sex=M"))
    chosen = audit(random_frame(400), "sex", "race", reference=("sex=F", "sex=M,race=B"))
    assert chosen["references"]["sex"] == "sex=F"
    assert chosen["references"]["sex,race"] == "sex=M,race=B"


@pytest.mark.parametrize("options", [{"level": 1.0}, {"permutations": 0}])
def test_levels_and_permutations_make_sense(options):
    with pytest.raises(BadInput, match="level of the intervals"):
        AuditSettings(**options)


def test_notes_say_what_limits_the_audit():
    frame = random_frame(200).assign(sex="F", score=0.5)
    frame.loc[frame.net == "b", "said"] = 1
    frame.loc[3, "score"] = np.nan
    notes = audit(frame, "sex", roles={"score": "score"})["notes"]
    assert "ticket 'b' says '1' to every row" in notes
    assert "sex: all rows are in one group, so nothing can be compared" in notes
    assert any(note.startswith("1 rows have no score and are left out of roc_auc") for note in notes)
    notes = audit(random_frame(2000), "race", "sex", permutations=10)["notes"]
    assert any("too many for 10 permutations" in note for note in notes)


def test_gaps_between_rows_of_the_same_people_have_intervals_but_no_test():
    frame = random_frame(600).assign(person=np.arange(600) // 2)
    document = audit(frame, "sex", roles={"unit": "person", "ticket": None})
    gap = entry(document["gaps"], metric="accuracy")
    assert gap["low"] < gap["gap"] < gap["high"]
    assert (gap["p"], gap["p_holm"]) == (None, None)
    assert "several rows" in gap["reason"]
    assert document["tests"] == 0


def test_metrics_of_scores_have_an_interval_and_no_test():
    frame = random_frame(600)
    frame["score"] = np.random.default_rng(1).random(600)
    gap = entry(audit(frame, "sex", roles={"score": "score"})["gaps"], ticket=None, metric="roc_auc")
    assert gap["low"] < gap["gap"] < gap["high"]
    assert gap["p"] is None and "no permutation test" in gap["reason"]


def test_metrics_are_those_asked_for_or_those_that_can_be_had():
    frame = random_frame(100)
    assert {record["metric"] for record in audit(frame, "sex", metrics=("tpr",))["cells"]} == {"tpr"}
    assert "roc_auc" not in {record["metric"] for record in audit(frame, "sex")["cells"]}
    cell = audit(frame, "sex", metrics=("roc_auc",))["cells"][0]
    assert (cell["status"], cell["reason"]) == ("refused", "there are no scores")


def test_one_ticket_is_not_taken_together_with_itself():
    document = audit(random_frame(200), "sex", roles={"ticket": None})
    assert {record["ticket"] for record in document["cells"]} == {"all"}


def test_more_classes_have_gaps_of_each_and_of_the_mean():
    generator = np.random.default_rng(2)
    frame = random_frame(900)
    frame["y"] = generator.choice(["x", "y", "z"], 900)
    frame["said"] = np.where(generator.random(900) < 0.6, frame["y"], "z")
    document = audit(frame, "sex")
    macro = entry(document["gaps"], **{"ticket": None, "metric": "tpr", "class": None})
    each = [entry(document["gaps"], **{"ticket": None, "metric": "tpr", "class": c})["gap"] for c in "xyz"]
    assert macro["gap"] == pytest.approx(np.mean(each))
    assert 0 < macro["p"] <= 1
    assert entry(document["overall"], **{"ticket": "a", "metric": "tpr", "class": None})["n_pos"] is None


def alarms(n_groups: int, audits: int, permutations: int) -> int:
    """How many audits without any gap raise an adjusted alarm at .05."""
    raised = 0
    for seed in range(audits):
        generator = np.random.default_rng([n_groups, seed])
        n = 100 * n_groups
        y = (generator.random(n) < 0.5).astype(int)
        predicted = (generator.random(n) < 0.2 + 0.6 * y).astype(int)
        frame = pd.DataFrame({"y": y, "said": predicted, "group": generator.integers(0, n_groups, n).astype(str)})
        document = audit(frame, "group", roles={"ticket": None}, metrics=RATES, permutations=permutations, seed=seed)
        tested = [gap["p_holm"] for gap in (*document["gaps"], *document["max_gaps"]) if gap["p"] is not None]
        raised += min(tested) < 0.05
    return raised


def test_without_gaps_few_audits_raise_an_alarm():
    # 13 of 100 or more have a probability of 1 in 700 at a true rate of .05.
    assert alarms(n_groups=5, audits=100, permutations=200) <= 12


@pytest.mark.slow
@pytest.mark.parametrize("n_groups", [2, 5, 10])
def test_without_gaps_at_most_66_of_1000_audits_raise_an_alarm(n_groups):
    assert alarms(n_groups, audits=1000, permutations=2000) <= 66
