"""How answers that are no classes are drawn: colours and errors that are known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from app import colours, tasks
from rtl_core.tasks.catalogue import TASKS

LABELS, PICTURE = tasks.ANSWERS["label map"], tasks.ANSWERS["picture"]
TRUTH = np.array([[0, 1], [2, 1]])
OUTPUTS = np.eye(3)[np.array([[0, 1], [1, 1]])].transpose(2, 0, 1)  # wrong below on the left


def test_every_task_names_what_is_drawn():
    assert {task.drawn_as for task in TASKS.values()} <= {"class", *tasks.ANSWERS}


def test_labels_have_colours_of_their_own_and_the_legend_the_same():
    drawn = LABELS.of_truth(TRUTH, None)
    named = LABELS.legend(OUTPUTS, ())
    assert [name for name, _ in named] == ["label 0", "label 1", "label 2"]
    for label, (_, colour) in enumerate(named):
        assert (drawn[label == TRUTH] == colours.rgb(colour)).all()
    assert [name for name, _ in LABELS.legend(OUTPUTS, ("sky", "sea", "land"))] == ["sky", "sea", "land"]


def test_the_answer_is_the_likeliest_label_and_its_error_where_that_is_another():
    answer, truth = LABELS.of_answer(OUTPUTS, None), LABELS.of_truth(TRUTH, None)
    error = LABELS.of_error(OUTPUTS, TRUTH, None)
    wrong = np.array([[False, False], [True, False]])
    assert ((answer != truth).any(axis=2) == wrong).all()
    assert ((error == colours.rgb(colours.TICKETS[6])).all(axis=2) == wrong).all()


@pytest.mark.parametrize("level", [0, 255])
def test_labels_lie_over_the_picture_and_let_it_through(level):
    picture = np.full((2, 2, 3), level, np.uint8)
    drawn, alone = LABELS.of_truth(TRUTH, picture).astype(int), LABELS.of_truth(TRUTH, None).astype(int)
    assert (abs(drawn - level) <= abs(alone - level)).all() and (drawn != alone).any()
    assert (LABELS.of_error(OUTPUTS, TRUTH, picture)[0] == level).all()  # nothing is wrong there
    assert (LABELS.of_truth(TRUTH, np.zeros((5, 5, 3), np.uint8)) == alone).all()  # a map of another size stands alone


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_shown_as_it_is_and_the_error_is_how_far_off(channels):
    truth, outputs = np.full((channels, 2, 2), 0.2), np.full((channels, 2, 2), 0.2)
    outputs[:, 0, 0] = 0.8
    assert (PICTURE.of_truth(truth, None) == 51).all() and PICTURE.of_truth(truth, None).shape == (2, 2, 3)
    assert PICTURE.of_error(outputs, truth, None)[..., 0].tolist() == [[153, 0], [0, 0]]
    assert PICTURE.of_answer(outputs + 5, None).max() == 255  # beyond the range is its end
