"""Visitors without a browser: they open pages of a real server over its own protocol, as many at once as you like."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from benchmarks.app_server import APP, served

PATIENCE = 300.0  # seconds for a page that is computed for the first time on a busy machine
_WORDS = {"heading": "body", "markdown": "body", "alert": "body", "exception": "message"}


@dataclass(frozen=True)
class Seen:
    """What a visitor saw of a page when it had come to rest.

    texts   titles, paragraphs and boxes in the order of the page
    errors  exceptions that it showed
    """

    texts: tuple[str, ...]
    errors: tuple[str, ...]


@contextmanager
def server(runs: Path) -> Iterator[str]:
    """The address of a fresh server that keeps its runs and its output there."""
    with served(*APP, log=runs / "server.txt", RTL_RUNS=str(runs)) as address:
        yield address


def look(address: str, page: str, query: str) -> Seen:
    """Opens a page of the server in a session of its own, and waits until it has been drawn."""
    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.page_name = query, "" if page == "overview" else page
    until, drawn = time.monotonic() + PATIENCE, {}
    with connect(f"ws://{address}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as stream:
        stream.send(message.SerializeToString())
        while True:
            forward = ForwardMsg.FromString(stream.recv(timeout=until - time.monotonic()))
            kind = forward.WhichOneof("type")
            if kind == "new_session":
                drawn.clear()
            elif kind == "delta" and forward.delta.WhichOneof("type") == "new_element":
                drawn[tuple(forward.metadata.delta_path)] = forward.delta.new_element
            elif kind == "delta":
                drawn.pop(tuple(forward.metadata.delta_path), None)
            elif kind == "script_finished" and forward.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
    result = [drawn[path] for path in sorted(drawn)]
    texts = [(e.WhichOneof("type"), e) for e in result if e.WhichOneof("type") in _WORDS]
    sentence = tuple(getattr(getattr(e, kind), _WORDS[kind]) for kind, e in texts)
    return Seen(sentence, tuple(e.exception.message for kind, e in texts if kind == "exception"))


def at_once(address: str, visits: list[tuple[str, str]]) -> list[Seen]:
    """What visitors saw who all came at the same time, each to one (page, query)."""
    with ThreadPoolExecutor(len(visits)) as visitors:
        return list(visitors.map(lambda visit: look(address, *visit), visits))
