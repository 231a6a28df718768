"""Results stay objects until the edge: no page reads a result of the core by string key.

The core's functions return frozen dataclasses, and `documents.plain` makes JSON of them at the command line and where
files are written. So a constant string in brackets, or in `get`, can only name a column of a frame, or an entry of a
dictionary that is no document. Those are listed here by the name of the variable; another name is refused.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.parsed import in_every, nodes_of

ROOT = Path(__file__).resolve().parents[1]
FRAMES = """
    accuracy changes columns curve dead defined flags frame gaps groupby largest layers least losses mine most points
    records rounds rows sizes smallest value
"""  # and their rows
STREAMLIT = "chosen event picked point points session_state query_params state"  # what widgets keep and report
DRAWN = "cell config spec"  # what ECharts and Streamlit's tables are told
SETTINGS = "draft mapping"  # a form on its way to `config.parse`; the roles of a table's columns
OF_THE_APP = "GLOSSARY counts decided details environ gained share"  # texts and counts that the app has made itself
BY_NAME = (
    "ci data load_arrays of parameters right samples"  # of the core, by free names: intervals, arrays, tensors ...
)
ALLOWED = set(" ".join((FRAMES, STREAMLIT, DRAWN, SETTINGS, OF_THE_APP, BY_NAME)).split())


def read_by_key(path: Path) -> Iterator[tuple[str, str]]:
    """(place, the innermost name) of what a constant string is looked up in."""
    for node in nodes_of(path):
        if isinstance(node, ast.Subscript):
            value, key = node.value, node.slice
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and node.args:
            value, key = node.func.value, node.args[0]
        else:
            continue
        while isinstance(value, ast.Subscript | ast.Call):
            value = value.value if isinstance(value, ast.Subscript) else value.func
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            name = getattr(value, "attr", getattr(value, "id", type(value).__name__))
            yield f"line {node.lineno}: {ast.unparse(node)}", name


@in_every(sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("pages/*.py")]))
def test_no_page_reads_a_result_by_string_key(path):
    assert [place for place, name in read_by_key(path) if name not in ALLOWED] == []


def test_a_document_read_by_key_is_seen(tmp_path):
    lookups = ('document["gaps"]', 'run.info["evaluation"]["methods"]', 'evaluate(run)["n"]', 'row.get("n")')
    code = "\n".join([*lookups, "f\"{row['n']}\"", "x[y]", "x.get(y)"])
    (tmp_path / "page.py").write_text(code)
    names = [name for _, name in read_by_key(tmp_path / "page.py")]
    assert sorted(names) == ["document", "evaluate", "info", "info", "row", "row"]
