"""Data read again: rows that a run was trained on never count as test rows, and a resumed run has one data set."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data import sources
from rtl_core.runs import store
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.store import ask_stop
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

SETTINGS = set_options(toy(model={"width": 0.5}))
CLASSES = ("cat", "dog", "owl")


def document(result: tuple[int, str, str]) -> dict:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def refused(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, out) == (2, ""), (out, err)
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    return err


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(x, y): all different, each class with a corner of its own."""
    generator = np.random.default_rng(seed)
    y = np.arange(count) % 3
    x = generator.integers(0, 120, (count, 8, 8)).astype(np.uint8)
    for place, corner in enumerate(((0, 0), (0, 4), (4, 0))):
        x[y == place, corner[0] : corner[0] + 4, corner[1] : corner[1] + 4] += 120
    return x, y


def write_npz(path: Path, count: int = 180, more: int = 0) -> None:
    x, y = pictures(count)
    new_x, new_y = pictures(more, seed=1)
    np.savez(path, x=np.concatenate([x, new_x]), y=np.concatenate([y, new_y]))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def data(home) -> Path:
    """The npz file that the run was trained on, as it was then."""
    write_npz(home / "data.npz")
    return home / "data.npz"


@pytest.fixture
def trained(rtl, home, data) -> dict:
    """The document of a run on `data`; trained once, then reused."""
    return document(rtl("train", "classes", "--data", f"npz:{data}", *SETTINGS, "--runs", home / "runs", "--json"))


@pytest.fixture
def run(trained) -> str:
    return trained["run"]


@pytest.fixture
def ask(rtl, home, run):
    """A verb and its arguments -> its result on the run."""

    def call(verb: str, *arguments: object) -> tuple[int, str, str]:
        return rtl(verb, run, *arguments, "--runs", home / "runs", "--json")

    return call


def test_one_picture_more_is_refused_by_every_verb_that_reads_the_data(rtl, ask, data, tmp_path):
    own = document(ask("route"))["n"]
    assert document(ask("evaluate", "--data", f"npz:{data}"))["tickets"][0]["n"] == own
    write_npz(data, more=1)
    os.symlink(data, tmp_path / "link.npz")
    os.link(data, data.with_name("hard.npz"))
    same = [f"npz:{path}" for path in (data, tmp_path / "link.npz", data.with_name("hard.npz"))]
    same.append(f"npz:{os.path.relpath(data)}")
    same.append(f"npz:{data.parent / '..' / data.parent.name / data.name}")
    verbs = [("route",), *((verb, "--data", spec) for verb in ("route", "evaluate") for spec in same)]
    verbs += [("attribute", "--ticket", "0"), ("merge", "--tickets", "0,1"), ("remove", "--ticket", "0")]
    verbs += [("redundancy",), ("grow", "--data", f"npz:{data}"), ("fairness", "--groups", "sex")]
    verbs += [("report", "--groups", "sex", "--out", tmp_path / "report.html")]
    for verb in verbs:
        error = refused(ask(*verb))
        assert f"'npz:{data}' no longer holds the data" in error, verb
        assert "fingerprint" in error and "put them back" in error, verb
    assert "train rows" in error or "test rows" in error


def test_a_report_without_named_groups_says_why_it_has_no_audit_of_them(rtl, ask, data, tmp_path):
    write_npz(data, more=1)
    skipped = document(ask("report", "--out", tmp_path / "report.html"))["skipped"]
    assert any("no longer holds the data" in row["reason"] for row in skipped)


@pytest.mark.parametrize("change", ["fewer", "pixel", "reordered", "label", "swapped"])
def test_other_changes_are_refused_too(ask, data, change):
    x, y = pictures(180)
    if change == "fewer":
        x, y = x[:-1], y[:-1]
    elif change == "pixel":
        x[17, 3, 3] ^= 1
    elif change == "reordered":
        x, y = x[::-1], y[::-1]
    elif change == "label":
        y[0] = 1
    else:
        x[[0, 3]] = x[[3, 0]]
    np.savez(data, x=x, y=y)
    for verb in (("route",), ("evaluate", "--data", f"npz:{data}"), ("attribute", "--ticket", "0")):
        assert "no longer holds the data" in refused(ask(*verb))


@pytest.mark.parametrize("verb", ["route", "evaluate"])
def test_of_other_data_rows_that_were_learned_from_are_left_out_and_counted(rtl, ask, data, tmp_path, verb):
    own = document(ask("route"))["n"]
    copy, x_y = tmp_path / "copy.npz", pictures(180)
    order = np.random.default_rng(3).permutation(180)
    new = pictures(9, seed=1)
    np.savez(copy, x=np.concatenate([x_y[0][order], new[0]]), y=np.concatenate([x_y[1][order], new[1]]))
    answer = document(ask(verb, "--data", f"npz:{copy}"))
    rows = answer["n"] if verb == "route" else answer["tickets"][0]["n"]
    assert rows == own + 9 and answer["rows_left_out"] == 180 - own
    assert any(f"{180 - own} of 189 rows" in note for note in answer["notes"])


