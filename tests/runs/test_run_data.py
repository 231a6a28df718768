"""Whatever reads a run's data again: the data are what it was trained on, or they are refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app import cache
from rtl_core.config import DataSettings, parse
from rtl_core.data import sources
from rtl_core.data.fingerprint import are_among, row_digests
from rtl_core.errors import BadInput
from rtl_core.interchange.ticket_file import read_ticket
from rtl_core.runs import change_tickets, exports, merge, report, retrain, run_data, started, worker
from rtl_core.runs.attribution import Explained
from rtl_core.runs.checkpoint import load_run, load_seen_rows
from rtl_core.runs.fairness import Audited
from rtl_core.runs.grow import grow
from rtl_core.runs.journal import FileJournal
from rtl_core.runs.open_run import open_run
from rtl_core.runs.status import read_status
from rtl_core.runs.store import create_run, samples
from rtl_core.runs.training import train_folder, train_new
from tests.toy_run import toy

SETTINGS = toy(task="one_vs_rest", partition={"by": "class"}, model={"width": 0.5})


def write(path: Path, more: int = 0) -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (90 + more, 8, 8)).astype(np.uint8)
    np.savez(path, x=x, y=np.arange(90 + more) % 3)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def data(home) -> Path:
    write(home / "data.npz")
    return home / "data.npz"


@pytest.fixture
def run(home, data):
    config = parse({**SETTINGS, "data": {"spec": f"npz:{data}"}})
    return load_run(Path(train_new(config, home / "runs")["folder"]))


def applied(run, place):
    path = exports.export(run, run.tickets.names[0], ["ticket"], place)["ticket"]
    return exports.apply_ticket(run, read_ticket(path))


READERS = {
    "evaluate, route, routing page": lambda run, place: open_run(run),
    "with the spec": lambda run, place: open_run(run, run.config.data.spec),
    "exchange of the masks page": lambda run, place: cache.opened(run),
    "fairness": lambda run, place: Audited.of(run),
    "attribution": lambda run, place: Explained.of(run),
    "remove, merge": lambda run, place: change_tickets.open_tickets(run),
    "redundancy": lambda run, place: merge.redundancy_of(run),
    "grow": lambda run, place: grow(run, run.config.data.spec, place),
    "a loaded ticket": applied,
    "probe": lambda run, place: retrain.probe(run, place),
    "relax": lambda run, place: retrain.relax(run, 1.0, place),
    "report": lambda run, place: report.run_document(run, report.ReportRequest(groups=("sex",)), place),
}


@pytest.mark.parametrize("reader", READERS)
def test_changed_data_are_refused_by_all_that_read_them(run, data, tmp_path, reader):
    write(data, more=1)
    with pytest.raises(BadInput, match=r"no longer holds the data that run .* was trained on .*fingerprint"):
        READERS[reader](run, tmp_path)


def test_what_changed_is_named(run, data):
    write(data, more=10)
    with pytest.raises(
        BadInput, match=r"train rows: 65 then, 72 now; validation rows: 7 then, 8 now; test .* 20 now; f"
    ):
        open_run(run)
    write(data)
    x = np.load(data)["x"]
    np.savez(data, x=x[:, :7].repeat(2, axis=1)[:, :8], y=np.arange(90) % 3)
    with pytest.raises(BadInput, match=r"not the same, or in another order or split.* 72 of the 72 rows .* are gone"):
        open_run(run)
    np.savez(data, x=x, y=np.array(["a", "b", "c"])[np.arange(90) % 3])
    with pytest.raises(BadInput, match="classes: 0, 1, 2 then, a, b, c now"):
        open_run(run)


def test_data_are_read_once_so_that_nothing_comes_between_the_look_and_the_use(run, data, monkeypatch):
    """Whoever loads twice would get other rows the second time."""
    own, loads = sources.load, []

    def load(settings, seed):
        loads.append(settings.spec)
        if len(loads) == 2:
            write(data, more=30)
        return own(settings, seed)

    monkeypatch.setattr(sources, "load", load)
    rows = report.run_document(run, report.ReportRequest(), run.folder.parent)["skipped"]
    assert any("no column with a few categories" in row["reason"] for row in rows)
    assert len(loads) == 1


def test_a_run_keeps_digests_of_what_it_saw_and_of_nothing_else(run, data):
    dataset = sources.load(DataSettings(spec=f"npz:{data}"), 0)
    kept = load_seen_rows(run)
    assert kept.shape == ((dataset.split != "test").sum(), 8) and kept.dtype == np.uint8
    assert np.array_equal(are_among(row_digests(dataset.x), kept), dataset.split != "test")
    assert "seen" not in json.dumps(run.info) and load_seen_rows(load_run(samples()["fashion10"])) is None


def test_a_row_under_another_label_was_seen_all_the_same(run, data, tmp_path):
    x = np.load(data)["x"]
    np.savez(tmp_path / "turned.npz", x=x, y=(np.arange(90) + 1) % 3)
    setting = open_run(run, f"npz:{tmp_path / 'turned.npz'}")
    assert setting.rows_left_out == len(load_seen_rows(run))
    own = sources.load(DataSettings(spec=f"npz:{data}"), 0)
    assert np.array_equal(setting.dataset.rows("test"), own.rows("test"))
    assert set(setting.dataset.split) == {"test", "seen"}


def test_all_forms_of_a_picture_were_seen_with_one_of_them():
    """Fashion's training pictures come back rotated, inverted, ... in the five domains."""
    run = load_run(samples()["fashion10"])
    dataset, left_out = run_data.dataset_of(run, "bundled:domains")
    fashion = sources.load(DataSettings(spec="bundled:fashion"), 0)
    assert left_out == 5 * (fashion.split != "test").sum()
    assert np.array_equal(dataset.rows("test"), np.flatnonzero(np.tile(fashion.split, 5) == "test"))


