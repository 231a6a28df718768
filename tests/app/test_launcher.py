"""What `python -m app` starts Streamlit with."""

from __future__ import annotations

import pytest

from app.__main__ import _options
from rtl_core import read_only

LOCAL = ["--server.allowedHosts=localhost", "--server.allowedHosts=127.0.0.1"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (read_only.VARIABLE, "STREAMLIT_SERVER_ADDRESS", "STREAMLIT_SERVER_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)


def test_only_names_of_this_machine_are_answered_to():
    assert _options(["--no-browser", "--server.port", "8600"]) == [*LOCAL, "--server.port", "8600"]


@pytest.mark.parametrize("given", [["--server.address", "0.0.0.0"], ["--server.allowedHosts=rtl.example.org"]])
def test_whoever_serves_others_names_the_hosts(given):
    assert _options(given) == given


def test_variables_of_the_environment_count_as_given(monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_ALLOWED_HOSTS", "rtl.example.org")
    assert _options([]) == []


def test_a_public_server_has_limits_unless_others_are_given(monkeypatch):
    monkeypatch.setenv(read_only.VARIABLE, "1")
    limits = ["--server.maxUploadSize=1", "--server.maxMessageSize=4", "--server.disconnectedSessionTTL=20"]
    assert _options(["--public"]) == [*limits, *LOCAL]
    assert _options(["--public", "--server.maxMessageSize=9"]) == [
        *(limit for limit in limits if "Message" not in limit),
        *LOCAL,
        "--server.maxMessageSize=9",
    ]