def test_people_are_shown_it_too(rtl, home, run, data, tmp_path):
    write_npz(tmp_path / "copy.npz", more=9)
    code, out, _ = rtl("route", run, "--data", f"npz:{tmp_path / 'copy.npz'}", "--runs", home / "runs")
    assert code == 0 and "of 189 rows are left out" in " ".join(out.split())


def test_a_copy_is_the_runs_own_data(ask, data, tmp_path):
    shutil.copy(data, tmp_path / "copy.npz")
    own, copied = document(ask("route")), document(ask("route", "--data", f"npz:{tmp_path / 'copy.npz'}"))
    assert copied == own and own["rows_left_out"] == 0 and own["notes"] == []


def test_one_row_that_is_left_is_enough(ask, data, home, tmp_path):
    """All but one of the rows were learned from: what is left is measured, without a crash."""
    dataset = sources.load(DataSettings(spec=f"npz:{data}"), 0)
    learned = dataset.split != "test"
    x, y = pictures(180)
    new = pictures(1, seed=1)
    np.savez(tmp_path / "few.npz", x=np.concatenate([x[learned], new[0]]), y=np.concatenate([y[learned], new[1]]))
    for verb in ("evaluate", "route"):
        answer = document(ask(verb, "--data", f"npz:{tmp_path / 'few.npz'}"))
        assert answer["rows_left_out"] == learned.sum()


def test_data_of_which_nothing_is_left_are_refused(ask, data, tmp_path):
    dataset = sources.load(DataSettings(spec=f"npz:{data}"), 0)
    x, y = pictures(180)
    learned = dataset.split != "test"
    np.savez(tmp_path / "learned.npz", x=x[learned], y=y[learned])
    for verb in ("evaluate", "route"):
        assert "nothing is left" in refused(ask(verb, "--data", f"npz:{tmp_path / 'learned.npz'}"))


def without_digests(folder: Path) -> None:
    """A run as it was written before digests of its rows were kept."""
    from rtl_core.runs.checkpoint import load_gate, load_learned, load_lighter, load_theta_0

    run = load_run(folder)
    learned = tuple(load_learned(run).values())
    save_checkpoint(
        folder, Outcome(run.tickets, run.info, load_theta_0(run), learned, load_lighter(run), load_gate(run))
    )


def test_an_older_run_is_checked_through_its_own_data_or_says_that_it_was_not(rtl, home, run, data, tmp_path):
    old = tmp_path / "runs" / "old"
    shutil.copytree(home / "runs" / run, old)
    without_digests(old)
    write_npz(tmp_path / "copy.npz", more=9)
    spec, runs = f"npz:{tmp_path / 'copy.npz'}", ("--runs", tmp_path / "runs", "--json")
    answer = document(rtl("route", "old", "--data", spec, *runs))
    assert answer["n"] == document(rtl("route", "old", *runs))["n"] + 9 and answer["rows_left_out"] == 189 - answer["n"]
    write_npz(data, more=1)
    assert "no longer holds the data" in refused(rtl("route", "old", *runs))
    assert "no longer holds the data" in refused(rtl("route", "old", "--data", f"npz:{data}", *runs))
    answer = document(rtl("route", "old", "--data", spec, *runs))
    assert answer["rows_left_out"] is None and any("could not be checked" in note for note in answer["notes"])
    data.unlink()
    assert document(rtl("evaluate", "old", "--data", spec, *runs))["rows_left_out"] is None


def test_a_newer_run_needs_its_own_data_no_more_to_tell(ask, data, tmp_path):
    write_npz(tmp_path / "copy.npz", more=9)
    own = document(ask("route"))["n"]
    data.unlink()
    answer = document(ask("route", "--data", f"npz:{tmp_path / 'copy.npz'}"))
    assert (answer["n"], answer["rows_left_out"]) == (own + 9, 180 - own)


# Every kind of source: (what is written, what is changed, the spec, settings).


def csv_table(root: Path, changed: bool) -> str:
    frame = people()
    if changed:
        frame.loc[3, "age"] += 1
    frame.to_csv(root / "people.csv", index=False)
    return f"csv:{root / 'people.csv'}"


def parquet_table(root: Path, changed: bool) -> str:
    frame = people()
    if changed:
        frame = pd.concat([frame, frame.iloc[:1]])
    frame.to_parquet(root / "people.parquet")
    return f"csv:{root / 'people.parquet'}"


def people() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    sex = np.array(["f", "m"])[generator.integers(0, 2, 240)]
    return pd.DataFrame(
        {"age": generator.integers(20, 60, 240), "hours": generator.normal(size=240), "sex": sex}
    ).assign(income=lambda frame: np.where(frame.age + 10 * frame.hours > 40, "high", "low"))


def folder_of_pictures(root: Path, changed: bool) -> str:
    shutil.rmtree(root / "pictures", ignore_errors=True)
    x, y = pictures(90)
    for i, (picture, label) in enumerate(zip(x, y, strict=True)):
        (root / "pictures" / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / "pictures" / CLASSES[label] / f"{i:03d}.png")
    if changed:  # a new name puts it at the end, and with it every row after it into another place
        (root / "pictures" / "cat" / "000.png").rename(root / "pictures" / "cat" / "zzz.png")
    return f"folder:{root / 'pictures'}"


