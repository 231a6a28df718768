"""Source files as syntax trees, each parsed once: many tests walk over all of them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def tree_of(path: Path) -> ast.Module:
    """Nobody changes it."""
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All of its nodes."""
    return tuple(ast.walk(tree_of(path)))


def in_every(files: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """A decorator: a check of one source file becomes one test of all, which names every file that fails and why."""

    def decorate(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            failed, looked_at = [], 0
            for path in files:
                looked_at += 1
                try:
                    check(path)
                except AssertionError as error:
                    failed.append(f"{path.relative_to(ROOT)}: {error}")
            assert looked_at and not failed, "\n".join(failed)

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return test

    return decorate
