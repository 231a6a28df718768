"""Outputs become decisions: whose rows, which answers, which scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.evaluate import EvaluationSet
from rtl_core.audit.fairness.ticket_predictions import Decisions
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.tasks.catalogue import TASKS

SUBSET = np.array([0, 1, 0, 1])


def decisions(task: str, classes: tuple[str, ...] = ("no", "yes"), **columns) -> Decisions:
    """Six rows, the last four of them asked; their subsets alternate and their labels are 0, 1, 1, 0."""
    frame = pd.DataFrame({"sex": ["F", "F", "F", "M", "M", "F"], "age": [20, 30, 40, 50, 60, 70], **columns})
    y = np.array([0, 0, 0, 1, 1, 0])
    x, split, unit = np.zeros((6, 1), np.float32), np.array(["train"] * 2 + ["test"] * 4), np.arange(6) // 2
    dataset = Dataset("toy", "table", x, y, classes, frame, split, unit, "toy")
    return Decisions.of(EvaluationSet(dataset, TASKS[task], np.arange(2, 6), SUBSET, ("a", "b")), ("a", "b"))


def test_each_row_is_answered_by_its_own_subsets_ticket():
    own = [np.array([[0.0, 3.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [5.0, 0.0]])]
    decided = decisions("multiclass").by_subset(own)
    assert decided.ticket.tolist() == SUBSET.tolist()
    assert decided.y_true.tolist() == [0, 1, 1, 0]
    assert decided.y_pred.tolist() == [1, 1, 0, 0]
    sigmoid = 1 / (1 + np.exp(-np.array([3.0, 1.0, -2.0, -5.0])))
    assert decided.score == pytest.approx(sigmoid)
    assert decided.groups["sex"].tolist() == ["F", "M", "M", "F"]
    assert decided.unit.tolist() == [1, 1, 2, 2]
    assert "the positive class is 'yes'" in decided.notes


def test_more_classes_have_a_score_each():
    logits = [np.log([[1.0, 2.0, 1.0], [2.0, 1.0, 5.0]])] * 2
    decided = decisions("multiclass", ("x", "y", "z")).by_subset(logits)
    assert decided.y_pred.tolist() == [1, 1, 2, 2]
    assert decided.score[0] == pytest.approx([0.25, 0.5, 0.25])


def test_one_vs_rest_tickets_each_answer_yes_or_no_to_every_row():
    outputs = [np.array([[1.0], [-1.0], [1.0], [0.0]]), np.array([[-1.0], [1.0], [1.0], [1.0]])]
    decided = decisions("one_vs_rest").by_subset(outputs)
    assert decided.ticket.tolist() == [0] * 4 + [1] * 4
    assert decided.y_true.tolist() == [1, 0, 1, 0, 0, 1, 0, 1]
    assert decided.y_pred.tolist() == [1, 0, 1, 0, 0, 1, 1, 1]
    assert decided.unit.tolist() == [1, 1, 2, 2] * 2
    assert decided.groups["sex"].tolist() == ["F", "M", "M", "F"] * 2


def test_a_routers_choice_decides_who_answers():
    all_logits = np.zeros((2, 4, 2))
    all_logits[0, :, 0] = all_logits[1, :, 1] = 1.0  # ticket a always says no, b always yes
    decided = decisions("multiclass").by_choice(all_logits, np.array([1, 1, 0, 0]))
    assert decided.y_pred.tolist() == [1, 1, 0, 0] == decided.ticket.tolist()


def test_the_chosen_one_vs_rest_ticket_is_the_answer():
    all_logits = np.array([[2.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 3.0]])[:, :, None]
    decided = decisions("one_vs_rest").by_choice(all_logits, all_logits[:, :, 0].argmax(axis=0))
    assert decided.y_true.tolist() == SUBSET.tolist()
    assert decided.y_pred.tolist() == [0, 1, 0, 1]
    assert decided.tickets == ("all",) and decided.classes == ("a", "b")
    assert decided.score[0] == pytest.approx(1 / (1 + np.e))


def test_numbers_are_cut_by_all_rows_so_that_splits_have_the_same_groups(monkeypatch):
    monkeypatch.setattr("rtl_core.audit.fairness.groups.FEW_VALUES", 3)
    decided = decisions("multiclass")
    assert decided.groups["age"].cat.categories.tolist() == ["<30", "30 to <40", "40 to <50", ">=50"]
    assert decided.groups["age"].tolist() == ["40 to <50", ">=50", ">=50", ">=50"]
    assert decided.notes == ("age is cut at 30, 40, 50 (at quantiles)",)


def test_data_without_attributes_are_refused():
    eval_set = decisions("multiclass").eval_set
    bare = Dataset("bare", "table", eval_set.dataset.x, eval_set.dataset.y, ("no", "yes"), pd.DataFrame(index=range(6)),
                   eval_set.dataset.split, eval_set.dataset.unit, "bare")  # fmt: skip
    with pytest.raises(BadInput, match="'bare' has no group columns"):
        Decisions.of(
            EvaluationSet(bare, TASKS["multiclass"], eval_set.rows, eval_set.subset, eval_set.names), ("a", "b")
        )
    with pytest.raises(BadInput, match="no group column 'race'; the data have: sex, age"):
        Decisions.of(eval_set, ("a", "b"), ["race"])
