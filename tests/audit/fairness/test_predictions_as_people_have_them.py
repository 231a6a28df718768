"""Tables of predictions as people have them: no figure of labels, scores or groups that do not fit together."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.predictions import from_table
from rtl_core.comma_lists import joined, listed
from rtl_core.data.tables import read_table
from rtl_core.errors import BadInput
from rtl_core.runs.fairness import audit_table

MAPPING = {"y_true": "y_true", "y_pred": "y_pred", "groups": ["sex"]}
N = 120
TPR = AuditSettings(metrics=("tpr",), permutations=1)


@pytest.fixture(scope="module")
def decided() -> pd.DataFrame:
    """120 decisions on two groups, 0 and 1."""
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, N)
    return pd.DataFrame(
        {"sex": draw.choice(["Female", "Male"], N), "y_true": y, "y_pred": np.where(draw.random(N) < 0.2, 1 - y, y)}
    )


def cells(predictions, metric: str) -> dict[str, float]:
    audit = fairness(predictions, ["sex"], AuditSettings(metrics=(metric,), permutations=1))
    return {cell.group: cell.value for cell in audit.cells}


def rates(frame: pd.DataFrame) -> dict[str, float]:
    """The TPR of each group, with plain pandas."""
    positive = frame[frame["y_true"] == 1]
    return {f"sex={sex}": rows["y_pred"].mean() for sex, rows in positive.groupby("sex")}


def labelled(frame, column, **labels) -> pd.Series:
    return frame[column].map({0: labels["no"], 1: labels["yes"]})


@pytest.mark.parametrize("positive", [None, "yes"])
@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        (("No", "Yes"), (0, 1)),
        (("No", "Yes"), ("no", "yes")),
        (("False", "True"), ("0", "1")),
        (("false", "true"), (False, True)),
        ((0, 1), (-1, 1)),
        ((-1, 1), (0, 1)),
        ((1, 2), (0, 1)),
        (("bad", "good"), ("denied", "granted")),
        (("0.0", "1.0"), ("0", "1")),
    ],
)
def test_labels_that_do_not_meet_are_refused_with_both_lists(decided, true, predicted, positive):
    frame = decided.assign(
        y_true=labelled(decided, "y_true", no=true[0], yes=true[1]),
        y_pred=labelled(decided, "y_pred", no=predicted[0], yes=predicted[1]),
    )
    mapping = {**MAPPING, "positive": str(true[1])} if positive else MAPPING
    with pytest.raises(BadInput) as refusal:
        from_table(frame, mapping)
    as_text = [str(int(label)) if isinstance(label, bool) else str(label) for label in (*true, *predicted)]
    assert all(f"'{label}'" in str(refusal.value) for label in as_text)


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        ((0, 1), (0.0, 1.0)),
        ((False, True), (0, 1)),
        ((False, True), ("0", "1")),
        (("No", "Yes"), ("No", "Yes")),
        (("No", "Yes"), ("No ", " Yes")),
        (("<=50K", ">50K"), ("<=50K.", ">50K.")),
        (("nein", "jä"), ("nein", unicodedata.normalize("NFD", "jä"))),
    ],
)
def test_labels_that_meet_give_the_rates_of_plain_pandas(decided, true, predicted):
    frame = decided.assign(
        y_true=labelled(decided, "y_true", no=true[0], yes=true[1]),
        y_pred=labelled(decided, "y_pred", no=predicted[0], yes=predicted[1]),
    )
    positive = "1" if isinstance(true[1], int) else str(true[1])
    assert cells(from_table(frame, {**MAPPING, "positive": positive}), "tpr") == pytest.approx(rates(decided))


def test_one_column_in_two_ways_of_writing_is_refused(decided):
    y = labelled(decided, "y_true", no="No", yes="Yes").where(decided.index > 5, "yes")
    with pytest.raises(BadInput, match="'Yes' and 'yes' differ in capitals only"):
        from_table(decided.assign(y_true=y, y_pred="Yes"), MAPPING)


def test_many_classes_may_differ_but_not_by_a_shift():
    y = np.arange(60) % 5
    frame = pd.DataFrame({"sex": "F", "y_true": y, "y_pred": y + 1})
    with pytest.raises(BadInput, match="'0', '1', '2', '3', '4', 'y_pred' holds '1', '2', '3', '4', '5'"):
        from_table(frame, MAPPING)
    rare = from_table(frame.assign(y_pred=np.where(y == 4, 7, y)), MAPPING)
    assert rare.classes == ("0", "1", "2", "3", "4", "7") and "predicted, but never true: '7'" in rare.notes


@pytest.mark.parametrize("scores", [[0.25, 0.75], [0.5, 1.0], [0.1, 0.2, 0.9]])
def test_probabilities_are_no_predictions(decided, scores):
    with pytest.raises(BadInput, match="these are scores and no predictions"):
        from_table(decided.assign(y_pred=scores * (N // len(scores))), MAPPING)


def test_a_word_for_a_missing_label_is_no_class(decided):
    y = labelled(decided, "y_true", no="No", yes="Yes")
    with pytest.raises(BadInput, match="'NA' stands in one column of labels only"):
        from_table(decided.assign(y_true=y.where(decided.index % 5 > 0, "NA"), y_pred=y), MAPPING)


@pytest.mark.parametrize("scores", [range(1, 11), [-3.5, 2.25], [0, 100], [0.5, 1.01]])
def test_scores_outside_0_to_1_demand_a_threshold(decided, scores):
    score = np.resize(list(scores), N).astype(float)
    mapping = {"y_true": "y_true", "score": "score", "groups": ["sex"]}
    with pytest.raises(BadInput, match="--threshold"):
        from_table(decided.assign(score=score), mapping)
    middle = float(np.median(score))
    answered = from_table(decided.assign(score=score), {**mapping, "threshold": middle})
    expected = rates(decided.assign(y_pred=(score > middle).astype(int)))
    assert cells(answered, "tpr") == pytest.approx(expected)


def test_scores_from_0_to_1_are_cut_at_half(decided):
    score = np.resize([0.0, 0.5, 0.51, 1.0], N)
    answered = from_table(decided.assign(score=score), {"y_true": "y_true", "score": "score", "groups": ["sex"]})
    assert answered.y_pred.tolist() == [0, 0, 1, 1] * (N // 4)


@pytest.mark.parametrize("other", ["Female ", "FEMALE", " female", "Female.", "Fe\u0301male"])
def test_groups_are_normalised_and_said(decided, other):
    first = "Fémale" if "\u0301" in other else "Female"
    sex = decided["sex"].replace("Female", first).where(decided.index % 7 > 0, other)
    answered = from_table(decided.assign(sex=sex), MAPPING)
    assert set(answered.groups["sex"].unique()) == {first, "Male"}
    assert any(f"counts as '{first}'" in note for note in answered.notes)
    again = decided.assign(sex=np.where(sex == "Male", "Male", first))
    assert cells(answered, "tpr") == pytest.approx(rates(again))


def test_blank_groups_are_missing(decided):
    answered = from_table(decided.assign(sex=decided["sex"].where(decided.index > 30, "  ")), MAPPING)
    assert (answered.groups["sex"] == "missing").sum() == 31


def test_tickets_are_normalised(decided):
    ticket = np.resize(["old", "new", "New "], N)
    answered = from_table(decided.assign(ticket=ticket), {**MAPPING, "ticket": "ticket"})
    assert len(answered.tickets) == 2 and np.bincount(answered.ticket).tolist() in ([80, 40], [40, 80])


def test_notes_of_the_file_reach_the_document(tmp_path, decided):
    path = tmp_path / "said.csv"
    text = decided.assign(zip="01234").to_csv(index=False, sep="|")
    path.write_text(text, "utf-8")
    audit = audit_table(path, {}, ["sex"], TPR).report
    assert any("zip" in note for note in audit.notes) and any("vertical bars" in note for note in audit.notes)
    assert read_table(path).attrs["notes"]


def test_columns_with_commas_can_be_named(tmp_path, decided):
    path = tmp_path / "said.csv"
    decided.rename(columns={"sex": "sex, at birth"}).assign(age="40").to_csv(path, index=False)
    audit = audit_table(path, {}, listed('"sex, at birth", age'), TPR).report
    expected = {name.replace("sex=", "sex, at birth="): value for name, value in rates(decided).items()}
    measured = {cell.group: cell.value for cell in audit.cells}
    assert expected.items() <= {name: pytest.approx(value) for name, value in measured.items()}.items()


# Lists with commas


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sex,race", ["sex", "race"]),
        (" sex , race ,", ["sex", "race"]),
        ('"a,b",c', ["a,b", "c"]),
        ('c, "a, b"', ["c", "a, b"]),
        ('"say ""hi"", all"', ['say "hi", all']),
        ('5" pipe, x', ['5" pipe', "x"]),
        ("", []),
    ],
)
def test_lists(text, names):
    assert listed(text) == names
    assert listed(joined(names)) == names


def test_an_open_quote_is_said():
    with pytest.raises(BadInput, match="not closed"):
        listed('"a,b')
