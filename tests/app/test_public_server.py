"""A real public server: who is let onto its connection, how much it takes, and what a forged visitor gets."""

from __future__ import annotations

import http.client
import json

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from benchmarks.app_server import APP, served
from tests.app.conftest import write_run
from tests.app.visitors import look

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs)
    with served(*APP, "--public", RTL_RUNS=str(runs)) as address:
        yield address


def stream(address: str, **headers: str) -> ClientConnection:
    more = {"additional_headers": headers} if headers else {}
    return connect(f"ws://{address}/_stcore/stream", subprotocols=["streamlit"], max_size=None, **more)


def status_of(address: str, **headers: str) -> int:
    """What a visitor's browser gets for its connection; `host` takes the place of the address."""
    client = http.client.HTTPConnection(address)
    client.putrequest("GET", "/_stcore/stream", skip_host="host" in headers)
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    for name, value in {**upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}.items():
        client.putheader(name, value)
    client.endheaders()
    answer = client.getresponse().status
    client.close()
    return answer


def test_a_page_of_another_site_may_not_connect(address):
    assert status_of(address, origin=f"http://{address}") == 101
    assert status_of(address, origin="https://elsewhere.example") == 403
    with pytest.raises(InvalidStatus):
        stream(address, Origin="https://elsewhere.example")


def test_another_name_for_this_machine_is_not_answered_to(address):
    assert status_of(address, host="elsewhere.example", origin="http://elsewhere.example") == 403


@pytest.mark.parametrize(("megabytes", "answered"), [(2, True), (5, False)])
def test_a_message_above_the_limit_closes_the_connection(address, megabytes, answered):
    with stream(address) as connection:
        try:
            session_of(connection, "x" * (megabytes * 10**6))
        except ConnectionClosed:
            assert not answered
        else:
            assert answered


def test_an_upload_without_the_pages_token_is_refused(address):
    client = http.client.HTTPConnection(address)
    client.request("PUT", "/_stcore/upload_file/session/file", body=b"x")
    assert client.getresponse().status == 403


def test_an_upload_above_a_megabyte_is_refused(address):
    client = http.client.HTTPConnection(address)
    client.request("GET", "/_stcore/health")
    cookie = client.getresponse().getheader("set-cookie").partition(";")[0]
    headers = {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2].strip('"')}
    with stream(address) as connection:
        session = session_of(connection)
        client = http.client.HTTPConnection(address)
        client.request("PUT", f"/_stcore/upload_file/{session}/file", body=bytes(2**20 + 2**18), headers=headers)
        assert client.getresponse().status == 413


def session_of(connection: ClientConnection, query: str = "") -> str:
    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.page_name = query, "learn"
    connection.send(message.SerializeToString())
    while True:
        forward = ForwardMsg.FromString(connection.recv(timeout=60))
        if forward.WhichOneof("type") == "new_session":
            return forward.new_session.initialize.session_id


def test_the_agents_door_is_closed(address):
    client = http.client.HTTPConnection(address)
    client.request("POST", "/_stcore/agent/interact", body=json.dumps({}), headers={"Content-Type": "application/json"})
    assert client.getresponse().status in (403, 404)


def test_a_run_of_the_users_is_not_opened_on_the_servers_first_page(address):
    seen = look(address, "masks", "run=known-run")
    assert not seen.errors and any(text.startswith("Tickets share") for text in seen.texts)
