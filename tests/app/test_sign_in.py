"""Sign-in: asked for where secrets have `[auth]`, before anything else is drawn, and nowhere else."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import Secrets
from streamlit.testing.v1 import AppTest

from app import sign_in
from tests.app.test_pages import ROOT, open_page

SECTION = '[auth]\nredirect_uri = "http://127.0.0.1:8501/oauth2callback"\ncookie_secret = "0123456789abcdef0123"\n'
PROVIDER = 'client_id = "rtl"\nclient_secret = "s"\nserver_metadata_url = "http://127.0.0.1:1/x"\n'
ONE = SECTION + PROVIDER
TWO = f"{SECTION}[auth.university]\n{PROVIDER}[auth.club]\n{PROVIDER}"


@pytest.fixture
def secrets(tmp_path, monkeypatch, runs_folder):
    """secrets(text): the server's file of secrets holds that."""

    def write(text: str) -> None:
        file = tmp_path / "secrets.toml"
        file.write_text(text)
        option = config.get_option
        monkeypatch.setattr(config, "get_option", lambda name: [str(file)] if name == "secrets.files" else option(name))
        monkeypatch.setattr(st, "secrets", Secrets())
        monkeypatch.setattr(sign_in, "is_authlib_installed", lambda: True)

    return write


def opened(user: dict | None = None, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    app.user = user or {}
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def drawn(app: AppTest) -> tuple[list[str], list[str]]:
    """Buttons and titles."""
    assert not app.exception
    return [button.label for button in app.button], [title.value for title in app.title]


@pytest.mark.parametrize("text", ['[other]\nname = "x"\n', ""])
def test_without_the_section_nothing_is_asked(secrets, text):
    secrets(text)
    app = open_page("library")
    assert drawn(app) == ([], ["Bring masks in, take tickets out, compare two"])
    assert app.sidebar.selectbox


@pytest.mark.parametrize(
    ("text", "buttons"), [(ONE, ["Sign in"]), (TWO, ["Sign in with university", "Sign in with club"])]
)
def test_with_it_nothing_else_is_drawn_until_somebody_has_signed_in(secrets, text, buttons):
    secrets(text)
    for user in ({}, {"is_logged_in": False}):
        app = opened(user, run="domains")
        assert drawn(app) == (buttons, ["RTL Lab"])
        assert not app.sidebar.selectbox and not app.subheader and not app.get("pills")


def test_who_has_signed_in_sees_the_page_and_the_way_out(secrets):
    secrets(ONE)
    app = opened({"is_logged_in": True, "email": "a_b_@example.org"}, run="domains")
    buttons, titles = drawn(app)
    assert "Sign out" in buttons and titles[0].startswith("5 tickets")
    assert "Signed in as" in "".join(caption.value for caption in app.sidebar.caption)


def test_without_authlib_a_sentence_says_what_to_install(secrets, monkeypatch):
    secrets(ONE)
    monkeypatch.setattr(sign_in, "is_authlib_installed", lambda: False)
    app = opened()
    assert drawn(app) == ([], ["RTL Lab"])
    assert [error.value for error in app.error] == [sign_in.NO_AUTHLIB]


def test_secrets_that_cannot_be_read_let_nobody_in(secrets):
    secrets("[auth\n")
    app = opened({"is_logged_in": True})
    assert drawn(app) == ([], ["RTL Lab"])
    assert [error.value for error in app.error] == [sign_in.UNREADABLE]


def test_a_provider_that_is_set_up_wrongly_is_said_in_a_sentence(secrets):
    secrets(SECTION.replace("redirect_uri", "redirect") + PROVIDER)
    app = opened()
    app.button[0].click().run()
    assert drawn(app)[1] == ["RTL Lab"]
    assert app.error[0].value.startswith("Sign-in is not set up rightly:")