def test_pictures_that_are_not_square_are_the_runs_own_too(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (60, 8, 12)).astype(np.uint8)
    np.savez(tmp_path / "wide.npz", x=x, y=np.arange(60) % 3)
    config = parse({**SETTINGS, "data": {"spec": f"npz:{tmp_path / 'wide.npz'}"}})
    run = load_run(Path(train_new(config, tmp_path)["folder"]))
    assert open_run(run, config.data.spec).dataset.input_shape == (1, 8, 12)
    np.savez(tmp_path / "more.npz", x=np.concatenate([x, 255 - x]), y=np.arange(120) % 3)
    setting = open_run(run, f"npz:{tmp_path / 'more.npz'}")
    assert len(setting.dataset.rows("test")) == 120 - setting.rows_left_out > 60


def test_a_path_that_looks_like_two_specs(tmp_path):
    place = tmp_path / "a + b"
    place.mkdir()
    write(place / "data.npz")
    config = parse({**SETTINGS, "data": {"spec": f"npz:{place / 'data.npz'}"}})
    run = load_run(Path(train_new(config, tmp_path)["folder"]))
    assert open_run(run).rows_left_out == 0


def test_two_data_sets_as_one_are_still_both_checked(run, home, data):
    """A run that was grown on a second file: neither may change, and either alone is other data."""
    generator = np.random.default_rng(5)
    second = home / "second.npz"
    x, y = generator.integers(0, 256, (40, 8, 8)).astype(np.uint8), np.repeat([0, 3], 20)
    np.savez(second, x=x, y=y)
    changes = ("gated.steps=2",)
    grown = load_run(Path(grow(run, f"npz:{second}", home / "runs", changes=changes)["folder"]))
    assert open_run(grown).rows_left_out == 0
    assert len(load_seen_rows(grown)) > len(load_seen_rows(run))
    both = f"npz:{second} + npz:{data}"  # the order makes no other data of them
    assert open_run(grown, both).dataset.fingerprint == grown.info["data"]["fingerprint"]
    np.savez(second, x=x[:-1], y=y[:-1])
    with pytest.raises(BadInput, match=r"no longer holds the data"):
        open_run(grown)


