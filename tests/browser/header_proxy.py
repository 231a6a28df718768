"""A small reverse proxy on this machine, which adds the response headers of `deploy/nginx.conf` as nginx would."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rtl_core.runs.store import project_root

NGINX = project_root() / "deploy" / "nginx.conf"
_ADDED = re.compile(r'^\s*add_header (\S+) "([^"]*)" always;', re.MULTILINE)


def headers() -> dict[str, str]:
    """What nginx adds to every response, by name."""
    return dict(_ADDED.findall(NGINX.read_text("utf-8")))


@contextmanager
def proxied(address: str) -> Iterator[str]:
    """The address of the proxy in front of a server at `address`, which ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_serve, args=(door, address), daemon=True).start()
        yield f"127.0.0.1:{door.getsockname()[1]}"
        door.shutdown(socket.SHUT_RDWR)


def _serve(door: socket.socket, address: str) -> None:
    with suppress(OSError):  # closed at the end
        while True:
            visitor, _ = door.accept()
            threading.Thread(target=_pass_on, args=(visitor, address), daemon=True).start()


def _pass_on(visitor: socket.socket, address: str) -> None:
    """One request to a connection, with its own connection to the server; a web socket is passed on as it is."""
    host, _, port = address.partition(":")
    with suppress(OSError), visitor, socket.create_connection((host, int(port))) as server:
        request, rest = _head(visitor)
        upgrades = b"upgrade: websocket" in request.lower()
        server.sendall((request if upgrades else _closing(request)) + rest)
        answer, rest = _head(server)
        first, _, others = answer.partition(b"\r\n")
        added = "".join(f"{name}: {value}\r\n" for name, value in headers().items()).encode()
        visitor.sendall(first + b"\r\n" + added + others + rest)
        back = threading.Thread(target=_pour, args=(visitor, server), daemon=True)
        back.start()
        _pour(server, visitor)


def _head(peer: socket.socket) -> tuple[bytes, bytes]:
    """The lines up to the empty one, and what has come after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = peer.recv(65_536)
        if not more:
            raise OSError("the other side has gone")
        received += more
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest


def _closing(request: bytes) -> bytes:
    without = re.sub(rb"\r\nconnection:[^\r]*", b"", request, flags=re.IGNORECASE)
    return without.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
