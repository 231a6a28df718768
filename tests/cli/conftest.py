"""One call of the command line, in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rtl_core import cli

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rtl(capsys, monkeypatch) -> Call:
    """Arguments -> (exit code, stdout, stderr) of one call."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rtl_core", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
