"""Choosing the input: a test row by its thumbnail or number, an uploaded one, or one whose values may change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import demonstration, terms
from app.attribution import heatmaps
from app.attribution.view import Chosen
from app.kinds import kind_of, nouns
from app.markdown import plain
from app.segmented import one_of
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.attribution import Explained

TEST, UPLOADED = "Test data", "Your own"
_THUMBNAILS = 12


def choose(explained: Explained, ticket: str | None) -> Chosen | None:
    """The input to explain. `ticket`: the one whose chip is pressed; its subset is offered first.

    None where an upload is wanted and none is there yet, or none that can be read: that is said.
    """
    dataset = explained.subject.dataset
    test = dataset.rows("test")
    own = explained.rows(ticket) if ticket else test
    first = int(np.searchsorted(test, own[0] if len(own) else test[0]))
    kind, (noun, _) = kind_of(dataset), nouns(dataset)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="attribution-input"):
        if kind.upload and _source() == UPLOADED:
            return _uploaded(dataset)
        sample = st.number_input(
            plain(f"Test {noun}"),
            0,
            len(test) - 1,
            first,
            key="sample",
            bind="query-params",
            width=130,
            help=f"Its place among the {terms.count(len(test))} test rows, as the command line counts them.",
        )
        row = int(test[sample])
        assigned = int(explained.partition.assignment[row])
        subset = explained.run.tickets.names[assigned] if assigned >= 0 else None
        offered = ticket or subset
        if kind.picture:
            thumbnails(dataset, explained.rows(offered) if offered else test, offered)
    x, truth = dataset.x[row : row + 1], None if dataset.labels is None else dataset.classes[dataset.labels[row]]
    chosen = Chosen(("test", int(sample)), x, f"test {noun} {sample}", truth, subset, int(sample))
    return _changed(dataset, chosen) if kind.columns else chosen


def _source() -> str:
    return one_of("Input", (TEST, UPLOADED), key="input")


def thumbnails(dataset: Dataset, rows: np.ndarray, subset: str | None) -> None:
    """Some of the test rows `rows` to press; each is a button with its picture behind it.

    subset  what they are of, where they are not of all
    """
    test = dataset.rows("test")
    picture, (noun, several) = kind_of(dataset).picture, nouns(dataset)
    pages = -(-len(rows) // _THUMBNAILS)
    page = st.session_state.get("thumbnails", 0) % max(pages, 1)
    shown = rows[page * _THUMBNAILS : (page + 1) * _THUMBNAILS]
    places = np.searchsorted(test, shown)
    rules = "".join(
        f".st-key-thumb-{place} button {{ background: url({heatmaps.address(picture(dataset.x[row]))}) "
        "center/cover; image-rendering: pixelated; }"
        for place, row in zip(places, shown, strict=True)
    )
    st.html(
        f"<style>[class*='st-key-thumb-'] button {{ width: 46px; height: 46px; min-height: 46px; padding: 0; }} "
        f"[class*='st-key-thumb-'] button p {{ opacity: 0; font-size: .6rem; }} {rules}</style>"
    )
    for place, row in zip(places, shown, strict=True):
        st.button(
            plain(str(place)),
            key=f"thumb-{place}",
            help=plain(f"test {noun} {place}{_class_of(dataset, row)}"),
            on_click=_take(int(place)),
            width=46,
        )
    if pages > 1:
        st.button(
            "More",
            key="more-pictures",
            on_click=lambda: st.session_state.update(thumbnails=page + 1),
            help=plain(f"Other test {several}{f' of {subset}' if subset else ''}"),
        )


def _class_of(dataset: Dataset, row: int) -> str:
    return "" if dataset.labels is None else f": {dataset.classes[dataset.labels[row]]}"


def _take(place: int) -> Callable[[], None]:
    return lambda: st.session_state.update(sample=place)


def _uploaded(dataset: Dataset) -> Chosen | None:
    file = upload(dataset, "attribution-upload", f"Choose a {nouns(dataset)[0]} to see what every ticket makes of it.")
    if file is None:
        return None
    content = file.getvalue()
    try:
        x = kind_of(dataset).upload.read(content, dataset.input_shape)
    except BadInput as error:
        st.error(plain(str(error)))
        return None
    return Chosen(("upload", hashlib.sha256(content).hexdigest()[:16]), x, file.name[:40])


def upload(dataset: Dataset, key: str, until: str) -> UploadedFile | None:
    """Where an input of one's own is uploaded; None until there is one, and `until` is said."""
    taken = kind_of(dataset).upload
    return demonstration.upload(taken.label, taken.endings, until, key=key, help=plain(taken.help))


def _changed(dataset: Dataset, chosen: Chosen) -> Chosen:
    """The row with the values that were changed in the form; it is then no row of the data any more."""
    with st.expander("The values of this row: change them and see what every ticket says then"):
        st.caption(
            "Numbers without their own unit here are in standard deviations from the train rows' mean: the data set "
            "holds them so."
        )
        x = chosen.x.copy()
        places = st.columns(4)
        for i, column in enumerate(dict.fromkeys(dataset.sources)):
            own = [k for k, source in enumerate(dataset.sources) if source == column]
            with places[i % len(places)]:
                x[0, own] = _value(dataset, column, own, x[0], chosen.key)
    if np.array_equal(x, chosen.x):
        return chosen
    return Chosen((*chosen.key, x.tobytes()), x, f"{chosen.called}, changed")


def _value(dataset: Dataset, column: str, own: list[int], row: np.ndarray, key: tuple) -> np.ndarray:
    """The features of one column as its widget says."""
    names = [dataset.features[k].removeprefix(f"{column}=") for k in own]
    if dataset.features[own[0]] != column:
        now = int(row[own].argmax())
        chosen = st.selectbox(plain(column), names, now, key=f"value-{key}-{column}")
        # A row may have a category that train rows never had: all zeros. It stays so until another is chosen.
        return row[own] if names.index(chosen) == now else np.eye(len(own), dtype=np.float32)[names.index(chosen)]
    slope, start = unit_of(dataset, column, own[0])
    now = round(float(slope * row[own[0]] + start), 3)
    value = st.number_input(plain(column), value=now, format="%g", key=f"value-{key}-{column}")
    if value == now:
        return row[own]
    return np.r_[np.float32((value - start) / slope), np.zeros(len(own) - 1, np.float32)]


def unit_of(dataset: Dataset, column: str, feature: int) -> tuple[float, float]:
    """(a, b) with the column's own value = a x feature + b; (1, 0) where the data set has not kept the column."""
    kept = dataset.attributes.get(column)
    if kept is None or not pd.api.types.is_numeric_dtype(kept.dtype) or kept.isna().any():
        return 1.0, 0.0
    low, high = dataset.x[:, feature].argmin(), dataset.x[:, feature].argmax()
    slope = (kept.iloc[high] - kept.iloc[low]) / float(dataset.x[high, feature] - dataset.x[low, feature])
    return float(slope), float(kept.iloc[low] - slope * dataset.x[low, feature])
