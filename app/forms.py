"""Settings as widgets. Titles, descriptions, choices and bounds come from rtl_core.config and stand nowhere else."""

from __future__ import annotations

import math
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import terms
from rtl_core.comma_lists import joined, listed
from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.tasks.catalogue import TASKS

CHOICES = {"task": tuple(TASKS)}

Draft = dict[str, Any]  # every setting of a Config, JSON-like and nested, not necessarily valid


def draw(path: str, draft: Draft, version: int, choices: Sequence[str] | None = None) -> None:
    """The widget of one setting, for example "extract.steps"; what is typed goes into the draft.

    choices  what a text may be; None: what a catalogue has, where the settings leave it to one
    version  a piece of the widget's key: a draft that is replaced as a whole (a preset) shows at once
    """
    group, name, info = _locate(path, draft)
    key = f"set-{version}-{path}"
    group[name] = widget(info, group[name], key, choices or CHOICES.get(path))


def remaining(shown: set[str]) -> dict[str, list[str]]:
    """Group title -> paths of the settings that are not among `shown`, in the order of Config."""
    groups: dict[str, list[str]] = {}
    for name, info in Config.model_fields.items():
        if _is_group(info.annotation):
            paths = [f"{name}.{inner}" for inner in info.annotation.model_fields]
            title = name.capitalize()
        else:
            paths, title = [name], "Run"
        groups.setdefault(title, []).extend(path for path in paths if path not in shown)
    return {title: paths for title, paths in groups.items() if paths}


def _locate(path: str, draft: Draft) -> tuple[Draft, str, FieldInfo]:
    *outer, name = path.split(".")
    model: type[BaseModel] = Config
    group = draft
    for piece in outer:
        model = model.model_fields[piece].annotation
        group = group[piece]
    return group, name, model.model_fields[name]


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def widget(info: FieldInfo, value: Any, key: str, choices: Sequence[str] | None = None) -> Any:
    """`choices`: what a text may be, where the settings leave that to a catalogue."""
    kind, optional, metadata = _unwrap(info.annotation, list(info.metadata))
    common = {"label": info.title, "help": info.description, "key": key}
    if choices or get_origin(kind) is Literal:
        choices = list(choices or get_args(kind))
        return st.selectbox(options=choices, index=choices.index(value), format_func=_choice, **common)
    if kind is bool:
        return st.toggle(value=value, **common)
    if kind in (int, float):
        return _number(kind, value, metadata, common)
    if get_origin(kind) is tuple:
        return _several(get_args(kind)[0], value, common)
    text = st.text_input(value=value or "", **common).strip()
    return text or (None if optional else "")


def _number(kind: type, value: float | None, metadata: list[Any], common: dict[str, Any]) -> float | None:
    low, high = _bounds(metadata)
    cast = {"min_value": low if low is None else kind(low), "max_value": high if high is None else kind(high)}
    start = value if value is None else kind(value)
    if kind is int:
        return st.number_input(value=start, step=1, **cast, **common)
    step = 10.0 ** math.floor(math.log10(abs(value))) if value else 0.01
    return st.number_input(value=start, step=step, format="%g", **cast, **common)


def _several(kind: Any, value: list[Any], common: dict[str, Any]) -> list[Any]:
    if get_origin(kind) is Literal:
        return st.multiselect(options=list(get_args(kind)), default=list(value), format_func=_choice, **common)
    text = st.text_input(value=joined(f"{v:g}" if kind is float else v for v in value), **common)
    try:
        pieces = listed(text)
    except BadInput:
        pieces = [text]  # the check of the data says that there is no such column
    return [_float_or_text(piece) for piece in pieces] if kind is float else pieces


def _choice(value: str) -> str:
    return terms.CHOICES.get(value, value)


def _float_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the check of the settings says what is wrong with it


def _unwrap(annotation: Any, metadata: list[Any]) -> tuple[Any, bool, list[Any]]:
    """(the plain type, whether None is allowed, the bounds) of `Annotated[int, ...] | None` and the like."""
    if get_origin(annotation) in (types.UnionType, Union):
        inner = next(arg for arg in get_args(annotation) if arg is not type(None))
        kind, _, bounds = _unwrap(inner, metadata)
        return kind, True, bounds
    if get_origin(annotation) is Annotated:
        kind, *extra = get_args(annotation)
        return kind, False, metadata + [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])]
    return annotation, False, metadata


def _bounds(metadata: list[Any]) -> tuple[float | None, float | None]:
    """The least and greatest value that a widget offers; an open bound is left to the check of the settings."""
    low = high = None
    for bound in metadata:
        if isinstance(bound, (annotated_types.Ge, annotated_types.Gt)):
            low = bound.ge if isinstance(bound, annotated_types.Ge) else bound.gt
        elif isinstance(bound, (annotated_types.Le, annotated_types.Lt)):
            high = bound.le if isinstance(bound, annotated_types.Le) else bound.lt
    return low, high
