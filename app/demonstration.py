"""A server for the public (`python -m app --public`): what stands in the place of uploads, trainings and long work.

All uploads and all buttons that cost much go through here, so that nothing of them is drawn where it is switched off.
`rtl_core/read_only.py` refuses the same a second time, whatever a page draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import nav
from app.markdown import plain
from rtl_core.read_only import is_public

NO_FILES = "This is a public demonstration: it takes no files. RTL Lab on your own machine does (make app)."
TOO_LONG = "Switched off in this public demonstration: it computes for long. RTL Lab on your own machine does it."
KEPT = "Switched off in this public demonstration, which keeps nothing."
NOT_TRAINED = "This is a public demonstration, in which nothing is trained. RTL Lab on your own machine does it."


def upload(label: str, kinds: Sequence[str], until: str = "", **more: Any) -> Any:
    """Streamlit's uploader: the file, or the files; None or [] while there is none, and None where none are taken.

    until  what the page says while there is no file
    """
    if is_public():
        st.info(NO_FILES)
        return None
    given = st.file_uploader(plain(label), type=list(kinds), **more)
    if not given and until:
        st.info(plain(until))
    return given


def costly_button(label: str, key: str, on_click: Callable[[], None], instead: str = TOO_LONG, **more: Any) -> None:
    """A button for what takes long, trains or is kept. In public it cannot be pressed, calls nothing, and `instead`
    says why."""
    off = is_public()
    st.button(plain(label), key=key, on_click=None if off else on_click, disabled=off, **more)
    if off:
        st.caption(plain(instead))


def no_train_page() -> None:
    """What the address of the Train page shows in public, and the way back; nothing after it is drawn."""
    st.title("Nothing is trained in this demonstration", anchor=False)
    st.write(
        "This server shows RTL Lab to everybody on the samples that come with it. It takes no data, trains nothing and "
        "keeps nothing. On a machine of your own `make app` starts the whole of RTL Lab, with training on your own "
        "pictures or table."
    )
    st.page_link(nav.OVERVIEW, label="Back to the overview of the samples")
    st.stop()
