"""A choice that is kept in the address, and of which one option always holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import streamlit as st

from app.markdown import plain

T = TypeVar("T")


def one_of(label: str, options: Iterable[T], key: str, default: T | None = None, **more: Any) -> T:
    """A segmented control, bound to `?key=`; the first option holds unless another is the default.

    An address may name nothing at all (`?key=`): Streamlit then gives None although an option is required, and the
    default holds.
    """
    options = list(options)
    default = options[0] if default is None else default
    chosen = st.segmented_control(
        plain(label),
        options,
        format_func=plain,
        default=default,
        required=True,
        key=key,
        bind="query-params",
        **more,
    )
    return default if chosen is None else chosen


def chosen_detail(details: Mapping[str, T]) -> T:
    """One of a page's details, which stand below its answer under their names; the first one holds."""
    return details[one_of("Details", details, key="detail", wrap=True, label_visibility="collapsed")]
