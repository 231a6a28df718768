"""What is audited: for each row the truth, what a ticket said, which ticket that was, and the row's groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rtl_core.audit.fairness.groups import tidy_groups
from rtl_core.data.plain_columns import is_number, plain_frame
from rtl_core.data.spellings import case_pairs, spelling_key, with_one_spelling
from rtl_core.data.text_columns import MAYBE_WORDS
from rtl_core.errors import BadInput
from rtl_core.tasks.task import Figure

MAX_ROWS = 1_000_000
MAX_CLASSES = 100
ONE_TICKET = "all"  # the ticket of a table that names none
ROLES = ("y_true", "y_pred", "score", "ticket", "unit", "groups", "threshold", "positive", "bins")


@dataclass(frozen=True)
class GroupedRows:
    """The rows that answers are to, as `Predictions` has them: groups, ids of units, notes."""

    groups: pd.DataFrame
    unit: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """n decisions. With two classes the second one is the positive.

    y_true, y_pred   (n,) integers below C
    score            (n,) float, higher for the positive class; with C > 2 also (n, C). NaN where there is none
    ticket           (n,) integers below the number of tickets
    groups           n rows, one column of categories each: see `tidy_groups`
    unit             (n,) ids; rows with the same one are one person or picture and are not independent
    classes, tickets names
    notes            sentences on how the columns were read
    credit           (n,) how well each row is answered, where answers are no classes: there are then no classes, and
                     `y_true`, `y_pred` and `score` say nothing; `credited`: what its mean is called

    Raises BadInput where these do not fit together.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    score: np.ndarray
    ticket: np.ndarray
    groups: pd.DataFrame
    unit: np.ndarray
    classes: tuple[str, ...]
    tickets: tuple[str, ...]
    notes: tuple[str, ...] = ()
    credit: np.ndarray | None = None
    credited: Figure | None = None

    def __post_init__(self) -> None:
        n = len(self.y_true)
        for name in ("y_pred", "score", "ticket", "groups", "unit"):
            if len(getattr(self, name)) != n:
                raise BadInput(f"There are {n} labels but {len(getattr(self, name))} rows of {name}; give one each.")
        if not 0 < n <= MAX_ROWS:
            raise BadInput(f"An audit takes 1 to {MAX_ROWS:,} rows, not {n:,}.")
        if self.decides and not 2 <= len(self.classes) <= MAX_CLASSES:
            raise BadInput(f"An audit takes 2 to {MAX_CLASSES} classes, not {len(self.classes)}.")
        coded = {"ticket": self.tickets, **({"y_true": self.classes, "y_pred": self.classes} if self.decides else {})}
        for name, names in coded.items():
            codes = getattr(self, name)
            if not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0 or codes.max() >= len(names):
                raise BadInput(f"{name} must hold whole numbers from 0 to {len(names) - 1}.")
        if self.score.shape != (n,) and (self.score.shape != (n, self.n_classes) or self.binary):
            raise BadInput(f"Scores must be one per row, or rows x {self.n_classes} with more than two classes.")

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def decides(self) -> bool:
        """Whether answers are decisions, which have rates."""
        return self.credit is None

    @property
    def binary(self) -> bool:
        """Whether figures are of yes and no, and not of each class."""
        return self.n_classes == 2 or not self.decides

    @classmethod
    def of_credit(
        cls, credit: np.ndarray, credited: Figure, ticket: np.ndarray, tickets: tuple[str, ...], rows: GroupedRows
    ) -> Predictions:
        """Answers that are no decisions, by how well each row is answered."""
        nothing = np.zeros(len(credit), np.int64)
        return cls(
            y_true=nothing,
            y_pred=nothing,
            score=np.full(len(credit), np.nan),
            ticket=ticket.astype(np.int64),
            groups=rows.groups,
            unit=rows.unit,
            classes=(),
            tickets=tickets,
            notes=rows.notes,
            credit=credit.astype(float),
            credited=credited,
        )


