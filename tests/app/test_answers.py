"""How answers that are no classes are drawn: colours and errors that are known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from app import colours, tasks
from app.answers import boxes, close_look
from app.answers.drawing import MISSED, RIGHT, WRONG
from rtl_core.data.dataset import IGNORED
from rtl_core.models.detector_maps import GEOMETRY, STRIDE
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


def label_map(answer: list[list[int]], labels: int = 3) -> np.ndarray:
    """Outputs of which `answer` is the likeliest label, with a probability that is known."""
    return np.log(0.2 / (labels - 1) + (0.8 - 0.2 / (labels - 1)) * np.eye(labels)[np.array(answer)]).transpose(2, 0, 1)


def test_places_are_touching_pixels_of_one_mistake_the_largest_first():
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, IGNORED]])
    answer = [[1, 0, 0, 0], [0, 1, 0, 1], [2, 0, 2, 0]]  # diagonal pixels touch by no side
    places = LABELS.regions(label_map(answer), truth, ("sky", "sea", "land"))
    seen = [(place.numbers["true"], place.numbers["answered"], place.numbers["pixels"], place.box) for place in places]
    assert seen[0] == ("sea", "sky", 3, (2, 0, 4, 2))
    assert sorted(seen[1:]) == [
        ("land", "sky", 1, (1, 2, 2, 3)),
        ("sky", "sea", 1, (0, 0, 1, 1)),
        ("sky", "sea", 1, (1, 1, 2, 2)),
    ]  # the ignored pixel is no mistake
    assert places[0].numbers["share of the picture"] == 3 / 12
    assert places[0].numbers["probability of the answer"] == pytest.approx(0.8)
    assert places[0].numbers["probability of the truth"] == pytest.approx(0.1)
    assert {place.outcome for place in places} == {"wrong"}


@pytest.mark.parametrize(("share", "edge"), [(0, 0), (25, 1), (100, 4)])
def test_the_slider_shows_the_answer_up_to_its_column_and_the_truth_beyond(share, edge):
    truth, outputs = np.zeros((2, 4), int), label_map([[1] * 4] * 2)
    look = close_look.Look("a", LABELS, outputs, truth, None, ())
    pixels, columns = close_look.blended(look, share)
    assert columns == edge
    assert (pixels[:, :edge] == LABELS.of_answer(outputs, None)[:, :edge]).all()
    assert (pixels[:, edge:] == LABELS.of_truth(truth, None)[:, edge:]).all()


def test_a_perfect_answer_has_no_place_to_click():
    look = close_look.Look("a", LABELS, label_map([[0, 1], [2, 0]]), np.array([[0, 1], [2, 0]]), None, ())
    assert look.regions == [] and close_look.title("a", []) == "a makes no mistake in this picture"


def detector(*answers: tuple[int, float, tuple[float, float, float, float]], cells: int = 8) -> np.ndarray:
    """Maps of two classes that give just these boxes: class, score and corners in pixels, each in a cell of its own."""
    maps = np.zeros((2 + GEOMETRY, cells, cells), np.float32)
    maps[:2] = -20
    for class_, score, (x0, y0, x1, y1) in answers:
        x, y = (x0 + x1) / 2 / STRIDE, (y0 + y1) / 2 / STRIDE
        column, row = int(x), int(y)
        maps[class_, row, column] = np.log(score / (1 - score))
        geometry = np.log((x1 - x0) / STRIDE), np.log((y1 - y0) / STRIDE), x - column, y - row
        maps[2:, row, column] = geometry
    return maps


def true_boxes(*rows: tuple[int, float, float, float, float]) -> np.ndarray:
    return np.array([*rows, (-1, 0, 0, 0, 0)], float)


def test_boxes_are_found_missed_or_false_and_say_by_how_much():
    side = STRIDE * 2
    here, shifted, far = (0, 0, side, side), (side / 4, 0, 1.25 * side, side), (3 * side, 3 * side, 4 * side, 4 * side)
    outputs = detector((0, 0.9, shifted), (1, 0.6, far))
    places = boxes.regions(outputs, true_boxes((0, *here), (0, *far)), ("cell", "other"))
    by_outcome = {place.outcome: place for place in places}
    assert [place.outcome for place in places] == ["missed", "false", "right"]
    assert by_outcome["missed"].box == far and by_outcome["missed"].numbers["true"] == "cell"
    assert by_outcome["false"].numbers["answered"] == "other"  # in the right place, by the wrong name
    assert by_outcome["false"].numbers["score"] == pytest.approx(0.6, abs=1e-4)
    assert by_outcome["right"].box == pytest.approx(shifted, abs=1e-3)
    assert by_outcome["right"].numbers["IoU with the truth"] == pytest.approx(0.75 / 1.25, abs=1e-4)
    assert close_look.title("a", places) == "a finds 1 of 2, with 1 false alarm"


def test_the_surest_of_two_answers_finds_the_box_and_the_other_is_false():
    side, aside = STRIDE * 7, STRIDE * 2
    outputs = detector((0, 0.5, (0, 0, side, side)), (0, 0.8, (aside, 0, side + aside, side)), cells=12)
    places = boxes.regions(outputs, true_boxes((0, 0, 0, side, side)), ("cell", "other"))
    assert [(place.outcome, round(place.numbers["score"], 2)) for place in places] == [("false", 0.5), ("right", 0.8)]


def test_errors_of_boxes_are_drawn_in_three_colours_over_the_picture():
    side = STRIDE * 2
    here, there, far = ((i * side * 1.0, i * side, (i + 1) * side, (i + 1) * side) for i in (0, 1, 3))
    outputs, truth = detector((0, 0.9, here), (0, 0.9, there)), true_boxes((0, *here), (0, *far))
    picture = np.full((STRIDE * 8, STRIDE * 8, 3), 200, np.uint8)
    drawn = tasks.ANSWERS["boxes"].of_error(outputs, truth, picture)
    times = boxes.enlarged(picture.shape[:2])
    assert drawn.shape == (picture.shape[0] * times, picture.shape[1] * times, 3)
    for colour, box in ((RIGHT, here), (WRONG, there), (MISSED, far)):
        x0, y0 = (int(end * times) for end in box[:2])
        assert (drawn[y0, x0 + times] == colours.rgb(colour)).all()
    assert (drawn == 200).all(axis=2).mean() > 0.9
    nothing = boxes.BOXES.of_truth(true_boxes(), None)
    assert nothing.ndim == 3 and boxes.regions(detector(), true_boxes(), ()) == []
