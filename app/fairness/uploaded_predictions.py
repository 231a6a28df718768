"""An audit of predictions made elsewhere: a table is uploaded, its columns get their roles, and the same audit follows.

What is uploaded stays with the visitor's session and is gone with it; nothing is written to the runs.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import streamlit as st

from app import demonstration, panels, report, terms
from app.fairness.view import Subject
from app.markdown import plain
from rtl_core.audit.fairness.predictions import MAX_CLASSES, Predictions, from_table
from rtl_core.data.spellings import with_one_spelling
from rtl_core.errors import BadInput

_NONE = "–"
_ALL_CLASSES = "none: compare every class"
_KINDS = ["csv", "tsv", "parquet", "pq"]
_FEW = 20  # values up to which a column looks like a group
# What columns of each role are usually called, most telling first.
_USUAL = {
    "y_true": ("y_true", "truth", "true", "label", "target", "actual", "outcome", "ground"),
    "y_pred": ("y_pred", "prediction", "predicted", "decision", "y_hat", "yhat", "pred"),
    "score": ("score", "probability", "proba", "y_score", "prob", "risk"),
    "ticket": ("ticket", "model", "mask", "expert"),
    "unit": ("unit", "person", "patient", "subject", "id"),
}
_EXAMPLE = pd.DataFrame(
    {
        "y_true": [1, 0, 1, 0],
        "y_pred": [1, 0, 0, 1],
        "score": [0.91, 0.22, 0.43, 0.67],
        "sex": ["female", "male", "female", "male"],
        "age": ["under 40", "40 and over", "under 40", "under 40"],
    }
)


def subject() -> tuple[Subject, list[str]]:
    """The uploaded predictions and their group columns; until there are any, says what is needed and stops."""
    file = demonstration.upload(
        "A table with one row per decision (CSV or Parquet)",
        _KINDS,
        key="own-predictions",
        help="It stays on this machine and is forgotten when you close the page. Tables of more than 200 MB come in by "
        "the command line: `python -m rtl_core fairness --table FILE --groups ...`",
    )
    if file is None:
        _what_is_needed()
    content = file.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    try:
        frame = _read(digest, PurePosixPath(file.name).suffix.lower(), content)
        mapping = _mapping(frame)
        if "y_pred" not in mapping and "score" not in mapping:
            panels.refuse("Choose the column that says what was decided, or the one of the scores.")
        if not mapping["groups"]:
            panels.refuse("Tick at least one group column: whom do you want to compare?")
        key = (digest, *((role, tuple(value) if role == "groups" else value) for role, value in mapping.items()))
        predictions = _predictions(key, mapping, frame)
    except BadInput as error:
        panels.refuse(f"This table cannot be audited: {error}")
    return Subject(key, predictions, frame), mapping["groups"]


def offer_report(subject: Subject, reference: Sequence[str]) -> None:
    """The report on the uploaded table."""
    file, (digest, *roles) = st.session_state["own-predictions"], subject.key
    mapping = {role: list(value) if role == "groups" else value for role, value in roles}
    report.of_table(file.name, file.getvalue(), digest, mapping, reference)


def _what_is_needed() -> None:
    st.write(
        "You need no network here, only what was decided. One column says what is true, one what was decided (or a "
        "score, with the threshold from which it means yes), and the others say which groups people belong to:"
    )
    st.dataframe(_EXAMPLE, hide_index=True, width=560)
    st.stop()


@st.cache_resource(max_entries=2, show_spinner="Reading the table", scope="session")
def _read(digest: str, suffix: str, _content: bytes) -> pd.DataFrame:
    from rtl_core.data.tables import read_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(_content)
        return read_table(path)


@st.cache_resource(max_entries=4, show_spinner=False, scope="session")
def _predictions(key: tuple[Any, ...], _mapping: dict[str, Any], _frame: pd.DataFrame) -> Predictions:
    return from_table(_frame, _mapping)


def _mapping(frame: pd.DataFrame) -> dict[str, Any]:
    """Column roles as `from_table` takes them, guessed by name and changed by the reader."""
    columns = list(frame.columns)
    with st.container(border=True):
        first, second, third = st.columns(3)
        mapping: dict[str, Any] = {"y_true": first.selectbox("What is true", columns, _guess("y_true", columns) or 0)}
        mapping["y_pred"] = _optional(second, "What was decided", "y_pred", columns)
        mapping["score"] = _optional(third, "Score", "score", columns)
        mapping["positive"] = _positive(first, frame[mapping["y_true"]])
        mapping["ticket"] = _optional(second, "Ticket or model that decided", "ticket", columns)
        if mapping["y_pred"] is None:
            start = 0.5 if mapping["score"] is None or _are_shares(frame[mapping["score"]]) else None
            mapping["threshold"] = third.number_input("Yes from a score above", value=start, step=0.05)
        else:
            mapping["unit"] = _optional(third, "Person, if one has several rows", "unit", columns, guess=False)
        taken = set(mapping.values()) - {None}
        free = [name for name in columns if name not in taken]
        likely = [name for name in free if 1 < frame[name].nunique() <= _FEW][:1]
        mapping["groups"] = st.multiselect(
            "Groups to compare", free, likely, help="Several columns are compared one by one, and together."
        )
    return {role: value for role, value in mapping.items() if value is not None}


def _optional(place: Any, label: str, role: str, columns: list[str], guess: bool = True) -> str | None:
    guess_ = _guess(role, columns) if guess else None
    chosen = place.selectbox(plain(label), [_NONE, *columns], 0 if guess_ is None else guess_ + 1)
    return None if chosen == _NONE else chosen


def _guess(role: str, columns: list[str]) -> int | None:
    """The column whose name is, or else begins with, what the role is usually called."""
    names = [name.lower().replace(" ", "_") for name in columns]
    for fits in (str.__eq__, str.startswith):
        for usual in _USUAL[role]:
            for place, name in enumerate(names):
                if fits(name, usual):
                    return place
    return None


def _positive(place: Any, column: pd.Series) -> str | None:
    values = _values(column)
    several = len(values) > 2
    chosen = place.selectbox(
        "Which value means yes",
        [_ALL_CLASSES, *values] if several else values,
        0 if several else max(len(values) - 1, 0),  # 1 of 0 and 1, yes of no and yes, >50K of <=50K and >50K
        help="The positive outcome: the one that people would want, or that the figures are to be about.",
    )
    return None if chosen == _ALL_CLASSES else chosen


def _are_shares(column: pd.Series) -> bool:
    """Whether scores lie between 0 and 1, so that half is a threshold."""
    return pd.api.types.is_numeric_dtype(column.dtype) and column.min() >= 0 and column.max() <= 1


def _values(column: pd.Series) -> list[str]:
    """The labels as `from_table` calls them."""
    values = column.dropna().unique()
    if len(values) > MAX_CLASSES:
        raise BadInput(
            f"'{column.name}' has {terms.count(len(values))} different values; choose a column that says yes or no, or "
            "one of a few classes."
        )
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return sorted(str(value) for value in with_one_spelling(column, fold_case=False)[0].dropna().unique())
    whole = pd.api.types.is_bool_dtype(column.dtype) or (values % 1 == 0).all()
    return [str(int(value) if whole else value) for value in sorted(values)]
