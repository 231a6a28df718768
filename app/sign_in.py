"""Sign-in by OpenID Connect, where `.streamlit/secrets.toml` has a section `[auth]`; without one nothing is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from streamlit import config
from streamlit.auth_util import is_authlib_installed
from streamlit.errors import StreamlitAuthError

from app.markdown import plain

_SECTION = "auth"
_REFUSED = "sign_in_refused"
NO_AUTHLIB = "Sign-in is configured, but Authlib is missing: run `pip install 'Authlib>=1.3.2'` and start again."
UNREADABLE = "The file with this server's secrets cannot be read, so nobody is let in. Its log says what is wrong."


def needed() -> bool:
    """Whether the visitor has to sign in first. Where there are secrets that cannot be read, everybody has to."""
    if not _is_there():
        return False
    return not (_readable() and (_SECTION not in st.secrets or getattr(st.user, "is_logged_in", False)))


def page() -> None:
    """What is drawn until somebody has signed in: a button for each provider."""
    st.title("RTL Lab", anchor=False)
    if not _readable():
        st.error(UNREADABLE)
    elif not is_authlib_installed():
        st.error(NO_AUTHLIB)
    else:
        st.write("Sign in to see this page.")
        for provider in _providers():
            label = f"Sign in{f' with {provider}' if provider else ''}"
            st.button(plain(label), key=f"sign-in-{provider}", on_click=_leave_for, args=(provider,))
        refused = st.session_state.pop(_REFUSED, None)
        if refused:
            st.error(plain(refused))


def offer_sign_out() -> None:
    """Who is signed in, and the way out; nothing where nobody has to."""
    if _is_there() and _SECTION in st.secrets:
        who = getattr(st.user, "email", None) or getattr(st.user, "name", None) or "a visitor"
        st.sidebar.caption(plain(f"Signed in as {who}"))
        st.sidebar.button("Sign out", on_click=st.logout)


def _leave_for(provider: str | None) -> None:
    try:
        st.login(provider)
    except StreamlitAuthError as error:
        st.session_state[_REFUSED] = f"Sign-in is not set up rightly: {error}"


def _providers() -> list[str | None]:
    """The sections below `[auth]` that name a provider; None for the one that stands in `[auth]` itself."""
    section = st.secrets[_SECTION]
    return [name for name, value in section.items() if isinstance(value, Mapping) and "client_id" in value] or [None]


def _is_there() -> bool:
    return any(Path(file).exists() for file in config.get_option("secrets.files"))


def _readable() -> bool:
    return st.secrets.load_if_toml_exists()
