"""The command line end to end, on a run small enough to train in seconds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtl_core.runs import store
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.store import ask_stop, project_root, samples
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.long

TINY = toy(lighter=[0.05], controls=["random", "imp_single", "imp_single_union"])


def tiny(*more: str) -> list[str]:
    return [*set_options(TINY), *(piece for setting in more for piece in ("--set", setting))]


def document(result: tuple[int, str, str]) -> dict:
    code, out, err = result
    assert code == 0, err
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def refused(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    return err


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Class folders of JPEG and PNG pictures of mixed size and colour."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for c, name in enumerate(("cat", "dog", "owl")):
        (root / name).mkdir()
        for i in range(24):
            side = int(generator.integers(20, 50))
            pixels = generator.integers(0, 120, (side, side + 7, 3)).astype(np.uint8)
            pixels[:, :, c] = 220
            picture = Image.fromarray(pixels)
            picture = picture.convert("L") if i % 5 == 0 else picture
            picture.save(root / name / f"{i}.{'png' if i % 2 else 'jpg'}")
        (root / name / "notes.txt").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(rtl, folder, runs) -> str:
    """The name of a trained run on the pictures; trained once, then reused."""
    return document(rtl("train", "classes", "--data", f"folder:{folder}", *tiny(), "--runs", runs, "--json"))["run"]


def test_class_folders_train_and_the_same_call_reuses(rtl, folder, runs, run):
    again = document(rtl("train", "classes", "--data", f"folder:{folder}", *tiny(), "--runs", runs, "--json"))
    assert (again["run"], again["folder"], again["reused"]) == (run, str(runs / run), True)
    shown = document(rtl("show", run, "--runs", runs, "--json"))
    assert [ticket["name"] for ticket in shown["tickets"]] == ["cat", "dog", "owl"]
    for ticket in shown["tickets"]:
        assert ticket["subset"] == ticket["name"] and ticket["density"] == ticket["params"] / shown["n_prunable"]
        assert ticket["density"] == pytest.approx(0.1, rel=1e-3)
    assert {"mode", "model", "config"} <= set(shown)
    assert shown["state"] == "done" and shown["task"] == "one_vs_rest" and shown["n_prunable"] > 0
    assert shown["data"]["input_shape"] == [3, 32, 32]


@pytest.mark.parametrize(
    "words",
    [
        ("train", "classes", "--data", "{data}", *tiny()),
        ("show", "{run}"),
        ("evaluate", "{run}"),
        ("evaluate", "{run}", "--data", "{data}/../one-more"),
        ("route", "{run}"),
    ],
    ids=" ".join,
)
def test_what_was_left_out_is_printed(rtl, folder, runs, run, words):
    if not (more := folder.parent / "one-more").exists():
        shutil.copytree(folder, more)
        Image.new("RGB", (30, 30), (9, 99, 200)).save(more / "owl" / "new.png")
    done = rtl(*(word.format(data=f"folder:{folder}", run=run) for word in words), "--runs", runs)
    assert done[0] == 0 and "3 skipped: files that are no JPEG" in done[1]


def test_evaluate_has_the_promised_fields(rtl, runs, run):
    result = document(rtl("evaluate", run, "--runs", runs, "--json"))
    for ticket in result["tickets"]:
        assert {"density", "params", "balanced_accuracy", "recall", "precision", "specificity"} <= set(ticket)
        assert {"roc_auc", "average_precision", "accuracy", "n_pos", "n_neg", "ci"} <= set(ticket)
        low, high = ticket["ci"]["balanced_accuracy"]
        assert low <= ticket["balanced_accuracy"] <= high
    methods = {row["method"]: row for row in result["methods"]}
    assert set(methods) == {"rtl", "random", "imp_single", "imp_single_odds", "imp_single_union"}
    assert methods["rtl"]["steps_extract"] == 4 and methods["random"]["steps_extract"] == 0
    routers = {row["router"]: row for row in result["routers"]}
    assert {"oracle", "gate", "top2", "max_response"} <= set(routers)
    assert {name for name, row in routers.items() if row["uses_label"]} == {"oracle"}
    assert routers["oracle"]["accuracy"] is None and 0 <= routers["gate"]["accuracy"] <= 1
    assert 0 < routers["gate"]["flops_share"] < routers["max_response"]["flops_share"] < 1


def test_a_routers_table_counts_every_row_and_its_budget_is_kept(rtl, runs, run):
    result = document(rtl("route", run, "--budget", "0.7", "--curve", "3", "--choices", "--runs", runs, "--json"))
    assert (result["router"], result["uses_label"], result["tickets"]) == ("gate", False, ["cat", "dog", "owl"])
    assert np.sum(result["counts"]) == result["n"] == len(result["choices"]["ticket"])
    assert result["budget"]["cost"] <= result["budget"]["bound"] == pytest.approx(0.7 * result["full_cost"])
    assert [point["cost"] <= point["bound"] for point in result["curve"]] == [True] * 3
    code, out, err = rtl("route", run, "--router", "context", "--runs", runs)
    assert code == 2 and not out and "this run has no router 'context'; it has: oracle" in err


def test_measuring_the_same_data_again_gives_the_recorded_figures(rtl, folder, runs, run):
    recorded = document(rtl("evaluate", run, "--runs", runs, "--json"))
    measured = document(rtl("evaluate", run, "--data", f"folder:{folder}", "--runs", runs, "--json"))
    assert measured["tickets"] == recorded["tickets"]
    assert measured["methods"] == recorded["methods"]
    assert measured["routers"] == recorded["routers"]


def test_similarity_and_runs(rtl, runs, run):
    result = document(rtl("similarity", run, "--density", "0.05", "--runs", runs, "--json"))
    assert result["names"] == ["cat", "dog", "owl"] and result["density"] == pytest.approx(0.05)
    assert np.shape(result["iou"]) == np.shape(result["chance"]) == np.shape(result["excess"]) == (3, 3)
    assert {"name", "iou_mean", "chance_mean", "density_mean"} <= set(result["layers"][0])
    assert run in [row["run"] for row in document(rtl("runs", "--runs", runs, "--json"))["runs"]]


def test_similarity_trains_twins_and_then_has_them_beside_chance(rtl, runs, run):
    before = document(rtl("similarity", run, "--runs", runs, "--json"))
    assert before["twins"] is before["twin"] is None
    code, out, err = rtl("similarity", run, "--twins", "--runs", runs, "--json")
    trained = json.loads(out)
    assert code == 0 and re.match(r"training twins: [\d,]+ steps, about \d+ s\n", err)
    assert np.shape(trained["twin"]) == np.shape(trained["chance"]) == (3, 3)
    assert document(rtl("similarity", run, "--runs", runs, "--json")) == trained
    printed = rtl("similarity", run, "--runs", runs)[1]
    assert "twin mean" in printed and trained["twins"]["finding"] in printed.replace("\n", " ")


@pytest.mark.slow
def test_the_demo_prints_its_figures_beside_those_to_expect(rtl, tmp_path):
    result = document(rtl("demo", *tiny("data.limit=500"), "--runs", tmp_path, "--json"))
    assert {"run", "seconds", "tickets", "methods", "routers"} <= set(result) and result["reused"] is False
    measured = {row["method"] for row in result["methods"]}
    assert measured == {"rtl", "random", "imp_single", "imp_single_union"}
    assert measured <= {row["method"] for row in result["expected"]["methods"]}
    assert all(row["low"] <= row["mean"] <= row["high"] for row in result["expected"]["methods"])


def test_a_control_that_does_not_apply_gives_its_reason(rtl):
    rows = document(rtl("evaluate", "domains", "--json"))["methods"]
    row = next(row for row in rows if row["method"] == "imp_single_ovr")
    assert row["applies"] is False and row["reason"]
    assert row.get("accuracy") is None and row.get("balanced_accuracy") is None


@pytest.mark.parametrize("workers", [1, 2])
def test_trainings_side_by_side_change_no_bit(rtl, folder, runs, run, tmp_path, workers):
    more = tiny(f"workers={workers}")
    other = document(rtl("train", "classes", "--data", f"folder:{folder}", *more, "--runs", tmp_path, "--json"))
    for file in ("tickets.safetensors", "methods.safetensors"):
        assert (Path(other["folder"]) / file).read_bytes() == (runs / run / file).read_bytes()


def test_stopped_and_resumed_equals_uninterrupted(rtl, folder, runs, run, tmp_path, monkeypatch):
    half = tmp_path / run
    half.mkdir()
    shutil.copy(runs / run / "config.json", half)
    stops = []

    def stop_once(path, record):
        store.append_metric(path, record)
        if not stops and record["phase"] == "extract":
            stops.append(ask_stop(half))

    monkeypatch.setattr("rtl_core.runs.reporter.append_metric", stop_once)
    code, _, err = rtl("train", "--resume", half, "--runs", tmp_path)
    assert code == 0 and "stopped" in err and stops
    assert document(rtl("show", half, "--runs", tmp_path, "--json"))["state"] == "stopped"
    document(rtl("train", "--resume", half, "--runs", tmp_path, "--json"))
    for file in ("tickets.safetensors", "methods.safetensors"):
        assert (half / file).read_bytes() == (runs / run / file).read_bytes()


def test_killed_by_sigkill_and_resumed_equals_uninterrupted(rtl, runs, run, tmp_path):
    """Killed after the warm start and two tickets: what is finished is kept, the rest is redone to the same bits."""
    killed = tmp_path / run
    killed.mkdir()
    shutil.copy(runs / run / "config.json", killed)
    process = started("train", "--resume", killed, "--runs", tmp_path)
    wait_for_stages(killed, 3, process)
    process.kill()
    process.communicate()
    assert not (killed / "tickets.safetensors").exists()
    assert document(rtl("show", killed, "--runs", tmp_path, "--json"))["state"] == "stopped"
    document(rtl("train", "--resume", killed, "--runs", tmp_path, "--json"))
    for file in ("tickets.safetensors", "methods.safetensors"):
        assert (killed / file).read_bytes() == (runs / run / file).read_bytes()


def started(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "rtl_core", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=project_root(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def wait_for_stages(folder: Path, count: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while len(list((folder / "resume").glob("*.safetensors"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"fewer than {count} stages were kept in time"
        time.sleep(0.002)


def test_resuming_a_finished_run_leaves_it_as_it_is(rtl, runs, run):
    before = {file: file.stat().st_mtime_ns for file in (runs / run).iterdir()}
    again = document(rtl("train", "--resume", run, "--runs", runs, "--json"))
    assert (again["run"], again["reused"]) == (run, True)
    assert {file: file.stat().st_mtime_ns for file in (runs / run).iterdir()} == before


def test_a_settings_file_goes_over_the_preset_setting_by_setting(rtl, folder, runs, run, tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"partition": {"min_size": 2}, "joint": {"steps": 3}}))
    more = set_options({key: value for key, value in TINY.items() if key not in ("joint", "partition")})
    arguments = ("--config", file, "--data", f"folder:{folder}", *more, "--runs", runs, "--json")
    assert document(rtl("train", "classes", *arguments))["run"] == run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "domains"), "bundled:domains"),
        (("evaluate", "domains"), "min_entropy"),
        (("similarity", "domains"), "iou mean"),
        (("runs",), "fashion10"),
        (("settings",), "extract.steps"),
    ],
)
def test_without_json_people_get_a_table(rtl, arguments, says):
    code, out, err = rtl(*arguments)
    assert (code, err) == (0, "") and says in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "nonsense"), "demo"),
        (("train", "--set", "densty=0.2"), "densty"),
        (("train", "--set", "density=2"), "density"),
        (("train", "--set", "density=0"), "density"),
        (("train", "--set", "density=NaN"), "density"),
        (("train", "--set", "density"), "key=value"),
        (("train", "--config", "/nowhere.json"), "nowhere.json"),
        (("train", "classes", "--data", "folder:/nowhere/at/all"), "nowhere"),
        (("train", "classes", "--data", "cloud:x"), "folder:"),
        (("show", "no-such-run"), "no-such-run"),
        (("similarity", "domains", "--layer", "conv99"), "conv99"),
        (("similarity", "domains", "--density", "0"), "density"),
        (("evaluate", "domains", "--data", "bundled:digits"), "Trouser"),
        (("dance",), "dance"),
    ],
)
def test_bad_input_is_one_clear_line(rtl, tmp_path, arguments, says):
    assert says in refused(rtl(*arguments, *(() if arguments == ("dance",) else ("--runs", tmp_path, "--json"))))


def test_bad_input_to_the_program_itself():
    process = started("dance")
    out, err = process.communicate(timeout=60)
    assert "dance" in refused((process.returncode, out, err))


def test_a_file_where_the_runs_should_be(rtl, tmp_path):
    (tmp_path / "runs").write_text("")
    assert "folder" in refused(rtl("runs", "--runs", tmp_path / "runs", "--json"))


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000, '[["density", 0.2]]'])
def test_a_settings_file_that_holds_no_settings(rtl, tmp_path, content):
    file = tmp_path / "mine.json"
    file.write_text(content)
    assert "mine.json" in refused(rtl("train", "--config", file, "--runs", tmp_path, "--json"))


def test_a_device_that_is_not_there(rtl, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    arguments = ("--data", f"folder:{folder}", *tiny("device=cuda"), "--runs", tmp_path, "--json")
    assert "CUDA" in refused(rtl("train", "classes", *arguments))


def test_one_class_is_nothing_to_tell_apart(rtl, folder, tmp_path):
    shutil.copytree(folder / "cat", tmp_path / "pictures" / "cat")
    data = f"folder:{tmp_path / 'pictures'}"
    assert "1 class" in refused(rtl("train", "classes", "--data", data, *tiny(), "--runs", tmp_path / "r", "--json"))


@pytest.mark.parametrize("damage", ["truncated", "edited", "zip"])
def test_a_damaged_checkpoint_is_refused_and_left_alone(rtl, tmp_path, damage):
    broken = tmp_path / "broken"
    shutil.copytree(samples()["adult"], broken)
    file = broken / ("run.json" if damage == "edited" else "tickets.safetensors")
    content = file.read_bytes()
    edited, zipped = content.replace(b"0.8", b"0.9", 1), b"PK\x03\x04" + content[4:]
    changed = {"truncated": content[:-10], "edited": edited, "zip": zipped}[damage]
    file.write_bytes(changed)
    assert file.name in refused(rtl("evaluate", "broken", "--runs", tmp_path, "--json"))
    assert file.read_bytes() == changed


def test_a_corrupt_picture_is_named(rtl, folder, tmp_path):
    pictures = tmp_path / "pictures"
    shutil.copytree(folder, pictures)
    (pictures / "owl" / "3.png").write_bytes(b"not a picture")
    message = refused(
        rtl("train", "classes", "--data", f"folder:{pictures}", *tiny(), "--runs", tmp_path / "r", "--json")
    )
    assert "3.png" in message


def test_samples_open_and_say_what_they_are():
    for name in ("domains", "fashion10", "adult"):
        run = load_run(samples()[name])
        assert run.tickets.k == len(run.info["evaluation"]["tickets"]) >= 5
        assert sum(file.stat().st_size for file in run.folder.iterdir()) < 4e6


def test_masks_come_in_and_tickets_go_out(rtl, tmp_path):
    for name, kept in (("a", [1, 1, 0, 0]), ("b", [0, 1, 1, 0])):
        np.savez(tmp_path / f"{name}.npz", **{"layer.weight": np.array(kept, np.float32).reshape(2, 2)})
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    imported = document(rtl("import", *files, "--name", "mine", "--runs", tmp_path / "runs", "--json"))
    assert [ticket["params"] for ticket in imported["tickets"]] == [2, 2] and not imported["reused"]
    assert document(rtl("import", *files, "--name", "mine", "--runs", tmp_path / "runs", "--json"))["reused"]
    runs = ("--runs", tmp_path / "runs", "--json")
    shown = document(rtl("show", imported["run"], *runs))
    assert (shown["state"], shown["task"], shown["mode"], shown["n_prunable"]) == ("done", "masks", None, 4)
    assert imported["run"] in {run["run"] for run in document(rtl("runs", *runs))["runs"]}
    result = document(rtl("diff", f"{imported['run']}:a", f"{imported['run']}:b", *runs))
    assert (result["shared"], result["only_a"], result["only_b"], result["same_theta"]) == (1, 1, 1, None)
    for verb in (("evaluate", imported["run"]), ("export", imported["run"], "--ticket", "a")):
        code, out, err = rtl(*verb, "--runs", tmp_path / "runs")
        assert code == 2 and not out and "has masks only" in err and err.count("\n") == 1


def test_what_was_chosen_and_left_out_of_imported_masks_is_printed(rtl, tmp_path):
    """By `import` and by `show`, with counts, and the choice is in the run."""
    weights = {"layer.weight": np.eye(3), "other.weight": np.tri(3), "layer.bias": np.ones(3)}
    np.savez(tmp_path / "a.npz", **weights)
    np.savez(tmp_path / "b.npz", **{f"module.{name}": values for name, values in weights.items()})
    files, runs = (tmp_path / "a.npz", tmp_path / "b.npz"), ("--runs", tmp_path / "runs")
    _, out, _ = rtl("import", *files, "--tensors", "layer.*", "--name", "chosen", *runs)
    run = document(rtl("import", *files, "--tensors", "layer.*", "--name", "chosen", *runs, "--json"))
    assert run["n_prunable"] == 9 and run["reused"] and run["choice"] == {"tensors": ["layer.*"], "arrays": ""}
    assert run["notes"] == ["b.npz: 'module.' was taken off the names of 2 tensors"]
    shown = rtl("show", run["run"], *runs)[1]
    for text in (" ".join(out.split()), " ".join(shown.split())):
        assert "only tensors called layer.*, as chosen" in text and run["notes"][0] in text
        assert "1 left out, because it is not among the tensors that were chosen: other.weight" in text
    assert document(rtl("import", *files, "--name", "chosen", *runs, "--json"))["n_prunable"] == 18
    np.savez(tmp_path / "c.npz", cat=np.eye(3), dog=np.eye(3, k=1))
    code, _, err = rtl("import", tmp_path / "c.npz", *runs)
    assert code == 2 and "--as layers" in err
    tickets = document(rtl("import", tmp_path / "c.npz", "--as", "tickets", *runs, "--json"))["tickets"]
    assert [(ticket["name"], ticket["params"]) for ticket in tickets] == [("cat", 3), ("dog", 2)]
    code, _, err = rtl("import", tmp_path / "c.npz", "--as", "rows", *runs)
    assert code == 2 and "not 'rows'" in err


def test_an_exported_ticket_is_the_same_ticket(rtl, tmp_path):
    files = document(rtl("export", "domains", "--ticket", "noisy", "--out", tmp_path, "--json"))["files"]
    result = document(rtl("diff", "domains:noisy", files["ticket"], "--json"))
    assert result["same_theta"] is True and result["only_a"] == result["only_b"] == 0


def test_import_refuses_in_one_line(rtl, tmp_path):
    (tmp_path / "notes.txt").write_text("no mask")
    code, out, err = rtl("import", tmp_path / "notes.txt", "--runs", tmp_path / "runs")
    assert code == 2 and not out and err.count("\n") == 1 and "notes.txt is of no kind that holds masks" in err
    assert not (tmp_path / "runs").exists()
