"""`python -m app [--public] [--no-browser]`: serves the app and opens it. Takes Streamlit's options, such as
`--server.port 8600`. `--public` is for everybody to look at: samples only, nothing is taken in, trained or kept.

Beside `streamlit run streamlit_app.py` it does three things once the server listens: it imports what the first page
needs while the browser is still loading Streamlit's own files, it opens a browser where there is a screen, and, in
public, it computes what the first visitors would wait for.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path

from streamlit import config, runtime
from streamlit.web import cli

from rtl_core.read_only import VARIABLE, is_public

ENTRY = Path(__file__).resolve().parents[1] / "streamlit_app.py"
_PATIENCE = 60.0  # seconds to wait for the server
_OURS = ("--public", "--no-browser")  # all other options are Streamlit's
_PUBLIC_LIMITS = ("--server.maxUploadSize=1", "--server.maxMessageSize=4", "--server.disconnectedSessionTTL=20")
# Other names for this machine are refused: a page from elsewhere could otherwise have its own name point here.
_LOCAL_HOSTS = ("--server.allowedHosts=localhost", "--server.allowedHosts=127.0.0.1")


def main() -> None:
    os.chdir(ENTRY.parent)  # where .streamlit/config.toml is
    if "--public" in sys.argv:
        os.environ[VARIABLE] = "1"
    opens = "--no-browser" not in sys.argv and _has_screen()
    threading.Thread(target=_once_it_listens, args=(opens,), daemon=True).start()
    cli.main(["run", str(ENTRY), *_options(sys.argv[1:])], prog_name="python -m app")


def _options(given: list[str]) -> list[str]:
    """What Streamlit is started with: our own options, each unless it is set, and then what was given."""
    own = [*(_PUBLIC_LIMITS if is_public() else ()), *(_LOCAL_HOSTS if not _is_set("address", given) else ())]
    kept = [option for option in own if not _is_set(option.removeprefix("--server.").partition("=")[0], given)]
    return [*kept, *(option for option in given if option not in _OURS)]


def _is_set(name: str, given: list[str]) -> bool:
    """Whether Streamlit's `server.NAME` is given, as an option or as a variable of the environment."""
    variable = "STREAMLIT_SERVER_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
    return variable in os.environ or any(option.partition("=")[0] == f"--server.{name}" for option in given)


def _once_it_listens(opens: bool) -> None:
    address, port = _listening()
    _import_first_page()
    if opens:
        webbrowser.open(f"http://{address}:{port}")
    if is_public():
        from app import first_visits

        first_visits.prepare()


def _listening() -> tuple[str, int]:
    """Waits for the server; where it is."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if runtime.exists():  # only now is the port settled: a taken one was passed over
            place = config.get_option("server.address") or "127.0.0.1", config.get_option("server.port")
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex(place) == 0:
                    return place
        time.sleep(0.03)
    raise TimeoutError("the server did not start")


def _import_first_page() -> None:
    import app.overview  # noqa: F401
    import rtl_core.runs.checkpoint  # noqa: F401


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
