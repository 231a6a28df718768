from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from rtl_core.config import parse
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.files import replacing
from rtl_core.runs import store
from rtl_core.runs.status import (
    Status,
    effective_status,
    is_alive,
    process_exists,
    process_start,
    read_status,
    write_status,
)


def config(**values):
    return parse({"data": {"spec": "bundled:digits"}, **values})


def me(state: str = "running", **values) -> Status:
    """A status as this very process would write it."""
    own = {"pid": os.getpid(), "process_started": process_start(os.getpid()), "heartbeat": time.time()}
    return Status(state, **{**own, **values})


def test_same_config_on_same_data_is_the_same_run(tmp_path):
    folder, existed = store.create_run(config(), "data-a", tmp_path)
    assert not existed and store.read_config(folder) == config()
    assert store.create_run(config(), "data-a", tmp_path) == (folder, True)
    assert store.create_run(config(), "data-b", tmp_path)[0] != folder
    assert store.create_run(config(joint={"steps": 3}), "data-a", tmp_path)[0] != folder
    again, existed = store.create_run(config(), "data-a", tmp_path, again=True)
    assert not existed and again.name == f"{folder.name}-2"
    assert store.create_run(config(), "data-a", tmp_path) == (folder, True)


def test_changed_config_is_not_taken_for_the_same_run(tmp_path):
    folder, _ = store.create_run(config(), "data", tmp_path)
    (folder / "config.json").write_text("{}")
    other, existed = store.create_run(config(), "data", tmp_path)
    assert not existed and other != folder


@pytest.mark.parametrize(
    ("values", "slug"),
    [
        ({"density": 0.05, "seed": 3}, "digits-d0.05-s3-"),
        ({"preset": "demo"}, "demo-d0.1-s0-"),
        ({"data": {"spec": "folder:/home/Ü x/../My Cats/"}}, "my-cats-d0.1-s0-"),
        ({"data": {"spec": "csv:C:\\tables\\../..\\.."}}, "run-d0.1-s0-"),
    ],
)
def test_names_are_readable_and_safe(values, slug, tmp_path):
    name = store.run_name(config(**values), "data")
    assert name.startswith(slug) and len(name) == len(slug) + 8
    folder, _ = store.create_run(config(**values), "data", tmp_path)
    assert store.named_run(name, tmp_path) == folder


def test_runs_are_found_by_name_and_by_folder(tmp_path, monkeypatch):
    folder, _ = store.create_run(config(), "data", tmp_path / "runs")
    root = tmp_path / "runs"
    assert store.find_run(folder.name, root) == folder
    assert store.find_run(folder, tmp_path / "elsewhere") == folder
    monkeypatch.chdir(root)
    assert store.find_run(f"./{folder.name}", tmp_path / "elsewhere") == folder


def test_samples_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "project_root", lambda: tmp_path)
    sample = tmp_path / "sample_checkpoints" / "domains"
    sample.mkdir(parents=True)
    (sample / "run.json").write_text("{}")
    assert store.samples() == {"domains": sample}
    assert store.find_run("domains", tmp_path / "runs") == sample
    with pytest.raises(BadInput, match="only runs there can be deleted"):
        store.delete_run(sample, sample.parent)
    assert store.run_state(sample) == "done"


@pytest.mark.parametrize("name", ["../secret", "..", "a/b", "a\\b", "", ".hidden", "/etc", "x" * 200, "a..b"])
def test_names_are_never_paths(tmp_path, name):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.json").write_text("{}")
    store.create_run(config(), "data", tmp_path / "runs")
    with pytest.raises(BadInput, match=r"there are: .*digits-d0.1-s0-"):
        store.named_run(name, tmp_path / "runs")


def test_list_is_newest_first_and_shows_broken_runs(tmp_path):
    old, _ = store.create_run(config(seed=1), "data", tmp_path)
    new, _ = store.create_run(config(seed=2), "data", tmp_path)
    broken, _ = store.create_run(config(seed=3), "data", tmp_path)
    os.utime(old / "config.json", (1000, 1000))
    os.utime(new / "config.json", (2000, 2000))
    (broken / "config.json").write_text('{"colour": "red"}')
    os.utime(broken / "config.json", (500, 500))
    (tmp_path / "notes").mkdir()
    write_status(new, me())
    runs = store.list_runs(tmp_path)
    assert [run.folder for run in runs] == [new, old, broken]
    assert [run.state for run in runs] == ["running", "stopped", "failed"]
    assert (runs[0].task, runs[0].data, runs[0].density, runs[0].created) == ("multiclass", "bundled:digits", 0.1, 2000)
    assert "unknown setting 'colour'" in runs[2].problem
    assert store.list_runs(tmp_path / "nowhere") == []


def test_title_and_note_leave_the_folder_where_it_is(tmp_path):
    folder, _ = store.create_run(config(), "data", tmp_path)
    store.rename_run(folder, "  For the talk ")
    store.annotate_run(folder, "seed of the first slide")
    run = store.list_runs(tmp_path)[0]
    assert (run.name, run.title, run.note) == (folder.name, "For the talk", "seed of the first slide")


def test_disk_use_counts_every_file(tmp_path):
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").write_bytes(b"x" * 23)
    assert store.disk_use(tmp_path) == 1023


