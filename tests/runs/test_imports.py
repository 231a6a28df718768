"""Imported masks are a run: it opens without torch, is listed, and is the same run when imported again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.interchange.ticket_file import write_ticket
from rtl_core.runs import store
from rtl_core.runs.atomic import write_json
from rtl_core.runs.checkpoint import TICKETS_FILE, Outcome, load_learned, load_run, load_theta_0, save_checkpoint
from rtl_core.runs.imports import import_masks
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = (
    {"a.weight": [[1, 0, 2], [0, 0, 3]], "b.weight": [[0, 0], [0, 0]], "b.bias": [1, 0]},
    {"a.weight": [[0, 1, 2], [0, 4, 3]], "b.weight": [[1, 0], [2, 0]], "b.bias": [1, 0]},
)
MASKS = np.array([[1, 0, 1, 0, 0, 1, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1, 1, 0, 1, 0]], bool)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "cats.npz", tmp_path / "dogs.npz"]
    for path, weights in zip(paths, WEIGHTS, strict=True):
        np.savez(path, **{name: np.array(values, np.float32) for name, values in weights.items()})
    return paths


def test_the_document_says_what_came_in_and_what_did_not(files, tmp_path):
    seen = []
    document = plain(import_masks(files, tmp_path / "runs", "My Nets!", lambda *step: seen.append(step)))
    assert document["run"].startswith("my-nets-") and len(document["run"]) == len("my-nets-") + 8
    assert document["reused"] is False
    assert document["tickets"] == [
        {"name": "cats", "density": 0.3, "params": 3},
        {"name": "dogs", "density": 0.6, "params": 6},
    ]
    assert document["n_prunable"] == 10
    assert [entry["tensor"] for entry in document["left_out"]] == ["b.bias"]
    assert document["sources"][0] == {
        "ticket": "cats",
        "file": "cats.npz",
        "format": "npz",
        "sha256": hashlib.sha256(files[0].read_bytes()).hexdigest(),
        "bytes": files[0].stat().st_size,
    }
    assert seen == [(1, 2, "cats.npz"), (2, 2, "dogs.npz")]
    json.dumps(document, allow_nan=False)


def test_the_run_opens_and_holds_the_masks(files, tmp_path):
    document = plain(import_masks(files, tmp_path / "runs"))
    run = load_run(Path(document["folder"]))
    assert run.masks_only and run.config is None and run.methods == ()
    assert np.array_equal(run.tickets.masks(), MASKS)
    assert run.tickets.names == ("cats", "dogs")
    assert run.tickets.levels == (Level(1, pytest.approx(0.45), "target"),)
    assert run.info["kind"] == "masks"
    assert run.info["sources"] == document["sources"] and run.info["left_out"] == document["left_out"]
    assert run.info["warnings"] == ["Ticket 'cats' is dead: nothing is kept in b.weight."]
    assert load_learned(run) == {}
    with pytest.raises(BadInput, match="has masks only"):
        load_theta_0(run)


@pytest.mark.long
def test_the_run_opens_without_torch(files, tmp_path):
    folder = import_masks(files, tmp_path / "runs").folder
    code = (
        "import sys; from pathlib import Path; from rtl_core.runs.checkpoint import load_run;"
        "run = load_run(Path(sys.argv[1])); print(run.tickets.masks().sum(), 'torch' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "9 False"


def test_a_single_rung_is_stored_as_bits_alone_and_older_files_are_read(files, tmp_path, monkeypatch):
    folder = Path(import_masks(files, tmp_path / "runs").folder)
    assert {name: a.shape for name, a in safetensors.numpy.load_file(folder / TICKETS_FILE).items()} == {"bits": (2, 2)}
    tickets = load_run(folder).tickets

    def as_before(of):
        import torch

        bits = np.packbits(of.masks(), axis=1, bitorder="little")
        return {"bits": torch.from_numpy(bits), "pruned_at": torch.from_numpy(of.pruned_at)}

    monkeypatch.setattr("rtl_core.runs.checkpoint._ticket_tensors", as_before)
    save_checkpoint(folder, Outcome(tickets, {"kind": "masks"}))
    assert "pruned_at" in safetensors.numpy.load_file(folder / TICKETS_FILE)
    assert np.array_equal(load_run(folder).tickets.pruned_at, tickets.pruned_at)


def test_the_run_is_listed_found_and_deleted(files, tmp_path):
    root = tmp_path / "runs"
    name = import_masks(files, root, "nets").run
    (line,) = store.list_runs(root)
    assert (line.name, line.state, line.task, line.data) == (name, "done", "masks", "imported masks")
    assert line.density == pytest.approx(0.45) and not line.problem and line.created > 0
    assert store.find_run(name, root) == root / name
    with pytest.raises(BadInput, match=f"there are: .*{name}"):
        store.named_run("nothing", root)
    store.delete_run(root / name, root)
    assert store.list_runs(root) == []


@pytest.mark.parametrize("document", [{}, {"info": 3}, {"info": {"kind": "masks", "density": "much"}}])
def test_a_broken_run_of_masks_breaks_no_list(tmp_path, document):
    folder = tmp_path / "masks-00000000"
    folder.mkdir()
    write_json(folder / "run.json", document)
    (line,) = store.list_runs(tmp_path)
    assert line.density is None
    with pytest.raises(BadInput, match="cannot be opened"):
        load_run(folder)


def test_the_same_masks_are_the_same_run(files, tmp_path):
    root = tmp_path / "runs"
    first = import_masks(files, root, "nets")
    again = import_masks(files, root, "nets")
    assert (again.run, again.reused, again.tickets) == (first.run, True, first.tickets)
    assert import_masks(files[::-1], root, "nets").run != first.run
    (root / first.run / "run.json").unlink()  # as if the process had been killed
    assert import_masks(files, root, "nets").reused is False
    assert load_run(root / first.run).tickets.k == 2


def test_titles_stand_for_the_names_of_copies(files, tmp_path):
    copies = [path.rename(tmp_path / f"upload-{k}") for k, path in enumerate(files)]
    document = plain(import_masks(copies, tmp_path / "runs", "../../etc", titles=["C:\\nets\\cat.npz", "../dog.npz"]))
    assert [entry["name"] for entry in document["tickets"]] == ["cat", "dog"]
    assert [entry["file"] for entry in document["sources"]] == ["cat.npz", "dog.npz"]
    assert document["run"].startswith("etc-") and Path(document["folder"]).parent == tmp_path / "runs"
    copies[1].write_bytes(b"PK" + bytes(100))
    with pytest.raises(BadInput, match=r"^dog\.npz is not"):
        import_masks(copies, tmp_path / "runs", titles=["cat.npz", "dog.npz"])


def test_shards_are_one_ticket_and_their_sum_is_of_all(tmp_path):
    names = [f"net-0000{i}-of-00002.safetensors" for i in (1, 2)]
    files = [tmp_path / name for name in names]
    for file, (name, values) in zip(files, WEIGHTS[1].items(), strict=False):
        safetensors.numpy.save_file({name: np.array(values, np.float32)}, file)
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a.weight": names[0], "b.weight": names[1]}}))
    document = import_masks([index], tmp_path / "runs")
    assert [(ticket.name, ticket.params) for ticket in document.tickets] == [("net", 6)]
    assert document.notes == [f"{index.name}: its 2 tensors were read from 2 shards"]
    (source,) = document.sources
    together = files[0].read_bytes() + files[1].read_bytes()
    assert (source["bytes"], source["sha256"]) == (len(together), hashlib.sha256(together).hexdigest())
    copies = [file.rename(tmp_path / f"upload-{k}") for k, file in enumerate([*files, index])]
    again = import_masks(copies, tmp_path / "runs", titles=[*names, index.name])
    assert (again.run, again.reused) == (document.run, True)
    assert load_run(Path(again.folder)).record.notes == document.notes


def test_tickets_of_a_run_come_back_with_their_rungs(tmp_path):
    levels = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"), Level(3, 0.2, "lighter"))
    pruned_at = np.array([[0, 1, 2, 3, 0, 1], [1, 2, 3, 0, 0, 1]], np.uint8)
    tickets = TicketSet(("day", "night"), ("sunny", "dark"), Layout(("w",), ((2, 3),)), pruned_at, levels)
    files = [tmp_path / f"{name}.ticket.safetensors" for name in tickets.names]
    for k, file in enumerate(files):
        context = {"data": {}, "model": {"name": "tiny"}, "licence": ""}
        write_ticket(file, tickets, k, {"w": np.ones((2, 3), np.float32)}, context)
    run = load_run(Path(import_masks(files, tmp_path / "runs").folder))
    assert np.array_equal(run.tickets.pruned_at, pruned_at)
    assert (run.tickets.names, run.tickets.subsets, run.tickets.levels) == (tickets.names, tickets.subsets, levels)


def test_what_is_refused_leaves_no_run(files, tmp_path, monkeypatch):
    root = tmp_path / "runs"
    with pytest.raises(BadInput, match="no file was given"):
        import_masks([], root)
    with pytest.raises(BadInput, match="1 titles were given for 2 files"):
        import_masks(files, root, titles=["a.npz"])
    monkeypatch.setattr("rtl_core.interchange.import_masks_arrays.MAX_WEIGHTS", 19)
    with pytest.raises(BadInput, match="together have 20 weights, at most 19"):
        import_masks(files, root)
    assert not root.exists()


def test_sessions_that_import_the_same_masks_at_once_get_one_run_that_opens(files, tmp_path):
    root = tmp_path / "runs"

    def bring_in(_: int) -> tuple[bool, int]:
        document = plain(import_masks(files, root, "nets"))
        return document["reused"], load_run(Path(document["folder"])).tickets.k

    with ThreadPoolExecutor(4) as sessions:
        result = list(sessions.map(bring_in, range(12)))
    assert [k for _, k in result] == [2] * 12
    assert sum(not reused for reused, _ in result) == 1
    assert [run.problem for run in store.list_runs(root)] == [""]


def test_half_a_folder_of_a_crash_is_made_anew_and_no_draft_is_a_run(files, tmp_path):
    root = tmp_path / "runs"
    folder = Path(import_masks(files, root).folder)
    (folder / "run.json").rename(root / "run.json")
    (root / ".draft-x").mkdir()
    (root / "run.json").rename(root / ".draft-x" / "run.json")
    assert store.list_runs(root) == []
    assert import_masks(files, root).reused is False
    assert load_run(folder).tickets.k == 2
    assert [path.name for path in root.iterdir() if path.name.startswith(".draft")] == []
