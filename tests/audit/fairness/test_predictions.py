"""Tables of decisions and their groups: what is read, what is refused, in which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.groups import groupings, tidy_groups
from rtl_core.audit.fairness.predictions import Predictions, from_table
from rtl_core.data.tables import read_table
from rtl_core.errors import BadInput


def table(**columns) -> pd.DataFrame:
    frame = {"y": [0, 1, 1, 0], "said": [0, 1, 0, 0], "sex": ["F", "M", "F", None]}
    return pd.DataFrame({**frame, **columns})


MAPPING = {"y_true": "y", "y_pred": "said", "groups": ["sex"]}


def names(frame: pd.DataFrame, *columns: str) -> list[list[str]]:
    return [[g.names[code] for code in g.code] for g in groupings(tidy_groups(frame)[0], columns)]


def test_a_plain_table():
    predictions = from_table(table(net=["b", "a", "b", "a"]), {**MAPPING, "ticket": "net"})
    assert predictions.y_true.tolist() == [0, 1, 1, 0]
    assert predictions.y_pred.tolist() == [0, 1, 0, 0]
    assert (predictions.classes, predictions.tickets) == (("0", "1"), ("a", "b"))
    assert predictions.ticket.tolist() == [1, 0, 1, 0]
    assert np.isnan(predictions.score).all()
    assert predictions.groups["sex"].tolist() == ["F", "M", "F", "missing"]
    assert len(np.unique(predictions.unit)) == 4


@pytest.mark.parametrize("labels", [[False, True, True, False], [0.0, 1.0, 1.0, 0.0]])
def test_truths_and_predictions_of_other_types_agree(labels):
    assert from_table(table(y=labels), MAPPING).classes == ("0", "1")


def test_scores_make_predictions_strictly_above_the_threshold():
    frame = table(score=[0.5, 0.6, 0.2, 0.9])
    mapping = {"y_true": "y", "score": "score", "groups": ["sex"]}
    assert from_table(frame, mapping).y_pred.tolist() == [0, 1, 0, 1]
    assert from_table(frame, {**mapping, "threshold": 0}).y_pred.tolist() == [1, 1, 1, 1]
    assert "predictions are score > 0.6" in from_table(frame, {**mapping, "threshold": 0.6}).notes


def test_the_positive_class_is_the_named_one_or_the_last():
    frame = table(y=["no", "yes", "yes", "no"], said=["no", "no", "yes", "yes"])
    assert from_table(frame, MAPPING).classes == ("no", "yes")
    assert "the positive class is 'yes'" in from_table(frame, MAPPING).notes
    turned = from_table(frame, {**MAPPING, "positive": "no"})
    assert (turned.classes, turned.y_true.tolist()) == (("yes", "no"), [1, 0, 0, 1])


def test_classes_are_those_of_either_column():
    many = from_table(table(y=["cat", "dog", "dog", "cat"], said=["cat", "dog", "emu", "cat"]), MAPPING)
    assert many.classes == ("cat", "dog", "emu")
    assert many.y_pred.tolist() == [0, 1, 2, 0]
    one = from_table(table(y=["cat", "dog", "emu", "cat"], said=["cat"] * 4), {**MAPPING, "positive": "cat"})
    assert (one.classes, one.y_true.tolist()) == (("not cat", "cat"), [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("columns", "mapping", "words"),
    [
        ({}, {"groups": ["race"]}, "no column 'race'; the table has: 'y', 'said', 'sex'"),
        ({}, {"groups": []}, "Name the group columns"),
        ({}, {"groups": ["sex", "sex"]}, "twice"),
        ({}, {"y_pred": None}, "predictions"),
        ({}, {"colour": "sex"}, "no role 'colour'"),
        ({"y": [0, 1, None, 0]}, {}, "1 rows have no value in 'y'"),
        ({"y": ["a"] * 4, "said": ["a"] * 4}, {}, "All labels are 'a'"),
        ({}, {"positive": "yes"}, "the labels are: 0, 1"),
        ({"s": ["high"] * 4}, {"score": "s"}, "not numbers"),
        ({"s": [0.1, np.inf, 0.2, 0.3]}, {"score": "s"}, "infinite"),
        ({"s": [0.1, None, 0.2, 0.3]}, {"score": "s", "y_pred": None}, "1 rows have no score"),
        ({"s": [0.1] * 4}, {"score": "s", "y_pred": None, "threshold": "high"}, "must be a number, not 'high'"),
        ({"y": [0, 1, 2, 0], "s": [0.1] * 4}, {"score": "s", "y_pred": None}, "3 classes"),
        ({}, {"bins": {"sex": [1]}}, "Only number columns"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(columns, mapping, words):
    with pytest.raises(BadInput, match=words):
        from_table(table(**columns), {**MAPPING, **mapping})


def test_quantities_are_no_labels_and_empty_tables_no_audit():
    frame = pd.DataFrame({"y": np.arange(300) / 7, "said": 0, "sex": "F"})
    with pytest.raises(BadInput, match="at most 100 classes"):
        from_table(frame, MAPPING)
    with pytest.raises(BadInput, match="1 to 1,000,000 rows, not 0"):
        from_table(frame[:0], MAPPING)


def test_parts_of_other_lengths_or_codes_do_not_make_predictions():
    good = vars(from_table(table(), MAPPING))
    with pytest.raises(BadInput, match="4 labels but 3 rows of y_pred"):
        Predictions(**{**good, "y_pred": good["y_pred"][:3]})
    with pytest.raises(BadInput, match="y_true must hold whole numbers from 0 to 1"):
        Predictions(**{**good, "y_true": np.array([0, 1, 2, 0])})
    with pytest.raises(BadInput, match="Scores must be one per row"):
        Predictions(**{**good, "score": np.zeros((4, 2))})


def test_a_csv_file_is_read(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("y,said,sex\n1,0,F\n0,0,M\n", "utf-8")
    assert from_table(read_table(path), MAPPING).y_true.tolist() == [1, 0]


# Groups


def test_intersections_are_named_in_the_order_asked_and_only_where_they_occur():
    frame = pd.DataFrame({"sex": ["F", "M", "F"], "race": ["B", "W", None]})
    assert names(frame, "sex", "race")[2] == ["sex=F,race=B", "sex=M,race=W", "sex=F,race=missing"]
    assert names(frame, "race", "sex")[2][0] == "race=B,sex=F"
    both = groupings(tidy_groups(frame)[0], ["sex", "race"])[2]
    assert len(both.names) == 3
    assert dict(zip(both.names, both.missing.tolist(), strict=True))["sex=F,race=missing"]


def test_three_columns_meet():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({name: generator.choice(list("xyz"), 50) for name in "abc"})
    expected = [f"a={a},b={b},c={c}" for a, b, c in frame.itertuples(index=False)]
    assert names(frame, "a", "b", "c")[3] == expected


def test_whole_numbers_of_few_values_stay_even_beside_missing_ones():
    assert names(pd.DataFrame({"n": [2, 10, None]}), "n") == [["n=2", "n=10", "n=missing"]]
    assert groupings(tidy_groups(pd.DataFrame({"n": [2, 10, None]}))[0], ["n"])[0].names[0] == "n=2"


def test_many_numbers_are_cut_at_quartiles_that_occur():
    frame, notes = tidy_groups(pd.DataFrame({"age": [*range(20), None]}))
    assert frame["age"].value_counts(sort=False).tolist() == [4, 5, 5, 6, 1]
    assert list(frame["age"].cat.categories) == ["<4", "4 to <9", "9 to <14", ">=14", "missing"]
    assert notes == ("age is cut at 4, 9, 14 (at quantiles)",)


def test_cut_points_belong_to_the_range_above():
    frame, notes = tidy_groups(pd.DataFrame({"age": [24.9, 25, 39.5, 40]}), {"age": [25, 40]})
    assert frame["age"].tolist() == ["<25", "25 to <40", "25 to <40", ">=40"]
    assert notes == ("age is cut at 25, 40 (as given)",)


def test_a_column_of_mostly_one_number_is_cut_above_it():
    frame, _ = tidy_groups(pd.DataFrame({"gain": [0] * 90 + list(range(5, 25))}))
    assert frame["gain"].value_counts(sort=False).to_dict() == {"<5": 90, ">=5": 20}


def test_a_column_without_values_is_one_group_of_missing_ones():
    assert tidy_groups(pd.DataFrame({"age": [np.nan, np.nan]}))[0]["age"].tolist() == ["missing", "missing"]


@pytest.mark.parametrize("cuts", [[], [3, 3], [5, 1], [np.nan], 1])
def test_cut_points_rise(cuts):
    with pytest.raises(BadInput, match="cut"):
        tidy_groups(pd.DataFrame({"age": range(30)}), {"age": cuts})


def test_categories_keep_their_order_and_those_without_rows():
    column = pd.Categorical(["low", "high", None], ["low", "high", "top"], ordered=True)
    grouping = groupings(tidy_groups(pd.DataFrame({"wage": column}))[0], ["wage"])[0]
    assert grouping.names == ("wage=low", "wage=high", "wage=top", "wage=missing")
    assert grouping.code.tolist() == [0, 1, 3]


def test_the_text_missing_and_mixed_types_make_no_second_group():
    assert names(pd.DataFrame({"c": ["missing", None, 1, "1"]}, dtype=object), "c") == [
        ["c=missing", "c=missing", "c=1", "c=1"]
    ]


def test_too_many_groups_are_refused():
    ids = pd.DataFrame({"id": [f"p{i}" for i in range(10_000)], "half": np.arange(10_000) % 2})
    with pytest.raises(BadInput, match="column 'id' makes 10,000 groups; at most 200"):
        tidy_groups(ids)
    ids["id"] = [f"p{i // 66}" for i in range(10_000)]
    with pytest.raises(BadInput, match="intersection of id and half makes 304 groups"):
        groupings(tidy_groups(ids)[0], ["id", "half"])


def test_group_columns_are_there_and_named_once():
    frame = tidy_groups(pd.DataFrame({"sex": ["F", "M"]}))[0]
    for columns, words in ((["race"], "have: sex"), ([], "at least one"), (["sex", "sex"], "twice")):
        with pytest.raises(BadInput, match=words):
            groupings(frame, columns)
