"""The page table. Pages that do not exist yet are not in it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

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


def navigation():
    """The menu; returns the page that was asked for. Its entries have no icons: they would be fetched from outside."""
    return st.navigation([st.Page(file, title=title, default=file == OVERVIEW) for file, title in PAGES.items()])
