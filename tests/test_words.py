"""Names are the field's own: a short list of words stands in no file name and in no identifier that is bound here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.parsed import in_every, tree_of

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("rtl_core", "app", "pages", "benchmarks", "tests")
REFUSED = {
    *("beside", "behind", "alike", "astray", "whom", "asked", "said", "told", "heard", "rang", "found", "updater"),
    *("lab", "labs", "ladder", "ladders", "rung", "rungs", "part", "parts"),
}
# Keys of files that others read: run.json, ticket files and kept measurements. They stay as they are.
PROMISED = {
    ("rtl_core/interchange/ticket_file.py", "rungs"),
    ("rtl_core/runs/checkpoint.py", "rungs"),
    ("rtl_core/runs/checkpoint.py", "parts"),
    ("rtl_core/runs/retraining_file.py", "rung"),
}
FILES = [path for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))]


def words(name: str) -> set[str]:
    return {word.lower() for word in re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).split("_")}


def bound(tree: ast.AST) -> Iterator[str]:
    """Every name that a module binds; not what it calls attributes of others' objects. Tests' names are prose."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):
                yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.rpartition(".")[2]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name


def test_words_are_those_between_underscores_and_capitals():
    assert words("first_part") & REFUSED and words("RungRows") & REFUSED and words("FOUND") & REFUSED
    assert not (words("partition") | words("label") | words("partial")) & REFUSED


@in_every(FILES)
def test_no_refused_word_names_a_file_or_anything_in_it(path):
    place = path.relative_to(ROOT).as_posix()
    assert not {piece for piece in place.removesuffix(".py").split("/") if words(piece) & REFUSED}
    names = set(bound(tree_of(path)))
    assert {name for name in names if words(name) & REFUSED and (place, name) not in PROMISED} == set()