def idx_files(root: Path, changed: bool) -> str:
    (root / "idx").mkdir(exist_ok=True)
    x, y = pictures(120)
    if changed:
        x[5, 0, 0] ^= 1
    for name, values in (("images-idx3", x), ("labels-idx1", y.astype(np.uint8))):
        head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        (root / "idx" / f"train-{name}-ubyte").write_bytes(head + values.tobytes())
    return f"idx:{root / 'idx'}"


TABLE = ("--set", "data.target=income", "--set", 'data.groups=["sex"]', "--set", "partition.by=attribute")
TABLE += ("--set", "partition.column=sex", "--set", "task=multiclass", "--set", "model.name=mlp")


@pytest.mark.parametrize(
    ("source", "more", "verb"),
    [
        (csv_table, TABLE, ("fairness", "--groups", "sex")),
        (parquet_table, TABLE, ("attribute", "--ticket", "f")),
        (folder_of_pictures, (), ("route",)),
        (idx_files, (), ("attribute", "--ticket", "1")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_kind_of_source(rtl, tmp_path, source, more, verb):
    spec, runs = source(tmp_path, changed=False), ("--runs", tmp_path / "runs", "--json")
    run = document(rtl("train", "classes", "--data", spec, *SETTINGS, *more, *runs))["run"]
    verb, *arguments = verb
    document(rtl(verb, run, *arguments, *runs))
    own = document(rtl("evaluate", run, "--data", spec, *runs))
    assert own["tickets"] == document(rtl("evaluate", run, *runs))["tickets"]
    source(tmp_path, changed=True)
    assert "no longer holds the data" in refused(rtl(verb, run, *arguments, *runs))
    assert "no longer holds the data" in refused(rtl("evaluate", run, "--data", spec, *runs))


# Runs that were interrupted.


@pytest.fixture
def half(rtl, home, run, data, tmp_path, monkeypatch) -> Path:
    """The run, stopped in its extraction."""
    folder, stops = tmp_path / "runs" / run, []

    def stop_once(path, record):
        store.append_metric(path, record)
        if not stops and record["phase"] == "extract":
            stops.append(ask_stop(folder))

    monkeypatch.setattr("rtl_core.runs.reporter.append_metric", stop_once)
    code, _, err = rtl("train", "classes", "--data", f"npz:{data}", *SETTINGS, "--runs", tmp_path / "runs")
    assert code == 0 and "stopped" in err and list((folder / "resume").glob("*.safetensors"))
    return folder


def resumed(rtl, folder: Path) -> tuple[int, str, str]:
    return rtl("train", "--resume", folder, "--runs", folder.parent, "--json")


def same_bits(one: Path, other: Path) -> bool:
    files = ("tickets.safetensors", "methods.safetensors")
    return all((one / file).read_bytes() == (other / file).read_bytes() for file in files)


def test_a_run_is_not_gone_on_with_on_other_data(rtl, half, home, run, data):
    kept = sorted(file.name for file in (half / "resume").iterdir())
    write_npz(data, more=1)
    error = refused(resumed(rtl, half))
    assert f"'npz:{data}'" in error and "fingerprint" in error and "rows" in error
    assert sorted(file.name for file in (half / "resume").iterdir()) == kept and not (half / "run.json").exists()
    assert "rows" in refused(resumed(rtl, half)), "and not at the second try either"
    write_npz(data)
    assert document(resumed(rtl, half))["notes"] == []
    assert same_bits(half, home / "runs" / run)


def test_a_run_is_not_gone_on_with_under_other_settings(rtl, half, home, run, data):
    config = half / "config.json"
    original = config.read_text()
    values = json.loads(original)
    values["joint"]["steps"], values["density"] = 5, 0.2
    config.write_text(json.dumps(values))
    error = refused(resumed(rtl, half))
    assert "joint.steps" in error and "density" in error
    assert "3" in error and "5" in error and "0.1" in error and "0.2" in error
    config.write_text(original)
    document(resumed(rtl, half))
    assert same_bits(half, home / "runs" / run)


def test_a_run_that_was_begun_before_it_was_written_down_says_that_it_was_not_checked(rtl, half, home, run, data):
    (half / "start.json").unlink()
    answer = document(resumed(rtl, half))
    assert len(answer["notes"]) == 1 and "could not be checked" in answer["notes"][0]
    shown = document(rtl("show", half, "--runs", half.parent, "--json"))
    assert answer["notes"][0] in shown["warnings"]
    assert same_bits(half, home / "runs" / run)


def test_what_a_run_was_begun_with_is_kept_from_the_first_moment(rtl, home, run):
    kept = json.loads((home / "runs" / run / "start.json").read_text())
    info = load_run(home / "runs" / run).info
    assert kept["data"]["fingerprint"] == info["data"]["fingerprint"]
    assert kept["data"]["n_train"] == info["data"]["n_train"] and kept["settings"] == info["config"]


def test_a_damaged_record_is_named(rtl, half):
    (half / "start.json").write_text("{")
    assert "start.json" in refused(resumed(rtl, half))
