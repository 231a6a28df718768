"""RTL Lab: the page table and the run picker. Everything else stands in `app/` and `pages/`."""

import streamlit as st

from app import cache, nav, session, shell

st.set_page_config(page_title="RTL Lab", page_icon=nav.ICON, layout="wide")
cache.hide_expected_warnings()
shell.entered()
page = nav.navigation()
shell.style()
session.run_picker()
page.run()
cache.freeze_startup_objects()
