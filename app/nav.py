"""The page table. Pages that do not exist yet are not in it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ICON = str(Path(__file__).with_name("icon.png"))  # a local picture: icon fonts are fetched from outside

OVERVIEW = "pages/overview.py"
TRAIN = "pages/train.py"
MASKS = "pages/masks.py"


def navigation():
    """The menu; returns the page that was asked for. Its entries have no icons: they would be fetched from outside."""
    return st.navigation(
        [
            st.Page(OVERVIEW, title="Overview", default=True),
            st.Page(TRAIN, title="Train"),
            st.Page(MASKS, title="Masks"),
        ]
    )