def from_table(frame: pd.DataFrame, mapping: Mapping[str, Any]) -> Predictions:
    """The decisions of a table with one row per decision.

    mapping   `y_true`, `y_pred`, `score`, `ticket`, `unit`: names of columns; `y_true` and one of `y_pred` and
              `score` are needed. `groups`: names of columns. `threshold` (default .5): without `y_pred` the
              answer is yes where score > threshold; scores outside 0 to 1 need one. `positive`: the class that
              counts as yes, the others being no. `bins`: {group column: cut points, or number of quantile ranges}

    The notes of reading the file, in `frame.attrs["notes"]`, come last. Raises BadInput for columns that are not
    there, rows without a label, a prediction or a ticket, labels that are no classes, and labels of the truth and of
    the predictions that are not the same ones.
    """
    as_read = tuple(frame.attrs.get("notes", ()))
    _check_mapping(frame, mapping)
    frame = plain_frame(frame)
    truth = _whole(frame[mapping["y_true"]])
    notes: list[str] = []
    score = np.full(len(frame), np.nan)
    if mapping.get("score"):
        score = _scores(frame[mapping["score"]])
    if mapping.get("y_pred"):
        truth, predicted, spelled = _spelled_once(truth, _whole(frame[mapping["y_pred"]]))
        notes += spelled
        classes, y_true, y_pred = _classes(truth, predicted, mapping.get("positive"))
        notes += _check_meeting(truth, predicted)
        if len(classes) > 2 and mapping.get("score"):
            score = np.full(len(frame), np.nan)
            notes.append(f"one column of scores does not rank {len(classes)} classes; the scores are not used")
    else:
        truth, _, spelled = _spelled_once(truth, truth)
        notes += spelled[:1]
        classes, y_true, _ = _classes(truth, truth, mapping.get("positive"))
        y_pred = _thresholded(score, classes, mapping, notes)
    tickets, ticket = (ONE_TICKET,), None
    if mapping.get("ticket"):
        column, spelled = with_one_spelling(_whole(frame[mapping["ticket"]]))
        tickets, ticket = _names(column)
        notes += spelled
    groups, cut = tidy_groups(frame[list(mapping["groups"])], mapping.get("bins"))
    return Predictions(
        y_true=y_true,
        y_pred=y_pred,
        score=score,
        ticket=np.zeros(len(frame), np.int64) if ticket is None else ticket,
        groups=groups,
        unit=_names(frame[mapping["unit"]])[1] if mapping.get("unit") else np.arange(len(frame)),
        classes=classes,
        tickets=tickets,
        notes=(*notes, *_positive_note(classes), *cut, *as_read),
    )


def _check_mapping(frame: pd.DataFrame, mapping: Mapping[str, Any]) -> None:
    unknown = sorted(set(mapping) - set(ROLES))
    if unknown:
        raise BadInput(f"There is no role '{unknown[0]}' for a column; the roles are: {', '.join(ROLES)}.")
    if not mapping.get("y_true") or not (mapping.get("y_pred") or mapping.get("score")):
        raise BadInput(
            "Name the column of true labels (y_true) and one of predictions (y_pred) or scores (score); the table has: "
            f"{_columns(frame)}."
        )
    if not mapping.get("groups") or isinstance(mapping["groups"], str):
        raise BadInput("Name the group columns as a list of one or more.")
    if len(set(mapping["groups"])) < len(mapping["groups"]) or not frame.columns.is_unique:
        raise BadInput("A column is there or named as a group twice; each may be there once.")
    columns = [mapping[role] for role in ("y_true", "y_pred", "score", "ticket", "unit") if mapping.get(role)]
    for name in (*columns, *mapping["groups"]):
        if name not in frame:
            raise BadInput(f"There is no column '{name}'; the table has: {_columns(frame)}.")
    if not 0 < len(frame) <= MAX_ROWS:
        raise BadInput(f"An audit takes 1 to {MAX_ROWS:,} rows, not {len(frame):,}.")


def _columns(frame: pd.DataFrame) -> str:
    return ", ".join(f"'{name}'" for name in frame.columns[:30])


def _whole(column: pd.Series) -> pd.Series:
    """The column, if no value is missing; whole floats and booleans become integers so that 1, 1.0 and true agree."""
    missing = int(column.isna().sum())
    if missing:
        raise BadInput(f"{missing:,} rows have no value in '{column.name}'; leave these rows out or fill them in.")
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(np.int64)
    if pd.api.types.is_float_dtype(column.dtype) and (column % 1 == 0).all():
        return column.astype(np.int64)
    return column


def _spelled_once(truth: pd.Series, predicted: pd.Series) -> tuple[pd.Series, pd.Series, list[str]]:
    """Both columns with one spelling of each label, blanks, a dot at the end and Unicode's form apart, and sentences.

    BadInput where labels differ in capitals only.
    """
    if is_number(truth) and is_number(predicted):
        return truth, predicted, []
    both = pd.concat([truth.astype(str), predicted.astype(str)], ignore_index=True)
    both, notes = with_one_spelling(both.rename(f"{truth.name} and {predicted.name}"), fold_case=False)
    pairs = case_pairs(both.unique()[: MAX_CLASSES + 1])
    if pairs:
        raise BadInput(
            f"The labels '{pairs[0][0]}' and '{pairs[0][1]}' differ in capitals only. {_both_lists(truth, predicted)}; "
            "write them alike."
        )
    first = both.iloc[: len(truth)].set_axis(truth.index).rename(truth.name)
    second = both.iloc[len(truth) :].set_axis(predicted.index).rename(predicted.name)
    return first, second, list(notes)


