"""A public server is read-only in the core too: whatever writes, deletes or starts something refuses in a sentence."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from app import training_cost, uploads
from rtl_core import read_only
from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.runs import (
    atomic,
    attribution,
    change_tickets,
    checkpoint,
    grow,
    imports,
    journal,
    merge,
    queue,
    reporter,
    retrain,
    retraining_file,
    started,
    status,
    store,
    training,
    worker,
)
from rtl_core.studies import benchmark_jobs, benchmark_report
from tests.parsed import in_every, tree_of

ROOT = Path(__file__).resolve().parents[1]
REFUSED = [
    *(store.create_run, store.rename_run, store.annotate_run, store.delete_run, store.append_metric),
    *(store.ask_stop, store.clear_stop, queue.locked, queue.main),
    *(worker.start, worker.resume, worker.stop, worker._launch, training.train_new, training.train_folder),
    *(imports.import_masks, grow.grow, merge.merge, merge.remove, change_tickets.save, checkpoint.save_checkpoint),
    *(attribution.save_audit, retraining_file.write, retraining_file.place, retrain.probe, retrain.relax),
    *(status.write_status, started.record, atomic.write_json, benchmark_jobs.run, benchmark_report.write),
    *(uploads.store, uploads.delete, training_cost.estimate),
]

# What writes or starts something, by the name that it is called by.
WRITES = {
    *("write_json", "write_tensors", "save_checkpoint", "make_once", "remove", "replacing", "save_file"),
    *("mkdir", "touch", "unlink", "rmtree", "write_bytes", "write_text", "Popen", "execv", "savez_compressed"),
}
# Functions that do so without asking, and why a public server may have them.
ALLOWED = {
    "rtl_core/runs/exports.py:export": "a ticket into a folder that the caller has made for it",
    "rtl_core/runs/report.py:write_report": "a report into a file that was named on the command line",
    "rtl_core/runs/tensors.py:write_tensors": "what calls it asks; exports of tickets do not",
    "rtl_core/runs/queue.py:_lock_file": "called by `locked` alone, which asks",
    "rtl_core/runs/journal.py:mark": "of a FileJournal, which is not made in public",
    "rtl_core/runs/journal.py:clear": "of a FileJournal, which is not made in public",
    "rtl_core/runs/reporter.py:__exit__": "of a StatusReporter, which is not entered in public",
    "rtl_core/studies/benchmark_jobs.py:_ready": "called by `run` alone, which asks",
    "app/uploads.py:_fill": "called by `store` alone, which asks",
    "app/uploads.py:_unpack": "called by `store` alone, which asks",
    "app/report.py:_of_table": "an uploaded table, which is not there in public, into a folder that is gone at once",
    "app/fairness/uploaded_predictions.py:_read": "an uploaded table, which is not there in public",
    "app/library.py:_import": "uploaded files, which are not there in public, for `import_masks`, which asks",
}
FILES = [
    path for place in ("rtl_core/runs", "rtl_core/studies", "app") for path in sorted((ROOT / place).rglob("*.py"))
]


@pytest.fixture
def public(monkeypatch):
    monkeypatch.setenv(read_only.VARIABLE, "1")


def arguments(function: Callable) -> list[None]:
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return [None] * len(needed)


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: f"{function.__module__}.{function.__name__}")
def test_in_public_it_refuses_before_it_looks_at_anything(public, function):
    with pytest.raises(BadInput, match=r"is switched off here: this is a public demonstration"):
        function(*arguments(function))


def test_in_public_no_journal_is_made_and_no_training_begins(public, tmp_path):
    with pytest.raises(BadInput, match="training a run is switched off"):
        journal.FileJournal(tmp_path)
    with pytest.raises(BadInput, match="training a run is switched off"), reporter.StatusReporter(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@in_every(FILES)
def test_every_function_that_writes_or_starts_something_asks_first(path):
    place = path.relative_to(ROOT).as_posix()
    assert {name for name in unguarded(tree_of(path)) if f"{place}:{name}" not in ALLOWED} == set()


def unguarded(tree: ast.AST) -> set[str]:
    """Outermost functions in which something is written or started, and that neither are decorated nor `check`."""
    outermost = [node for node in ast.iter_child_nodes(tree) if isinstance(node, ast.FunctionDef)]
    classes = [node for node in ast.iter_child_nodes(tree) if isinstance(node, ast.ClassDef)]
    outermost += [node for owner in classes for node in owner.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in outermost if writes(node) and not asks(node)}


def called(node: ast.AST) -> set[str]:
    calls = [inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call)]
    return {getattr(call, "attr", getattr(call, "id", "")) for call in calls}


def writes(node: ast.FunctionDef) -> bool:
    opens = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "open"]
    modes = [argument.value for call in opens for argument in call.args[1:] if isinstance(argument, ast.Constant)]
    starts = any(ast.unparse(inner) == "subprocess.run" for inner in ast.walk(node))
    return bool(called(node) & WRITES) or starts or any(set(str(mode)) & set("wax+") for mode in modes)


def asks(node: ast.FunctionDef) -> bool:
    decorated = any(ast.unparse(each).startswith("refused_in_public(") for each in node.decorator_list[:1])
    return decorated or ast.unparse(node.body[0]).startswith("check(")


@pytest.mark.parametrize(
    "code",
    [
        "def f(path): path.mkdir()",
        "def f(path): open(path, 'a+b')",
        "def f(): subprocess.run(['ls'])",
        "class C:\n def f(self): write_json(1, 2)",
        "@kept\n@refused_in_public('x')\ndef f(path): path.touch()",
    ],
)
def test_a_function_that_does_not_ask_is_seen(code):
    assert unguarded(ast.parse(code)) == {"f"}


def test_one_that_asks_passes():
    assert unguarded(ast.parse("@refused_in_public('x')\ndef f(path): path.touch()")) == set()
    assert unguarded(ast.parse("def f(path):\n check('x')\n path.touch()")) == set()


@pytest.mark.parametrize(("value", "public"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_only_nothing_and_zero_are_private(monkeypatch, value, public):
    monkeypatch.delenv(read_only.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(read_only.VARIABLE, value)
    assert read_only.is_public() is public


def test_in_public_only_samples_are_opened_whatever_the_folder_holds(public, monkeypatch, tmp_path):
    monkeypatch.delenv(read_only.VARIABLE)
    folder, _ = store.create_run(Config(), "f", tmp_path)
    assert [run.name for run in store.list_runs(tmp_path)] == [folder.name]
    monkeypatch.setenv(read_only.VARIABLE, "1")
    assert store.list_runs(tmp_path) == []
    for name in (folder.name, str(folder), f"../{tmp_path.name}/{folder.name}"):
        with pytest.raises(BadInput, match="there is no run"):
            store.find_run(name, tmp_path)
    with pytest.raises(BadInput, match="there is no run"):
        store.named_run(folder.name, tmp_path)
    sample = store.samples()["domains"]
    assert store.find_run("domains", tmp_path) == sample
    assert store.audits_folder(sample, tmp_path).parent == sample
