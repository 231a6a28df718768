"""What benchmarks that make one page have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def show(about: str, table: Callable[[], str]) -> None:
    """Prints the table of a benchmark, and writes it where `--out` says. `about` is the module's docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    out = parser.parse_args().out
    text = table()
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