def _check_meeting(truth: pd.Series, predicted: pd.Series) -> list[str]:
    """BadInput where the labels of the truth and of the predictions are not the same ones, or predictions are scores;
    a sentence on labels that are only predicted.

    The labels do not meet where the columns have none in common, where two classes each make more than two, and where
    one column's numbers are the other's, shifted by one.
    """
    true, given = set(truth.unique()), set(predicted.unique())
    if not (is_number(truth) and is_number(predicted)):
        true, given = set(map(str, true)), set(map(str, given))
    elif (predicted % 1 != 0).any() and predicted.between(0, 1).all() and not given <= true:
        raise BadInput(
            f"'{predicted.name}' holds numbers between 0 and 1, such as {predicted[predicted % 1 != 0].iloc[0]:g}: "
            "these are scores and no predictions; name it as the column of scores (score)."
        )
    one_sided = sorted(map(str, (true ^ given) & MAYBE_WORDS))
    if one_sided:
        raise BadInput(
            f"'{one_sided[0]}' stands in one column of labels only and looks like a missing value. "
            f"{_both_lists(truth, predicted)}; leave these rows out or fill them in."
        )
    pairs = len(true) <= 2 and len(given) <= 2 < len(true | given)
    if true.isdisjoint(given) or pairs or _shifted(true, given):
        raise BadInput(f"The labels do not meet. {_both_lists(truth, predicted)}; write both with the same labels.")
    only = given - true
    return [f"predicted, but never true: {_quoted(sorted(map(str, only)))}"] if only else []


def _shifted(true: set, given: set) -> bool:
    """Whether numbers from 0 on stand in one column and the same from 1 on in the other."""
    numbers = all(isinstance(value, int | float | np.number) for value in true | given)
    return numbers and true != given and any({value + step for value in given} == true for step in (-1, 1))


def _both_lists(truth: pd.Series, predicted: pd.Series) -> str:
    return f"'{truth.name}' holds {_quoted(_texts(truth))}, '{predicted.name}' holds {_quoted(_texts(predicted))}"


def _quoted(texts: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(f"'{text}'" for text in texts[:most])
    return shown + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def _texts(column: pd.Series) -> list[str]:
    """Its different values as text, sorted."""
    return [str(value) for value in np.sort(column.unique() if is_number(column) else column.astype(str).unique())]


def _classes(truth: pd.Series, predicted: pd.Series, positive: Any) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """(class names, codes of the truth, codes of the predictions); the classes are all values of either column."""
    numbers = pd.api.types.is_numeric_dtype(truth.dtype) and pd.api.types.is_numeric_dtype(predicted.dtype)
    both = pd.concat([truth, predicted], ignore_index=True)
    codes, values = pd.factorize(both if numbers else both.astype(str), sort=True)
    if len(values) > MAX_CLASSES:
        raise BadInput(
            f"'{truth.name}' and '{predicted.name}' have {len(values):,} different values; "
            f"an audit takes at most {MAX_CLASSES} classes, and scores belong under score."
        )
    names = tuple(str(value) for value in values)
    if positive is not None:
        chosen = next((name for name in names if spelling_key(name) == spelling_key(str(positive))), None)
        if chosen is None:
            raise BadInput(f"'{positive}' is to be the positive class, but the labels are: {', '.join(names)}.")
        codes = (codes == names.index(chosen)).astype(np.int64)
        other = [name for name in names if name != chosen]
        names = (other[0] if len(other) == 1 else f"not {chosen}", chosen)
    elif set(names) <= {"0", "1"}:
        codes, names = np.array([int(name) for name in names])[codes], ("0", "1")
    elif len(names) == 1:
        raise BadInput(f"All labels are '{names[0]}'; name the positive class if there could be another.")
    return names, codes[: len(truth)].astype(np.int64), codes[len(truth) :].astype(np.int64)


def _scores(column: pd.Series) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise BadInput(f"The scores in '{column.name}' are not numbers.")
    score = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(score).any():
        raise BadInput(f"Some scores in '{column.name}' are infinite; give finite numbers or leave them empty.")
    return score


def _thresholded(
    score: np.ndarray, classes: tuple[str, ...], mapping: Mapping[str, Any], notes: list[str]
) -> np.ndarray:
    if len(classes) > 2:
        raise BadInput(
            f"'{mapping['y_true']}' has {len(classes)} classes, and one column of scores cannot say which was "
            "predicted; name a column of predictions (y_pred), or the positive class."
        )
    missing = int(np.isnan(score).sum())
    if missing:
        raise BadInput(f"{missing:,} rows have no score, so no prediction follows from it; name a column y_pred.")
    if mapping.get("threshold") is None and not (score.min() >= 0 and score.max() <= 1):
        raise BadInput(
            f"The scores in '{mapping['score']}' go from {score.min():g} to {score.max():g}, so .5 does not divide "
            "them; say from where a score means yes (--threshold, a number above which it does)."
        )
    threshold = 0.5 if mapping.get("threshold") is None else mapping["threshold"]
    if not isinstance(threshold, int | float) or not np.isfinite(threshold):
        raise BadInput(f"The threshold of the scores must be a number, not '{threshold}'.")
    notes.append(f"predictions are score > {threshold:g}")
    return (score > threshold).astype(np.int64)


def _names(column: pd.Series) -> tuple[tuple[str, ...], np.ndarray]:
    """(distinct values as text, sorted; (n,) codes)."""
    column = _whole(column)
    codes, values = pd.factorize(
        column if pd.api.types.is_numeric_dtype(column.dtype) else column.astype(str), sort=True
    )
    return tuple(str(value) for value in values), codes.astype(np.int64)


def _positive_note(classes: tuple[str, ...]) -> tuple[str, ...]:
    return () if len(classes) > 2 or classes == ("0", "1") else (f"the positive class is '{classes[1]}'",)