def test_the_fingerprint_alone_decides_whose_data_they_are(run, data):
    info = {**run.info, "data": {**run.info["data"], "fingerprint": "0" * 32}}
    with pytest.raises(BadInput, match=r"not the same, or in another order or split"):
        open_run(replace(run, info=info))


# Runs that go on.


def test_a_process_that_finds_other_data_than_its_run_was_made_for_does_not_train(home, data, tmp_path):
    """The file was replaced after the run was named and before its process read it."""
    config = parse({**SETTINGS, "data": {"spec": f"npz:{data}"}})
    folder, _ = create_run(config, sources.load(config.data, config.seed).fingerprint, tmp_path)
    write(data, more=1)
    with pytest.raises(BadInput, match=r"was begun on other data than 'npz:.*' holds now"):
        train_folder(folder)
    assert read_status(folder).state == "failed" and not FileJournal(folder).holds_anything
    write(data)
    assert train_folder(folder)["notes"] == []


@pytest.mark.long
def test_a_resumed_process_says_in_the_status_what_differs(home, data, tmp_path):
    """What the pages show of it, and the queue's process too."""
    config = parse({**SETTINGS, "data": {"spec": f"npz:{data}"}})
    dataset = sources.load(config.data, config.seed)
    folder, _ = create_run(config, dataset.fingerprint, tmp_path)
    assert started.check(folder, config, dataset, half_done=False) is None
    write(data, more=10)
    worker.resume(folder)
    status = worker.wait(folder, 120)
    assert status.state == "failed" and "train rows: 65 then, 72 now" in status.error
    (folder / "config.json").write_text(json.dumps({**config.model_dump(mode="json"), "seed": 8}))
    with pytest.raises(BadInput, match="seed was 0 and is 8"):
        worker.resume(folder)
    assert read_status(folder) == status, "no process was started"


def test_an_old_run_goes_on_unchecked_and_is_checked_from_then_on(home, data, tmp_path):
    config = parse({**SETTINGS, "data": {"spec": f"npz:{data}"}})
    dataset = sources.load(config.data, config.seed)
    folder, _ = create_run(config, dataset.fingerprint, tmp_path)
    (folder / started.START_FILE).unlink()
    assert started.check(folder, config, dataset, half_done=True) == started.UNCHECKED
    assert started.check(folder, config, dataset, half_done=True) is None
    (folder / started.START_FILE).unlink()
    assert started.check(folder, config, dataset, half_done=False) is None, "there is nothing yet that could be mixed"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": 1, "data": 2}', '{"settings": {}, "data": {}}'])
def test_a_record_that_holds_something_else_is_named(home, data, tmp_path, content):
    config = parse({**SETTINGS, "data": {"spec": f"npz:{data}"}})
    dataset = sources.load(config.data, config.seed)
    folder, _ = create_run(config, dataset.fingerprint, tmp_path)
    (folder / started.START_FILE).write_text(content)
    with pytest.raises(BadInput):
        started.check(folder, config, dataset, half_done=True)


def test_places_are_the_same_for_the_same_files(home, data, tmp_path, monkeypatch):
    os.symlink(home, tmp_path / "there")
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    same = ("npz:data.npz", f"npz:{tmp_path}/there/data.npz", "npz:~/data.npz", f"npz:{home}/./data.npz")
    assert {str(run_data.places(spec)) for spec in same} == {str(run_data.places(f"npz:{data}"))}
    assert run_data.places("bundled:digits") != run_data.places("bundled:fashion")
    assert run_data.places("npz:gone.npz") == run_data.places(f"npz:{home}/gone.npz")
    assert run_data.places("npz:\0") and run_data.places("npz:~nobody-here/x")
