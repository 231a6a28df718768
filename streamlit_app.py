"""RTL Lab: the page table and the run picker. Everything else stands in `app/` and `pages/`."""

import streamlit as st

from app import cache, nav, page_setup, session, sign_in, turns
from app.markdown import plain
from rtl_core.errors import BadInput, system_sentence

st.set_page_config(page_title="RTL Lab", page_icon=nav.ICON, layout="wide")
cache.hide_expected_warnings()
closed = sign_in.needed()
page = nav.navigation(menu=not closed)
page_setup.style()
if closed:
    sign_in.page()
    st.stop()
page_setup.entered()
session.run_picker()
sign_in.offer_sign_out()
try:
    with turns.turn():
        page.run()
except BadInput as error:
    st.error(plain(f"{error}."))
except OSError as error:
    st.error(plain(f"{system_sentence(error)}."))
cache.freeze_startup_objects()