def test_delete_takes_only_idle_runs_of_the_root(tmp_path):
    root, outside = tmp_path / "runs", tmp_path / "other"
    folder, _ = store.create_run(config(), "data", root)
    foreign, _ = store.create_run(config(), "data", outside)
    write_status(folder, me())
    with pytest.raises(BadInput, match="still training"):
        store.delete_run(folder, root)
    write_status(folder, me("done"))
    (root / "link").symlink_to(foreign)
    for wrong in (foreign, root, root / ".." / "other" / foreign.name, root / "link"):
        with pytest.raises(BadInput, match="only runs there"):
            store.delete_run(wrong, root)
    store.delete_run(folder, root)
    assert not folder.exists() and foreign.exists()


@pytest.mark.parametrize("text", ["{", "[]", "\x80", ""])
def test_unreadable_config_is_one_sentence(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadInput, match=r"config.json"):
        store.read_config(tmp_path)


def test_oversized_config_is_not_read(tmp_path):
    (tmp_path / "config.json").write_bytes(b" " * 1_000_001)
    with pytest.raises(BadInput, match="larger than the 1,000,000 bytes"):
        store.read_config(tmp_path)


def test_metrics_come_back_in_order_without_torn_lines(tmp_path):
    assert store.read_metrics(tmp_path) == []
    store.append_metric(tmp_path, {"step": 1, "loss": float("nan")})
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": 2, "lo')  # killed here
    assert store.read_metrics(tmp_path) == [{"step": 1, "loss": None}]
    store.append_metric(tmp_path, {"step": 3})
    assert [record["step"] for record in store.read_metrics(tmp_path)] == [1, 3]
    assert store.read_metrics(tmp_path, after=1) == [{"step": 3}]


def test_stop_is_asked_and_taken_back(tmp_path):
    assert not store.stop_requested(tmp_path)
    store.ask_stop(tmp_path)
    assert store.stop_requested(tmp_path)
    store.clear_stop(tmp_path)
    assert not store.stop_requested(tmp_path)


def test_failed_write_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as draft:
        draft.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_plain_makes_json_of_numpy_and_nan():
    import numpy as np

    value = {1: np.float32(0.5), "a": (np.int64(3), float("inf")), "b": np.array([[1.0, np.nan]]), "c": Path("x")}
    assert plain(value) == {"1": 0.5, "a": [3, None], "b": [[1.0, None]], "c": "x"}


def test_status_comes_back(tmp_path):
    assert read_status(tmp_path) is None
    status = me(phase="joint", method="rtl", ticket="sky", done=3, total=10, eta_seconds=1.5, started=1.0)
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status == effective_status(tmp_path)
    (tmp_path / "status.json").write_text('{"state": "running", "pid": "many"}')
    assert read_status(tmp_path) is None


def test_alive_means_our_process_with_a_fresh_heartbeat():
    now = time.time()
    assert is_alive(me())
    assert not is_alive(me("done"))
    assert not is_alive(me(heartbeat=now - 3600)) and process_exists(me(heartbeat=now - 3600))
    assert not is_alive(me(process_started=1)), "another process has got the same pid"
    assert is_alive(Status("starting", heartbeat=now))
    assert not is_alive(Status("starting", heartbeat=now - 3600))


def test_dead_run_is_reported_as_stopped(tmp_path):
    write_status(tmp_path, me(process_started=1, done=42))
    status = effective_status(tmp_path)
    assert status.state == "stopped"
    assert "ended without a word; resume goes on from step 42" in status.error
    write_status(tmp_path, me(heartbeat=time.time() - 3600))
    assert "has given no sign for 3600 s" in effective_status(tmp_path).error


def spoil_name(folder: Path) -> None:
    os.rename(folder, os.fsencode(folder.parent) + b"/bad-\xff")


def spoil_with_pipe(name: str):
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return spoil


def spoil_with_text(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_name, "is no UTF-8; rename the folder"),
        (spoil_with_pipe("config.json"), "config.json in .* is no file"),
        (spoil_with_pipe("status.json"), ""),
        (spoil_with_pipe("label.json"), ""),
        (spoil_with_pipe("metrics.jsonl"), ""),
        (spoil_with_text("config.json", "[" * 100_000), "not valid JSON"),
        (spoil_with_text("config.json", '{"density": NaN}'), "not valid JSON"),
        (spoil_with_text("config.json", '{"density": 1e999}'), "not valid JSON"),
        (spoil_with_text("status.json", '{"state": "running", "done": -4}'), ""),
        (spoil_with_text("status.json", '{"state": "running", "heartbeat": NaN}'), ""),
        (spoil_with_text("label.json", '{"title": ["x"], "note": 3}'), ""),
        (spoil_with_text("label.json", '{"title": "a\\ud800b", "note": "\\udfff"}'), ""),
    ],
)
def test_one_bad_folder_is_listed_with_its_problem_and_stops_nothing(tmp_path, spoil, problem):
    good, _ = store.create_run(parse({}), "good", tmp_path)
    bad, _ = store.create_run(parse({"seed": 1}), "bad", tmp_path)
    spoil(bad)
    listed = {run.name: run for run in store.list_runs(tmp_path)}
    assert len(listed) == 2 and listed.pop(good.name).problem == ""
    (other,) = listed.values()
    assert re.search(problem, other.problem) and bool(other.problem) == bool(problem)
    "".join((other.name, other.title, other.note)).encode("utf-8")
    assert store.read_metrics(bad) == []
