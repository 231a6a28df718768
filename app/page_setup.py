"""What every page starts with, and the few style rules that the theme's settings cannot express."""

from __future__ import annotations

import streamlit as st

from app import nav

_ENTERED = "_entry_ran"

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { max-width: 1240px; padding: 2.2rem 2rem 4rem; }
[data-testid="stMain"], [data-testid="stSidebar"] { font-variant-numeric: tabular-nums; }
[data-testid="stHeading"] h1 { letter-spacing: -0.01em; line-height: 1.25; }
.lab-head { display: flex; flex-wrap: wrap; gap: .3rem .9rem; align-items: center; font-size: .92rem; }
.lab-head .name { font-weight: 650; font-size: 1.05rem; }
.lab-head .fact { opacity: .8; }
.lab-badge { padding: .08rem .55rem; border-radius: 99px; border: 1px solid currentColor; font-size: .8rem; }
.lab-tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: .8rem; }
.lab-tile { border: 1px solid rgba(128,138,148,.32); border-radius: 10px; padding: .8rem .95rem .85rem;
  border-top: 4px solid var(--ticket); }
.lab-tile.chosen { outline: 2px solid var(--ticket); outline-offset: 1px; }
.lab-tile .title { font-weight: 600; overflow-wrap: anywhere; }
.lab-tile .value { font-size: 1.55rem; font-weight: 600; line-height: 1.35; }
.lab-tile .small { font-size: .84rem; opacity: .82; line-height: 1.45; }
.lab-tile .warn { font-size: .84rem; line-height: 1.4; margin-top: .35rem; }
.lab-facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: .9rem; }
.lab-facts .value { font-size: 1.35rem; font-weight: 600; }
.lab-facts .small { font-size: .84rem; opacity: .82; }
.st-key-ticket { max-height: 8.4rem; overflow-y: auto; }
.lab-key { display: inline-flex; gap: 1.1rem; flex-wrap: wrap; font-size: .87rem; }
.lab-key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin-right: .4rem;
  vertical-align: -.08rem; border: 1px solid rgba(128,138,148,.5); }
.lab-maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(126px, 1fr)); gap: .6rem; }
.lab-map { border: 1px solid rgba(128,138,148,.32); border-top: 4px solid var(--ticket); border-radius: 10px;
  padding: .5rem .55rem .6rem; }
.lab-map .title { font-weight: 600; overflow-wrap: anywhere; margin-bottom: .35rem; }
.lab-map img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; }
.lab-map .answer { font-weight: 600; margin-top: .4rem; overflow-wrap: anywhere; }
.lab-map .small { font-size: .8rem; opacity: .82; line-height: 1.4; }
.lab-verdict { font-size: .84rem; font-weight: 600; margin-top: .35rem; }
.lab-verdict.doubtful { color: light-dark(#8A5A00, #E8B45A); }
.lab-verdict.bad { color: light-dark(#A8323A, #F0858C); }
.lab-key i.ramp { width: 9rem; }
@media (max-width: 1150px) {
  :is(.st-key-overlap, .st-key-routing-whole, .st-key-answer-near)
    [data-testid="stHorizontalBlock"]:not([data-testid="stColumn"] *) { flex-wrap: wrap; }
  :is(.st-key-overlap, .st-key-routing-whole, .st-key-answer-near)
    [data-testid="stColumn"]:not([data-testid="stColumn"] *) { min-width: 100%; }
}
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 1.2rem .9rem 3rem; } }
</style>"""


def entered() -> None:
    """The entry file says that it has run; `ensure_entry` takes the word back."""
    st.session_state[_ENTERED] = True


def ensure_entry() -> None:
    """First line of every page.

    Streamlit serves a deep link after a server start through its old discovery of `pages/`, without the entry file,
    until st.navigation has run once in the process. Declaring the navigation and running again brings the entry file
    back, with address and query parameters kept.
    """
    if not st.session_state.pop(_ENTERED, False):
        nav.navigation()
        st.rerun()


def style() -> None:
    st.html(_STYLE)
