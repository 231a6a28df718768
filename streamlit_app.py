"""RTL Lab: the page table and the run picker. Everything else stands in `app/` and `pages/`."""

import streamlit as st

from app import cache, nav, page_setup, session
from app.markdown import plain
from rtl_core.errors import system_sentence

st.set_page_config(page_title="RTL Lab", page_icon=nav.ICON, layout="wide")
cache.hide_expected_warnings()
page_setup.entered()
page = nav.navigation()
page_setup.style()
session.run_picker()
try:
    page.run()
except OSError as error:
    st.error(plain(f"{system_sentence(error)}."))
cache.freeze_startup_objects()
