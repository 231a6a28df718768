"""The page table. Pages that do not exist yet are not in it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from rtl_core.read_only import is_public

ICON = str(Path(__file__).with_name("icon.png"))  # a local picture: icon fonts are fetched from outside

OVERVIEW = "pages/overview.py"
TRAIN = "pages/train.py"
MASKS = "pages/masks.py"
ROUTING = "pages/routing.py"
ATTRIBUTION = "pages/attribution.py"
FAIRNESS = "pages/fairness.py"
DIAGNOSIS = "pages/diagnosis.py"
LIBRARY = "pages/library.py"
LEARN = "pages/learn.py"

PAGES = {
    OVERVIEW: "Overview",
    TRAIN: "Train",
    MASKS: "Masks",
    ROUTING: "Routing",
    ATTRIBUTION: "Attribution",
    FAIRNESS: "Fairness",
    DIAGNOSIS: "Diagnosis",
    LIBRARY: "Library",
    LEARN: "Learn",
}


def navigation(menu: bool = True) -> StreamlitPage:
    """The page that was asked for; draws the menu unless told not to. Its entries have no icons: they would be fetched
    from outside. In public the Train page is not in it, and its address says why."""
    pages = [
        st.Page(file, title=title, default=file == OVERVIEW, visibility=_visibility(file))
        for file, title in PAGES.items()
    ]
    return st.navigation(pages, position="sidebar" if menu else "hidden")


def _visibility(file: str) -> str:
    return "hidden" if file == TRAIN and is_public() else "visible"
